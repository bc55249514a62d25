"""The FCN score's numbers: how well a label map agrees with the true one (Isola et al. 2017,
section 4.1; Long et al. 2015).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from imgtrans_jax.io import json_files
from imgtrans_jax.metrics.base import Colors, Counts, LabelMetric, Picture
from imgtrans_jax.types import UserError

FACADES: Colors = {
    "background": (0, 0, 223),
    "facade": (0, 48, 255),
    "window": (0, 128, 255),
    "door": (0, 207, 255),
    "cornice": (32, 255, 223),
    "sill": (112, 255, 143),
    "balcony": (191, 255, 64),
    "blind": (255, 239, 0),
    "deco": (255, 159, 0),
    "molding": (255, 80, 0),
    "pillar": (255, 0, 0),
    "shop": (175, 0, 0),
}
"""The CMP facade database's 12 classes as pix2pix's files show them (measured there: steps of
MATLAB's `jet`).
"""

CITYSCAPES: Colors = {
    "-unlabelled": (0, 0, 0),
    "-dynamic": (111, 74, 0),
    "-ground": (81, 0, 81),
    "-parking": (250, 170, 160),
    "-rail track": (230, 150, 140),
    "-guard rail": (180, 165, 180),
    "-bridge": (150, 100, 100),
    "-tunnel": (150, 120, 90),
    "-caravan": (0, 0, 90),
    "-trailer": (0, 0, 110),
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
"""The 19 classes that Cityscapes is scored on, and the colours of those that it is not (`static`,
`ego vehicle` and the like are black, too). Two of these have the colour of a class and count as it:
`polegroup` as pole, `license plate` as car.
"""

_KNOWN = {"facades": FACADES, "cityscapes": CITYSCAPES}


@dataclasses.dataclass(frozen=True)
class Segmentation:
    """Agreement with the true label maps, in [0, 1].

    Attributes:
        pixel: Per-pixel accuracy.
        per_class: Per-class accuracy.
        iou: Mean class IoU.
        by_class: Each class's IoU, NaN where it is absent.
    """

    pixel: float
    per_class: float
    iou: float
    by_class: dict[str, float]


def colors_of(name: str) -> Colors:
    """Classes and their colours.

    Args:
        name: `facades`, `cityscapes`, or a JSON file {"class": [r, g, b], …}.

    Returns:
        sRGB in 0 to 255 by class.

    Raises:
        UserError: For anything else.
    """
    if name in _KNOWN:
        return _KNOWN[name]
    try:
        read = json_files.read(Path(name).expanduser())
        found = {k: (v[0], v[1], v[2]) for k, v in read.items() if _is_color(v)}
    except OSError:
        raise UserError(
            f"There are no colours '{name}': give {', '.join(_KNOWN)} or a JSON file of class "
            "names."
        ) from None
    except ValueError:
        read = found = {}
    if len(found) < max(2, len(read)) or len(set(found.values())) < len(found):
        raise UserError(
            f'{name} must be {{"class": [red, green, blue], …}}, with two classes or more and each '
            "colour once."
        )
    return found


def _is_color(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(x) is int and 0 <= x < 256 for x in value)
    )


def snapped(picture: Picture, colors: Colors) -> Int[np.ndarray, "h w"]:
    """The number of the nearest colour, by squared distance.

    Args:
        picture: A colour-coded map (H, W, 3) uint8.
        colors: The classes' colours; numbers are places in it.

    Returns:
        (H, W) from 0.
    """
    palette = np.array(list(colors.values()), np.int32)
    flat = picture.reshape(-1, 3)
    # A map has few different colours: each is looked up once.
    different, places = np.unique(flat, axis=0, return_inverse=True)
    nearest = np.array(
        [np.square(palette - color.astype(np.int32)).sum(1).argmin() for color in different]
    )
    return nearest[places.reshape(-1)].reshape(picture.shape[:2])


def confusion(
    predicted: Int[np.ndarray, " *shape"], true: Int[np.ndarray, " *shape"], classes: int
) -> Counts:
    """Counts of pixels by true class and predicted class, of two maps of one shape.

    Args:
        predicted: The classes' numbers in [0, classes), any shape.
        true: Of the same shape and range.
        classes: How many there are.

    Returns:
        (classes, classes).
    """
    return np.bincount(
        true.reshape(-1) * classes + predicted.reshape(-1), minlength=classes**2
    ).reshape(classes, classes)


def scores(counts: Counts, colors: Colors) -> Segmentation:
    """The scores of label maps (Long et al. 2015, section 5).

    With n_ij pixels of class i predicted as j and t_i = sum_j n_ij: sum n_ii / sum t_i; the mean of
    n_ii / t_i over the classes that occur in truth; and the mean of n_ii / (t_i + sum_j n_ji -
    n_ii) over those that occur in truth or prediction.

    Args:
        counts: The summed `confusion` of all maps, (classes, classes).
        colors: The classes, in the same order.

    Returns:
        These three, and each class's.

    Raises:
        UserError: If truth has no class.
    """
    names = list(colors)
    real = np.array([not name.startswith("-") for name in names])
    # A prediction of no class is wrong for the true class, and nobody's false alarm.
    known = counts[real].astype(np.float64)
    hits = known[:, real].diagonal()
    true, predicted = known.sum(1), known[:, real].sum(0)
    with np.errstate(invalid="ignore"):
        accuracy, iou = hits / true, hits / (true + predicted - hits)
    by_class = dict(
        zip([n for n, r in zip(names, real, strict=True) if r], map(float, iou), strict=True)
    )
    if not true.sum():
        raise UserError(
            "None of the pixels of the true label maps has the colour of a class; check `colors`."
        )
    return Segmentation(
        float(hits.sum() / true.sum()),
        float(np.nanmean(accuracy)),
        float(np.nanmean(iou)),
        by_class,
    )


def _one(
    name: str, value: Callable[[Segmentation], float]
) -> Callable[[], Callable[[Counts, Colors], dict[str, float]]]:
    return lambda: lambda counts, colors: {name: value(scores(counts, colors))}


def _iou(counts: Counts, colors: Colors) -> dict[str, float]:
    found = scores(counts, colors)
    by_class = {f"iou/{name}": x for name, x in found.by_class.items() if np.isfinite(x)}
    return {"class_iou": found.iou} | by_class


PIXEL_ACCURACY = LabelMetric(
    "pixel_accuracy", "higher", "of label maps", _one("pixel_accuracy", lambda s: s.pixel)
)
CLASS_ACCURACY = LabelMetric(
    "class_accuracy",
    "higher",
    "of label maps, mean over classes",
    _one("class_accuracy", lambda s: s.per_class),
)
CLASS_IOU = LabelMetric("class_iou", "higher", "of label maps, mean over classes", lambda: _iou)
