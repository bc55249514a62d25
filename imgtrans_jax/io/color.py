"""Colours of pictures, (H, W, 3) float in [0, 1]: their statistics, one picture's put on another,
luminance and chroma.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_TO_YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]]
)
_FLOOR = 1e-6  # the least variance in any direction, so that a picture of one colour has an inverse

Statistics = tuple[np.ndarray, np.ndarray]
"""Mean (3,) and covariance (3, 3) of colours."""


def statistics(picture: np.ndarray, mask: np.ndarray | None = None) -> Statistics:
    """Mean and covariance of a picture's colours.

    Args:
        picture: (H, W, 3), float in [0, 1].
        mask: (H, W, 1) in [0, 1]; each pixel counts by it. None: all count alike.

    Returns:
        Mean (3,) and covariance (3, 3).
    """
    pixels = picture.reshape(-1, 3).astype(np.float64)
    weights = np.ones(len(pixels)) if mask is None else mask.reshape(-1).astype(np.float64)
    weights = weights / max(weights.sum(), 1e-9)
    mean = weights @ pixels
    centered = pixels - mean
    return mean, (weights[:, None] * centered).T @ centered


def blend(many: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
    """The weighted mean of several pictures' statistics.

    Args:
        many: Of each picture, as `statistics` gives them.
        weights: One for each picture, of any sum above 0.

    Returns:
        Mean (3,) and covariance (3, 3).

    Raises:
        ValueError: If there are not as many weights as pictures.
    """
    total = sum(weights)
    return (
        sum(
            (w / total * mean for w, (mean, _) in zip(weights, many, strict=True)),
            start=np.zeros(3),
        ),
        sum(
            (w / total * covariance for w, (_, covariance) in zip(weights, many, strict=True)),
            start=np.zeros((3, 3)),
        ),
    )


def match(picture: np.ndarray, source: Statistics, target: Statistics) -> np.ndarray:
    """The picture with the colours' mean and covariance of another.

    Of all linear maps that do so, this is the one that moves colours least (Pitié and Kokaram 2007,
    section 3.3). Gatys et al. 2016 ("Preserving color in neural artistic style transfer", section
    3) use it and its relatives to keep the content's colours.

    Args:
        picture: (H, W, 3), float in [0, 1].
        source: Mean and covariance of the colours of `picture`.
        target: Those that the result has.

    Returns:
        (H, W, 3) float32, not clipped.
    """
    root = _power(source[1], 0.5, _FLOOR)
    inverse = _power(source[1], -0.5, _FLOOR)
    linear = inverse @ _power(root @ target[1] @ root, 0.5, 0.0) @ inverse
    return (
        ((picture.reshape(-1, 3) - source[0]) @ linear.T + target[0])
        .reshape(picture.shape)
        .astype(np.float32)
    )


def _power(covariance: np.ndarray, exponent: float, floor: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, floor) ** exponent) @ vectors.T


def luminance(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> its luminance in all three channels: Y of YIQ."""
    return np.repeat((picture @ _TO_YIQ[0])[..., None], 3, axis=-1).astype(np.float32)


def with_luminance(picture: np.ndarray, bright: np.ndarray) -> np.ndarray:
    """The picture's chroma (IQ of YIQ) under the luminance of another.

    Args:
        picture: (H, W, 3) in [0, 1], whose chroma is kept.
        bright: (H, W, 3) in [0, 1], whose luminance is taken.

    Returns:
        (H, W, 3) float32, clipped to [0, 1].
    """
    return np.clip(picture - luminance(picture) + luminance(bright), 0, 1).astype(np.float32)


# ---------------------------------------------------------------------------------------- OkLab

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_SHARPNESS = 10.0  # how soon chroma stops at a step of lightness, whose range is 1


def to_oklab(picture: np.ndarray) -> np.ndarray:
    """sRGB (..., 3) in [0, 1] -> OkLab (Ottosson 2020), float32: lightness in [0, 1], and chroma,
    green to red and blue to yellow, within some 0.4 of 0.
    """
    return (np.cbrt(_linear(picture.astype(np.float64)) @ _TO_LMS.T) @ _TO_OKLAB.T).astype(
        np.float32
    )


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """The inverse of `to_oklab`; colors that sRGB has not got are clipped."""
    lms = (lab.astype(np.float64) @ np.linalg.inv(_TO_OKLAB).T) ** 3
    return srgb_encoded(np.clip(lms @ np.linalg.inv(_TO_LMS).T, 0, 1)).astype(np.float32)


def with_clean_chroma(picture: np.ndarray, chroma: np.ndarray, passes: int = 5) -> np.ndarray:
    """The lightness of a picture under the chroma of another, in OkLab. Chroma is smoothed within
    the forms that lightness has, so that there are no specks of color (the last step of Kolkin et
    al. 2022, "Neural Neighbor Style Transfer").

    Args:
        picture: (H, W, 3) in [0, 1], whose lightness is taken.
        chroma: (H, W, 3) in [0, 1], whose chroma is taken.
        passes: How often it is smoothed, each time by a pixel around.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    lightness, ab = to_oklab(picture)[..., :1], to_oklab(chroma)[..., 1:]
    for _ in range(passes):
        ab = _smoothed(ab, lightness)
    return from_oklab(np.concatenate([lightness, ab], axis=2))


def _smoothed(x: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """The mean over each pixel and its eight neighbors, which count less where `guide` differs."""
    height, width = x.shape[:2]
    around = [np.pad(y, ((1, 1), (1, 1), (0, 0)), mode="edge") for y in (x, guide)]
    total, weights = np.zeros_like(x), np.zeros_like(guide)
    for row in range(3):
        for column in range(3):
            near, near_guide = (y[row : row + height, column : column + width] for y in around)
            weight = np.exp(-_SHARPNESS * np.abs(near_guide - guide))
            total, weights = total + weight * near, weights + weight
    return total / weights


# ---------------------------------------------------------------------------------- signed pictures

_WHITE = np.array([0.95047, 1.0, 1.08883])  # CIE D65
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_KNEE = 6 / 29


def luma(signed: np.ndarray) -> np.ndarray:
    """(…, 3) in [-1, 1] -> (…, 1) float32: Y' of ITU-R BT.601 on sRGB values as they are, which
    JPEG and television use.
    """
    return (signed @ np.array([0.299, 0.587, 0.114], np.float32))[..., None].astype(np.float32)


def to_lab(signed: np.ndarray) -> np.ndarray:
    """sRGB (…, 3) in [-1, 1] -> CIE Lab (…, 3) float32 as (L / 50 - 1, a / 110, b / 110), all
    within [-1, 1].
    """
    ratio = _linear((signed.astype(np.float64) + 1) / 2) @ _TO_XYZ.T / _WHITE
    f = np.where(ratio > _KNEE**3, np.cbrt(ratio), ratio / (3 * _KNEE**2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack(
        [(116 * y - 16) / 50 - 1, 500 * (x - y) / 110, 200 * (y - z) / 110], axis=-1
    ).astype(np.float32)


def from_lab(lab: np.ndarray) -> np.ndarray:
    """The inverse of `to_lab`; colours that sRGB has not got are clipped."""
    lightness, a, b = np.moveaxis(lab.astype(np.float64) * [50, 110, 110] + [50, 0, 0], -1, 0)
    y = (lightness + 16) / 116
    f = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    xyz = np.where(f > _KNEE, f**3, 3 * _KNEE**2 * (f - 4 / 29)) * _WHITE
    linear = np.clip(xyz @ np.linalg.inv(_TO_XYZ).T, 0, 1)
    return (srgb_encoded(linear) * 2 - 1).astype(np.float32)


def _linear(unit: np.ndarray) -> np.ndarray:
    """sRGB values in [0, 1] -> light in [0, 1] (IEC 61966-2-1)."""
    return np.where(unit <= 0.04045, unit / 12.92, ((np.maximum(unit, 0) + 0.055) / 1.055) ** 2.4)


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    """Light in [0, 1] -> sRGB values in [0, 1] (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
