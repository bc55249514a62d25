"""How near a picture comes to itself when it is translated there and back. Imports base."""

from __future__ import annotations

import numpy as np

from imgtrans_jax.metrics.base import CycleMetric, Scores, SignedPictures


def cycle_error(x: SignedPictures, back: SignedPictures) -> Scores:
    """The mean absolute difference of each picture.

    Args:
        x: (N, H, W, C) in [-1, 1].
        back: The same pictures translated there and back, of the same shape.

    Returns:
        (N,) in [0, 2], 0 for equal ones.
    """
    return np.abs(back - x).mean((1, 2, 3))


CYCLE = CycleMetric(
    "cycle", "lower", "mean |F(G(x)) - x|, of the range [-1, 1]", lambda: cycle_error
)
