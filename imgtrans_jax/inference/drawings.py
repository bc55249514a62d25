"""Line drawings as people have them: on paper that was photographed or scanned, with lines that are
to stay as sharp as they were drawn. Imports io alone.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, Literal

import numpy as np
import scipy

from imgtrans_jax.io import images
from imgtrans_jax.io.color import luma

Lines = Literal["keep", "off"]
Paper = Literal["clean", "off"]
Fills = Literal["flat", "off"]

_SMALL = 192  # pixels of the shorter side at which the paper's light is looked at
_WINDOW = 21  # of these: wider than a line or a dot
_WHITE, _MOSTLY = 0.97, 0.4  # of luminance, and of the pixels that a white background has
_DARK = 0.3  # of brightness: a darker background is that of light lines
_PAPER = 0.86  # of the paper's light: brighter is paper, its grain and its noise
_INK = 0.02  # the darkest of the ink's pixels, which become black
_LINE = 0.6  # of brightness: darker is a line
_OPAQUE = 1.2  # times its darkness is how much ink covers
_GAP = 100  # of the shorter side: a smaller gap in a line is closed
_NEAR, _AGREE = 0.2, 0.2  # of a channel; of a shape's pixels, that are so near to its colour
_SEEN, _ALIKE = 200, 0.12  # pixels of a shape that are looked at; of a channel: one colour
_STAIN = 0.01  # of a picture: a larger one on its background is meant
_GRAY = 0.15  # what a pixel of gray counts, where one of a pure colour counts 1 more


@dataclasses.dataclass(frozen=True)
class LineDrawings:
    """What is done about lines and paper.

    Attributes:
        keep_lines: Lays a drawing's own ink over the result.
        clean_paper: Takes the light of the paper out of a drawing; None: where it is not white.
        flat_fills: Gives every closed shape one colour.
        expected: Whether the network learned from line drawings.
    """

    keep_lines: bool = False
    clean_paper: bool | None = False
    flat_fills: bool = False
    expected: bool = False

    @property
    def change_results(self) -> bool:
        """Whether the drawing is still needed when its result is there."""
        return self.keep_lines or self.flat_fills

    def read(self, picture: np.ndarray) -> np.ndarray:
        """A drawing as the network is to see it.

        Args:
            picture: (H, W, C), uint8 or float in [0, 1].

        Returns:
            The same, of its type; itself if it stays as it is.
        """
        wanted = not has_white_paper(picture) if self.clean_paper is None else self.clean_paper
        return clean_paper(picture) if wanted else picture

    def resize(self, picture: np.ndarray, height: int, width: int) -> np.ndarray:
        """A picture at the size that the network works at. Lines of a drawing that is much larger
        are made broader before, or the finest would be gone.

        Args:
            picture: (H, W, C), uint8 or float in [0, 1].
            height: In pixels.
            width: The same.

        Returns:
            (height, width, C), of its type.
        """
        broader = round(picture.shape[0] / height / 2) if self.expected else 0
        if broader > 1:
            picture = scipy.ndimage.minimum_filter(picture, (broader, broader, 1))
        return images.resize(picture, height, width)

    def finish(self, result: np.ndarray, drawing: np.ndarray) -> np.ndarray:
        """The result with the drawing's lines, and shapes of one colour, where that is wanted.

        Args:
            result: (H, W, C), uint8 or float in [0, 1].
            drawing: As `read` gave it, of any size.

        Returns:
            The result, of its type.
        """
        if not self.change_results or result.shape[2] not in (1, 3):
            return result
        drawing = images.resize(drawing, *result.shape[:2])
        result = with_flat_fills(result, drawing) if self.flat_fills else result
        return with_ink(result, drawing) if self.keep_lines else result


def has_white_paper(drawing: np.ndarray) -> bool:
    """Whether the background of a drawing is white already.

    Args:
        drawing: (H, W, 1 or 3), uint8 or float in [0, 1].
    """
    return bool((_brightness(drawing) > _WHITE).mean() > _MOSTLY)


def clean_paper(drawing: np.ndarray) -> np.ndarray:
    """A photographed or scanned drawing on white: divided by the light of its paper, each channel
    without what is dark and narrow (its closing); then paper becomes white, the darkest ink black.
    Light lines on dark paper are turned before.

    Args:
        drawing: (H, W, 1 or 3), uint8 or float in [0, 1].

    Returns:
        The same, of its type. What has no ink stays white.
    """
    unit = images.to_unit(drawing)
    if np.median(_brightness(unit)) < _DARK:
        unit = 1 - unit
    height, width = unit.shape[:2]
    scale = min(1.0, _SMALL / min(height, width))
    small = images.resize(unit, max(1, round(height * scale)), max(1, round(width * scale)))
    light = scipy.ndimage.grey_closing(small, (_WINDOW, _WINDOW, 1), mode="nearest")
    light = scipy.ndimage.gaussian_filter(light, (_WINDOW / 6, _WINDOW / 6, 0), mode="nearest")
    flat = np.clip(unit / np.maximum(images.resize(light, height, width), 1e-3), 0, 1)
    tone = _brightness(flat)
    ink = tone[tone < 0.7 * _PAPER]
    black = float(np.quantile(ink, _INK)) if ink.size > 1e-4 * tone.size else 0.0
    flat = np.clip((flat - black) / (_PAPER - black), 0, 1).astype(np.float32)
    return _like(flat, drawing)


def with_ink(result: np.ndarray, drawing: np.ndarray) -> np.ndarray:
    """A result with the drawing's own lines over it, in their own colour: the darker, the less of
    the result shows.

    Args:
        result: (H, W, C), uint8 or float in [0, 1].
        drawing: (H, W, 1 or 3), dark lines on white.

    Returns:
        The result, of its type.
    """
    ink = images.to_unit(drawing)[..., :3]
    ink = ink if ink.shape[2] == result.shape[2] else _brightness(drawing)[..., None]
    opaque = np.minimum(1, _OPAQUE * (1 - _brightness(drawing)))[..., None]
    return _like(images.to_unit(result) * (1 - opaque) + ink * opaque, result)


def with_flat_fills(result: np.ndarray, drawing: np.ndarray) -> np.ndarray:
    """A result in which every shape that lines close has one colour: that which most of it is near,
    vivid ones a little sooner, if a fifth of the shape is near it. What reaches the picture's edge,
    the background, loses faint stains and small ones that touch no line; what is of many colours
    stays.

    Args:
        result: (H, W, C), uint8 or float in [0, 1].
        drawing: (H, W, 1 or 3), dark lines on white.

    Returns:
        The result, of its type.
    """
    unit, side = images.to_unit(result), min(result.shape[:2])
    walls = scipy.ndimage.binary_dilation(
        _brightness(drawing) < _LINE, iterations=max(1, side // (2 * _GAP))
    )
    shapes: np.ndarray
    shapes, count = scipy.ndimage.label(~walls)  # type: ignore[misc]
    if not count:
        return result
    if not walls.any():  # without ink there is nothing to colour
        return np.full_like(result, 255 if result.dtype == np.uint8 else 1)
    numbers = np.arange(1, count + 1)
    main = _main_colors(unit, shapes, count)
    # under lines and beside them it is the nearest shape's
    nearest: Any = scipy.ndimage.distance_transform_edt(
        walls, return_distances=False, return_indices=True
    )
    shape = shapes[tuple(nearest)] - 1
    apart = np.abs(unit - main[shape]).max(axis=2)
    near = apart < _NEAR
    agreed = np.asarray(scipy.ndimage.mean(near, shapes, numbers)) >= _AGREE
    inside = np.ones(count, bool)
    edges = np.concatenate([shapes[0], shapes[-1], shapes[:, 0], shapes[:, -1]])
    inside[edges[edges > 0] - 1] = False
    white = main.min(axis=1) > 0.9  # a white background loses more
    filled = agreed[shape] & (inside[shape] | near | (white[shape] & (apart < 2 * _NEAR)))
    stains: np.ndarray
    stains, number = scipy.ndimage.label(~filled & ~inside[shape])  # type: ignore[misc]
    kept = np.bincount(stains.ravel(), minlength=number + 1) > _STAIN * stains.size
    kept[stains[scipy.ndimage.binary_dilation(walls, iterations=2)]] = True
    filled |= ~kept[stains] & (stains > 0)
    return _like(np.where(filled[..., None], main[shape], unit), result)


def _main_colors(unit: np.ndarray, shapes: np.ndarray, number: int) -> np.ndarray:
    """Of each shape, numbered from 1, the mean of the pixels that are near the one that most are
    near; (number, C). The median of a shape of two colours would be a third one.
    """
    pixels = unit.reshape(-1, unit.shape[2])
    order = np.argsort(shapes, axis=None, kind="stable")
    ends = np.searchsorted(shapes.ravel()[order], np.arange(1, number + 2))
    colors = np.empty((number, unit.shape[2]), np.float32)
    for shape, (first, last) in enumerate(itertools.pairwise(ends)):
        count = min(last - first, _SEEN)
        some = pixels[order[first + np.arange(count) * (last - first) // count]]
        near = np.abs(some[:, None] - some).max(axis=2) < _ALIKE
        vivid = some.max(axis=1) - some.min(axis=1)
        most = near[np.argmax(near.sum(axis=1) * (_GRAY + vivid))]
        colors[shape] = some[most].mean(axis=0, dtype=np.float64)
    return colors


def _brightness(picture: np.ndarray) -> np.ndarray:
    """(H, W) in [0, 1]."""
    unit = images.to_unit(picture)
    return unit[..., 0] if unit.shape[2] < 3 else (luma(2 * unit[..., :3] - 1)[..., 0] + 1) / 2


def _like(unit: np.ndarray, picture: np.ndarray) -> np.ndarray:
    return images.unit_to_uint8(unit) if picture.dtype == np.uint8 else unit.astype(picture.dtype)
