"""Pictures to try things on: a photograph that comes with scikit-learn, drawings of OpenMoji, and a
painting that is drawn here.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from imgtrans_jax.data.openmoji import one_drawing

PALETTE = (
    (24, 30, 74),
    (33, 71, 132),
    (64, 128, 160),
    (236, 206, 134),
    (222, 120, 58),
    (146, 44, 46),
)
"""Night blue, blue, teal, sand, orange, wine: from the depths of the painting to its heights."""


def photograph() -> np.ndarray:
    """(427, 640, 3) uint8: a temple above a lake, which scikit-learn carries (china.jpg, by
    dscoool, CC BY).
    """
    from sklearn.datasets import load_sample_image

    return load_sample_image("china.jpg")


def drawing(sketch: bool = True, size: int = 512) -> np.ndarray:
    """(size, size, 3) uint8: a ladybird, of OpenMoji (CC BY-SA 4.0), which is one of those that
    are held out of all trainings here.

    Args:
        sketch: Its lines alone.
        size: Pixels of both sides.
    """
    return one_drawing("1F41E", size, sketch)


def painting(size: int = 512, strokes: int = 9000, seed: int = 7) -> np.ndarray:
    """Brush strokes that follow the contours of a landscape of random hills, coloured by their
    height.

    Contours whirl around every summit, and strokes go from long and broad to short and fine, as a
    painter lays them.

    Args:
        size: Pixels of both sides.
        strokes: How many there are.
        seed: Of the hills and the strokes.

    Returns:
        (size, size, 3) uint8.
    """
    rng = np.random.default_rng(seed)
    centers, widths, heights = (
        rng.uniform(0, 1, (14, 2)),
        rng.uniform(0.08, 0.28, 14),
        rng.normal(0, 1, 14),
    )

    def hills(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Height (N,) and slope (N, 2) at places (N, 2) in [0, 1]."""
        offset = x[:, None] - centers
        bumps = heights * np.exp(-0.5 * np.sum(offset**2, axis=2) / widths**2)
        return bumps.sum(axis=1), -np.sum(bumps[..., None] * offset / widths[:, None] ** 2, axis=1)

    corners = np.stack(np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64)), axis=2).reshape(
        -1, 2
    )
    ranked = np.sort(hills(corners)[0])
    colors = np.array(PALETTE, float)
    canvas = Image.new("RGB", (size, size), PALETTE[0])
    draw = ImageDraw.Draw(canvas)
    for fineness in np.linspace(0, 1, strokes):
        place = rng.uniform(-0.02, 1.02, (1, 2))
        rank = np.searchsorted(ranked, hills(place)[0][0]) / len(ranked) + rng.normal(0, 0.05)
        tone = np.clip(rank, 0, 0.999) * (len(colors) - 1)
        low = int(tone)
        color = colors[low] + (tone - low) * (colors[low + 1] - colors[low])
        color = np.clip(color * rng.uniform(0.75, 1.25) + rng.normal(0, 9, 3), 0, 255).astype(int)
        points = [place]
        for _ in range(8):
            slope = hills(points[-1])[1]
            along = np.stack([-slope[:, 1], slope[:, 0]], axis=1) / (np.linalg.norm(slope) + 1e-9)
            points.append(points[-1] + along * (1.2 - 0.7 * fineness) / 100)
        width = max(1, math.ceil(size / 512 * (8 - 5.5 * fineness)))
        line = [tuple(size * p[0]) for p in points]
        draw.line(line, fill=tuple(color), width=width, joint="curve")
    return np.asarray(canvas)
