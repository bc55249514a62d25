"""The numbers of a picture file, and which are black and white. Imports `profiles` and runtime."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from imgtrans_jax.io.color import srgb_encoded
from imgtrans_jax.io.profiles import NO_GRAY_CURVE, gray_curve, icc_profile, say_profile_left_out
from imgtrans_jax.runtime.console import say_once
from imgtrans_jax.types import UserError


@dataclasses.dataclass(frozen=True)
class _Numbers:
    """What a file says of its numbers. bits: of each, as they are read; white: the largest one,
    None if it is not known; inverted: 0 is white."""

    bits: int = 8
    white: int | None = 255
    inverted: bool = False


def number_format(image: Image.Image) -> _Numbers:
    """Of a picture that is not decoded yet, or is no file's."""
    tags: Any = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    bits = next(iter(tags.get(_BITS, ())), 16)
    inverted = tags.get(_PHOTOMETRIC) == 0
    if 2 in tags.get(_FORMAT, ()):
        return _Numbers(bits, None)  # with a sign
    if image.mode == "F":
        return _Numbers(32, 1, inverted)
    if image.mode[0] == "I":
        return _Numbers(bits, 2**bits - 1 if bits <= 16 else None, inverted)
    tiles = getattr(image, "tile", ())  # of a file alone
    return _Numbers(16 if any(";16" in str(tile[3]) for tile in tiles) else 8)


_BITS, _PHOTOMETRIC, _FORMAT = 258, 262, 339  # tags of TIFF


def deep_to_float(image: Image.Image, numbers: _Numbers, path: Path) -> np.ndarray:
    """The numbers of a decoded picture of one channel and more than 8 bits, in sRGB.

    Args:
        image: The decoded picture. Where it is marked as transparent it becomes white.
        numbers: What its file says of them, as `number_format` gives it.
        path: Of the file, for what is said.

    Returns:
        (H, W) float32 in [0, 1]; floats keep the range that they have.

    Raises:
        UserError: As `scale_integers` does.
    """
    values = np.asarray(image)
    gray = (
        values.astype(np.float32)
        if image.mode == "F"
        else scale_integers(values, numbers.white or 1, path)
    )
    if numbers.inverted:
        gray = 1 - gray
    if isinstance(image.info.get("transparency"), int):
        gray[values == image.info["transparency"]] = 1
    profile = icc_profile(image)
    if profile is None:
        return gray
    curve = gray_curve(profile)
    if curve is None:
        say_profile_left_out(path, NO_GRAY_CURVE)
        return gray
    return srgb_encoded(curve(gray.clip(0, 1))) if 0 <= gray.min() <= gray.max() <= 1 else gray


def scale_integers(values: np.ndarray, white: int, path: Path) -> np.ndarray:
    """Whole numbers as float32 in [0, 1].

    Args:
        values: From 0, of any shape.
        white: The number that becomes 1.
        path: Of their file, for the error.

    Returns:
        float32 of the same shape.

    Raises:
        UserError: If they are so small that their white is likely another: of 16 bits 12 or fewer
            are used.
    """
    largest = values.max()
    if white == 65535 and 0 < largest < 4096:
        raise UserError(
            f"{path} has 16 bits, and its largest number is {largest} of 65535, which would be "
            "nearly black: multiply its numbers so that white is 65535, save it with 8 bits, or "
            "give floats in [0, 1] as .npy."
        )
    return values.astype(np.float32) / white


def check_upper_bits(image: Image.Image, path: Path) -> None:
    """Refuses colours of 16 bits, of which Pillow reads the upper 8, if they are nearly black.

    Args:
        image: The decoded picture, RGB or RGBA; others pass. One that is black is only said.
        path: Of its file.

    Raises:
        UserError: If 12 or fewer of the 16 bits are used.
    """
    if image.mode not in ("RGB", "RGBA"):
        return
    largest: Any = max(image.getchannel(c).getextrema()[1] for c in "RGB")
    if not largest:
        say_once(f"{path} is black in the upper 8 of its 16 bits, which alone are read.")
    elif largest < 16:
        raise UserError(
            f"{path} has 16 bits and uses 12 or fewer of them, which would be nearly black: "
            "multiply its numbers so that white is 65535, or save it with 8 bits."
        )


def unknown_range(what: str, values: np.ndarray) -> UserError:
    """The error for numbers whose black and white are not known.

    Args:
        what: Whose numbers they are, the beginning of the sentence.
        values: The numbers; their smallest and largest are named.

    Returns:
        The error, to be raised.
    """
    between = f" from {values.min():.3g} to {values.max():.3g}" if values.size else ""
    return UserError(
        f"{what}{between}, whose black and white are not known: scale them; uint8, uint16, or "
        "floats in [0, 1] are needed."
    )


def checked_array(array: np.ndarray, channels: int, path: Path) -> np.ndarray:
    """A picture's array with the channels that are wanted.

    Args:
        array: (H, W) or (H, W, channels), or RGB where 4 are wanted: uint8, uint16, or finite
            floats in [0, 1].
        channels: Of the result. Grey is repeated; a fourth channel that is missing is opaque.
        path: Of its file, for the error.

    Returns:
        (H, W, channels), uint8 or float32 in [0, 1].

    Raises:
        UserError: For other types, ranges and shapes, an empty array, or uint16 as in
            `scale_integers`.
    """
    if array.dtype == np.uint16:
        array = scale_integers(array, 65535, path) if array.size else array
    elif (
        array.dtype.kind == "f"
        and np.isfinite(array).all()
        and (not array.size or 0 <= array.min() <= array.max() <= 1)
    ):
        array = array.astype(np.float32)
    elif array.dtype != np.uint8:
        raise unknown_range(f"{path} holds numbers of {array.dtype}", array)
    if array.ndim == 2:
        array = np.repeat(array[..., None], channels if channels != 4 else 3, axis=2)
    if array.ndim == 3 and array.shape[2] == 3 and channels == 4:
        opaque = 255 if array.dtype == np.uint8 else 1
        array = np.concatenate([array, np.full_like(array[..., :1], opaque)], axis=2)
    if array.ndim != 3 or array.shape[2] != channels or not array.size:
        raise UserError(
            f"{path} is an array of shape {array.shape}; (height, width, {channels}) is needed."
        )
    return array
