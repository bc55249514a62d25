"""Colours of pictures, (H, W, 3) float in [0, 1]: their statistics, one picture's put on another,
luminance and chroma.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence

import numpy as np

_TO_YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]]
)
_FLOOR = 1e-6  # the least variance in any direction, so that a picture of one colour has an inverse

Statistics = tuple[np.ndarray, np.ndarray]
"""Mean (3,) and covariance (3, 3) of colours."""


def statistics(picture: np.ndarray, mask: np.ndarray | None = None) -> Statistics:
    """Mean and covariance of the colours; with a mask (H, W, 1) in [0, 1], each pixel counts by
    it.
    """
    pixels = picture.reshape(-1, 3).astype(np.float64)
    weights = np.ones(len(pixels)) if mask is None else mask.reshape(-1).astype(np.float64)
    weights = weights / max(weights.sum(), 1e-9)
    mean = weights @ pixels
    centred = pixels - mean
    return mean, (weights[:, None] * centred).T @ centred


def blend(many: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
    """The weighted mean of several pictures' statistics."""
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
    """The picture, whose colours have mean and covariance `source`, with those of `target`:
    unclipped float32.

    Of all linear maps that do so, the one that moves colours least (Pitié and Kokaram 2007, section
    3.3); Gatys et al. 2016 ("Preserving color in neural artistic style transfer", section 3) use it
    and its relatives to keep the content's colours.
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
    """The picture's chroma (IQ of YIQ) under the luminance of `bright`; float32 in [0, 1]."""
    return np.clip(picture - luminance(picture) + luminance(bright), 0, 1).astype(np.float32)


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
    unit = (signed.astype(np.float64) + 1) / 2
    linear = np.where(unit <= 0.04045, unit / 12.92, ((np.maximum(unit, 0) + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
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


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    """Light in [0, 1] -> sRGB values in [0, 1] (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


# ---------------------------------------------------------------------------- profiles (ICC.1:2022)

SRGB_CHROMATICITY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""x and y of white, red, green and blue."""

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def made_profile(gamma: float, chromaticity: Sequence[float], grey: bool = False) -> bytes:
    """An ICC profile for light = value ** gamma and the x and y of white, red, green and blue.
    Raises ValueError for chromaticities that are none."""
    tags = {b"wtpt": b"XYZ " + bytes(4) + _fixed(*_D50)}
    curve = b"para" + bytes(8) + _fixed(gamma)
    if grey:
        tags[b"kTRC"] = curve
    else:
        for name, column in zip((b"r", b"g", b"b"), _primaries(chromaticity).T, strict=True):
            tags[name + b"XYZ"] = b"XYZ " + bytes(4) + _fixed(*column)
            tags[name + b"TRC"] = curve
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content
    space = b"GRAY" if grey else b"RGB "
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"", 0x04000000, b"mntr", space, b"XYZ ")
    head = (head + bytes(12) + b"acsp" + bytes(28) + _fixed(*_D50)).ljust(128, b"\0")
    return head + struct.pack(">I", len(tags)) + table + data


def _primaries(chromaticity: Sequence[float]) -> np.ndarray:
    """Columns: red, green and blue in XYZ, their white adapted to D50 (Bradford)."""
    x, y = np.reshape(chromaticity, (4, 2)).T
    if not (y > 0.01).all() or not (y < 2).all() or not (np.abs(x) < 2).all():
        raise ValueError("chromaticities that are none")
    white, *primaries = np.stack([x / y, np.ones(4), (1 - x - y) / y], axis=1)
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(_BRADFORD @ _D50 / (_BRADFORD @ white)) @ _BRADFORD
    columns = np.array(primaries).T
    return adapted @ columns @ np.diag(np.linalg.solve(columns, white))


def _fixed(*numbers: float) -> bytes:
    """As s15Fixed16. Raises ValueError for what that cannot hold."""
    if not all(abs(x) < 32768 for x in numbers):
        raise ValueError("a number out of range")
    return struct.pack(f">{len(numbers)}i", *(round(x * 65536) for x in numbers))


def grey_curve(profile: bytes) -> Callable[[np.ndarray], np.ndarray] | None:
    """What makes light of the values of a grey picture, both in [0, 1], by its ICC profile; None if
    that is none for grey."""
    try:
        tags = (
            struct.unpack_from(">4sII", profile, 132 + 12 * i)
            for i in range(min(100, *struct.unpack_from(">I", profile, 128)))
        )
        start, size = next((start, size) for name, start, size in tags if name == b"kTRC")
        curve = profile[start : start + size]
        if profile[16:20] != b"GRAY":
            return None
        if curve[:4] == b"para":
            return _parametric(curve)
        (count,) = struct.unpack_from(">I", curve, 8)
        if curve[:4] != b"curv" or count > 65536:
            return None
        table = np.array(struct.unpack_from(f">{count}H", curve, 12))
    except (struct.error, StopIteration):
        return None
    if count < 2:
        return lambda x: x ** (table[0] / 256) if count else x
    return lambda x: np.interp(x, np.linspace(0, 1, count), table / 65535)


def _parametric(curve: bytes) -> Callable[[np.ndarray], np.ndarray] | None:
    """Of the five kinds, y = (a x + b) ** g + e from d on, and c x + f below. Raises struct.error
    if it is cut off."""
    (kind,) = struct.unpack_from(">H", curve, 8)
    counts = (1, 3, 4, 5, 7)
    if kind >= len(counts):
        return None
    given = [n / 65536 for n in struct.unpack_from(f">{counts[kind]}i", curve, 12)]
    g, a, b, c, d, e, f = given + [1.0, 0.0, 0.0, 0.0, 0.0, 0.0][len(given) - 1 :]
    if kind in (1, 2):  # a constant below -b/a
        e = f = given[3] if kind == 2 else 0.0
        c, d = 0.0, -b / a if a else 0.0
    if not all(map(math.isfinite, (g, a, b, c, d, e, f))):
        return None
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f).clip(0, 1)
