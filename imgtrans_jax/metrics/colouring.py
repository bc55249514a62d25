"""Four numbers that say whether line drawings were coloured: like the real ones, white outside,
dark lines, several hues.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from imgtrans_jax.metrics.base import SignedPictures
from imgtrans_jax.metrics.kernel_distance import kernel_distance

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # ITU-R BT.709, applied to sRGB values as they are


@dataclasses.dataclass(frozen=True)
class Coloring:
    """The four numbers of translated sketches.

    Attributes:
        distance_ratio: Kernel distance of the translated sketches to real coloured drawings, over
            that of the sketches themselves.
        background_change: Mean absolute change, of the range, where sketch and coloured drawing are
            white.
        line_luminance: Mean luminance in [0, 1] on the sketch's lines.
        hue_groups: Sextants of the hue circle that hold at least 5 % of the clearly coloured
            pixels, where those are at least 1 % of all.
    """

    distance_ratio: float
    background_change: float
    line_luminance: float
    hue_groups: int

    def passes(self) -> bool:
        """Whether all four are those of a coloured drawing."""
        return (
            self.distance_ratio <= 0.5
            and self.background_change < 0.05
            and self.line_luminance < 0.35
            and self.hue_groups >= 3
        )


def score_coloring(
    sketches: SignedPictures, translated: SignedPictures, colored: SignedPictures
) -> Coloring:
    """The four numbers of `Coloring` for a set of pictures.

    Args:
        sketches: (N, H, W, 3) in [-1, 1].
        translated: Their translations, of the same shape and range.
        colored: The true coloured drawings of the same subjects, of the same shape and range.

    Returns:
        The numbers.
    """
    unit = (translated + 1) / 2
    background = (sketches.min(-1) > 0.96) & (colored.min(-1) > 0.96)
    lines = sketches.max(-1) < -0.5
    return Coloring(
        kernel_distance(translated, colored) / kernel_distance(sketches, colored),
        float(np.abs(translated - sketches)[background].mean() / 2),
        float((unit @ _LUMINANCE)[lines].mean()),
        hue_groups(unit),
    )


def hue_groups(unit: Float[np.ndarray, "... 3"]) -> int:
    """How many of red, yellow, green, cyan, blue and magenta, each 60 degrees wide, appear.

    Args:
        unit: Pictures (…, 3) in [0, 1].

    Returns:
        0 to 6, as `Coloring` counts them.
    """
    high, low = unit.max(-1), unit.min(-1)
    chroma = high - low
    clear = chroma > 0.25
    if clear.mean() < 0.01:
        return 0
    r, g, b = np.moveaxis(unit[clear], -1, 0)
    c, top = chroma[clear], high[clear]
    hue = np.where(top == r, (g - b) / c % 6, np.where(top == g, (b - r) / c + 2, (r - g) / c + 4))
    shares = np.bincount(np.floor(hue + 0.5).astype(int) % 6, minlength=6) / len(hue)
    return int((shares >= 0.05).sum())
