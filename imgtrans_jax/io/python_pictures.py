"""Pictures as a Python program has them: paths, Pillow images, NumPy and JAX arrays. What is made
of one comes back in its own kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from imgtrans_jax.io import images, reading
from imgtrans_jax.types import UserError

Picture: TypeAlias = str | Path | Image.Image | np.ndarray | jax.Array
"""A path, a Pillow image, or an array (H, W), (H, W, C) or (N, H, W, C): uint8, uint16, or floats
in [0, 1].
"""


def to_pixels(picture: Picture, channels: int = 3) -> np.ndarray:
    """A picture of any kind as an array.

    Args:
        picture: A path, a Pillow image, or an array (H, W), (H, W, C) or (N, H, W, C): uint8,
            uint16, or floats in [0, 1].
        channels: Of the result. Grey is repeated, and transparency laid on white, where they ask
            for it.

    Returns:
        (H, W, channels), or (N, H, W, channels) of a batch: uint8, or float32 in [0, 1].

    Raises:
        UserError: For a path that cannot be read, floats outside [0, 1], and other shapes and
            types.
    """
    if isinstance(picture, (str, Path)):
        return reading.read_picture(Path(picture).expanduser(), channels)
    if isinstance(picture, Image.Image):
        return reading.from_pillow(picture, channels)
    if not isinstance(picture, (np.ndarray, jax.Array)):
        raise UserError(
            f"A {type(picture).__name__} is no picture: give a path, a Pillow image or an array."
        )
    array = np.asarray(picture)
    if jnp.issubdtype(array.dtype, jnp.floating):  # NumPy itself does not know bfloat16
        array = _with_channels(array.astype(np.float32), channels)
    elif array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = _with_channels(array.astype(np.float32) / 65535, channels)
    elif array.dtype != np.uint8:
        raise UserError(
            f"The array holds {array.dtype}; uint8, uint16, or floats in [0, 1] are needed."
        )
    if array.ndim == 4 and len(array):
        return np.stack([reading.with_channels(one, channels, "The array") for one in array])
    return reading.with_channels(array, channels, "The array")


def _with_channels(array: np.ndarray, channels: int) -> np.ndarray:
    """(…, C) float32 in [0, 1] as (…, channels), where Pillow, which knows no such pictures, would
    do it for 8 bits: grey of colors, equal colors of grey, white under what is transparent.
    """
    if array.ndim < 3 or array.shape[-1] == channels:
        return array
    if array.shape[-1] == 4:
        opaque = array[..., 3:]
        array = array[..., :3] * opaque + (1 - opaque)
    if array.shape[-1] == 3 and channels == 1:
        return array @ np.array([[0.299], [0.587], [0.114]], np.float32)
    if array.shape[-1] == 1 and channels in (3, 4):
        return np.repeat(array, 3, axis=-1)
    return array


def like(given: Picture, made: np.ndarray) -> Any:
    """What was made of a picture, as the kind of picture it was made of.

    Args:
        given: What it was made of.
        made: (H, W, C) or (N, H, W, C), float32 in [0, 1] or uint8.

    Returns:
        Of a path or a Pillow image a Pillow image, else an array of the type given. An image of one
        channel is 2-dimensional where the given one was.

    Raises:
        UserError: If a Pillow image is wanted and `made` has other than 1, 3 or 4 channels.
    """
    if isinstance(given, (str, Path, Image.Image)):
        pixels = made if made.dtype == np.uint8 else images.unit_to_uint8(made)
        if pixels.shape[-1] not in (1, 3, 4):
            raise UserError(
                f"The result has {pixels.shape[-1]} channels, which no Pillow image has: give the "
                "picture as an array."
            )
        return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if given.ndim == 2 and made.shape[-1] == 1:
        made = made[..., 0]
    if given.dtype == np.uint8:
        made = made if made.dtype == np.uint8 else images.unit_to_uint8(made)
    elif given.dtype.kind == "u":  # of 16 bits, in either order of bytes
        made = np.rint(images.to_unit(made).clip(0, 1) * 65535).astype(np.uint16)
    else:
        made = images.to_unit(made)
    if isinstance(given, jax.Array):
        return jnp.asarray(made, given.dtype)
    return made.astype(given.dtype)
