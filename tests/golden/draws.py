"""Weights that both sides draw alike, so that no file of 54 million numbers is needed."""

from collections.abc import Mapping

import numpy as np


def drawn(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """Values for the tensors of a state dict, from NumPy's frozen RandomState in the order of their
    names: convolutions normal with variance 1 / fan-in, norms and statistics about 1 and 0; what
    has no shape (counts of batches) and CUT's blurs stay as they are.
    """
    draw, found = np.random.RandomState(seed), {}
    for name in sorted(shapes):
        shape = shapes[name]
        if not shape or name.endswith("filt"):
            continue
        if len(shape) == 4:
            found[name] = draw.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        elif name.endswith(("running_var", "weight")):
            found[name] = draw.uniform(0.5, 1.5, shape)
        else:
            found[name] = 0.1 * draw.standard_normal(shape)
    return found
