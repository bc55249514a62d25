"""Reading any picture that a person may have: opened safely, within the memory."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from imgtrans_jax.io.exif import turned_upright
from imgtrans_jax.io.profiles import in_srgb
from imgtrans_jax.io.ranges import (
    check_upper_bits,
    checked_array,
    deep_to_float,
    number_format,
    scale_integers,
    unknown_range,
)
from imgtrans_jax.runtime import memory
from imgtrans_jax.runtime.console import say_once
from imgtrans_jax.types import UserError

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of what is opened, by its content. All others are refused: some start other
programs, as EPS does."""

LARGEST = 400_000_000
"""Pixels; a file that claims over twice as many is refused before it fills the memory."""

AT_ONCE = 48_000_000
"""Pixels that are decoded at one time by all threads together; a larger picture is decoded
alone."""


@functools.cache
def _prepare_pillow() -> None:
    """Before the first picture is read, rather than when this is imported by somebody's program."""
    Image.MAX_IMAGE_PIXELS = LARGEST
    # bytes; a colour profile may be larger than Pillow's one megabyte
    PngImagePlugin.MAX_TEXT_CHUNK = 2**23
    # Pillow's remarks on odd metadata; `catch_warnings` is not for threads.
    warnings.filterwarnings("ignore", module=r"PIL\.")


# At the peak of reading, as measured.
_BYTES_A_PIXEL = {"1": 12, "L": 12, "P": 16, "F": 29, "I": 29}
_BYTES_OF_OTHERS = 22
_EMPTY_FROM, _EMPTIEST = 2**30, 20_000  # bytes; and how many of them one of the file may become:
# a PNG of one colour has 8,000 where it is RGB, 16,000 with a palette, 100,000 in black and white
_LARGEST_HEADER = 1000  # bytes, of `.npy`
# bytes; whatever needs less is not worth the question how much memory is free
_FREE_UNASKED = 2**26


def read_picture(path: str | os.PathLike[str], channels: int = 3) -> np.ndarray:
    """A picture file as an array, in sRGB.

    The camera's rotation is applied, and an embedded colour profile. Of an animation the first
    frame is taken. 16-bit grey keeps its depth.

    Args:
        path: Of a picture, or of a `.npy` array (H, W) or (H, W, channels): uint8, uint16, or float
            in [0, 1]. Arrays are never unpickled.
        channels: Of the result. Grey becomes equal RGB; transparency is laid on white, and kept
            with 4. Other numbers than 1, 3 and 4 come from `.npy` arrays alone.

    Returns:
        (H, W, channels): uint8 in [0, 255], or float32 in [0, 1] where the file has more than 8
        bits.

    Raises:
        UserError: Naming the file, if it is missing, damaged, too large for the memory, or nothing
            that can be read; and if its range is not known: floats outside [0, 1], 32-bit integers,
            16 bits of which 12 or fewer are used.
    """
    return _read(Path(path), channels)[0]


def picture_size(path: str | os.PathLike[str], channels: int = 3) -> tuple[int, int]:
    """Height and width of what `read_picture` returns.

    It reads the whole file; a JPEG is decoded at an eighth of its size, at a third of the cost.

    Args:
        path: As for `read_picture`.
        channels: As for `read_picture`; the size does not depend on it, but what is refused does.

    Returns:
        Height and width in pixels.

    Raises:
        UserError: Where `read_picture` would.
    """
    return _read(Path(path), channels, reduced=True)[1]


def read_alpha(path: str | os.PathLike[str]) -> np.ndarray | None:
    """The transparency of a picture.

    Returns:
        (H, W, 1) uint8, 255 where it is opaque; None if all is opaque, and for `.npy` arrays.

    Raises:
        UserError: As `read_picture` does.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return None
    with _opened(path) as image:
        if not image.has_transparency_data:
            return None
        alpha = np.asarray(turned_upright(image)[0].convert("RGBA").getchannel("A"))[..., None]
    return None if alpha.min() == 255 else alpha


def with_channels(array: np.ndarray, channels: int, name: object) -> np.ndarray:
    """A decoded array with the channels that are wanted, by the rules of `read_picture`.

    Args:
        array: (H, W), (H, W, 1) or (H, W, C): uint8, uint16, or float in [0, 1]. 16 bits of which
            few are used are only said.
        channels: Of the result.
        name: Of the picture, for the error.

    Returns:
        (H, W, channels), uint8 or float32 in [0, 1].

    Raises:
        UserError: Where the array does not fit.
    """
    path = Path(str(name))
    if (
        array.ndim == 3
        and array.shape[2] in (1, 3, 4)
        and array.shape[2] != channels
        and array.dtype == np.uint8
    ):
        return _with_channels(
            Image.fromarray(array[..., 0] if array.shape[2] == 1 else array), channels
        )
    if array.dtype == np.uint16:
        try:
            scale_integers(array, 65535, path)
        except UserError as error:
            say_once(str(error).partition(":")[0] + ".")
        array = array.astype(np.float32) / 65535
    return checked_array(array, channels, path)


# -------------------------------------------------------------------------------------------- files


def _read(path: Path, channels: int, reduced: bool = False) -> tuple[np.ndarray, tuple[int, int]]:
    if path.suffix.lower() == ".npy":
        array = checked_array(_array(path), channels, path)
        return array, array.shape[:2]
    if channels not in (1, 3, 4):
        raise UserError(
            f"{path} has no {channels} channels; pictures with other than 1, 3 or 4 come as .npy "
            "arrays."
        )
    with _opened(path) as image:
        return _decoded(image, channels, path, reduced)


def _decoded(
    image: Image.Image, channels: int, path: Path, reduced: bool = False
) -> tuple[np.ndarray, tuple[int, int]]:
    """The pixels of an open picture, upright and in sRGB, and its height and width."""
    width, height = image.size
    numbers = number_format(image)
    if reduced and image.format in ("JPEG", "MPO"):
        image.draft(None, (1, 1))
    upright, sideways = turned_upright(image)
    if numbers.white is None:
        what = f"{path} holds whole numbers of {numbers.bits} bits"
        raise unknown_range(what, np.asarray(upright))
    if image.mode[0] in "IF":
        pixels = checked_array(deep_to_float(upright, numbers, path), channels, path)
    else:
        if numbers.bits == 16:
            check_upper_bits(upright, path)
        pixels = _with_channels(in_srgb(upright, path), channels)
    return pixels, (width, height) if sideways else (height, width)


def from_pillow(image: Image.Image, channels: int = 3) -> np.ndarray:
    """A Pillow image as an array by the rules of `read_picture`: upright, in sRGB.

    Args:
        image: Decoded or not.
        channels: 1, 3 or 4.

    Returns:
        (H, W, channels) uint8, or float32 in [0, 1] of more than 8 bits.

    Raises:
        UserError: For another number of channels, and as `read_picture` does.
    """
    name = getattr(image, "filename", "") or "The image"
    if channels not in (1, 3, 4):
        raise UserError(f"{name} has no {channels} channels; those come as arrays.")
    with _said_by_pillow(Path(str(name))):
        if not all(image.size):
            raise UserError(f"{name} has no pixels.")
        return _decoded(image, channels, Path(str(name)))[0]


def decode_picture(content: bytes, name: str) -> np.ndarray:
    """What a picture file of this content holds, by the rules of `read_picture` but with its own
    number of channels and bits.

    Args:
        content: All bytes of the file.
        name: Of the picture, for the error.

    Returns:
        (H, W, 1, 3 or 4) uint8, or (H, W, 1) uint16.

    Raises:
        UserError: As `read_picture` does.
    """
    path = Path(name)
    with _opened(path, content) as image:
        upright = turned_upright(image)[0]
        if image.mode[0] in "IF":
            return np.asarray(upright).astype(np.uint16)[..., None]
        upright = in_srgb(upright, path)
        if upright.mode not in ("L", "RGB", "RGBA"):
            gray = upright.mode == "1"
            upright = upright.convert(
                "RGBA" if upright.has_transparency_data else "L" if gray else "RGB"
            )
        array = np.asarray(upright)
    return array.reshape(*array.shape[:2], -1)


@contextlib.contextmanager
def _opened(path: Path, content: bytes | None = None) -> Iterator[ImageFile.ImageFile]:
    """A picture, of a file or of its content, that is not decoded yet, and may be in the block."""
    with _said_by_pillow(path):
        if content is None:
            _check_file(path)
        with Image.open(path if content is None else io.BytesIO(content), formats=FORMATS) as image:
            pixels = math.prod(image.size)
            needed = pixels * _BYTES_A_PIXEL.get(image.mode.split(";")[0], _BYTES_OF_OTHERS)
            _check_memory(
                path, image.size, needed, os.stat(path).st_size if content is None else len(content)
            )
            with _DECODING.of(pixels):
                yield image


@contextlib.contextmanager
def _said_by_pillow(path: Path) -> Iterator[None]:
    """Whatever Pillow raises in the block becomes a UserError."""
    _prepare_pillow()
    try:
        yield
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(
            f"{path} is no picture in a form that can be read; convert it to PNG or JPEG, or "
            "remove it."
        ) from None
    except Image.DecompressionBombError:
        raise UserError(
            f"The picture {path} has over {2 * LARGEST:,} pixels; make it smaller."
        ) from None
    except MemoryError:
        raise UserError(f"The picture {path} does not fit into memory; make it smaller.") from None
    except Exception as error:  # of a stranger's file Pillow's readers raise anything
        raise UserError(
            f"The picture {path} is damaged or cut off ({str(error) or type(error).__name__}); "
            "replace or remove it."
        ) from None


def _check_file(path: Path) -> None:
    """Raises UserError for what is no file, or none that may be read."""
    try:
        if stat.S_ISDIR(mode := os.stat(path).st_mode):
            raise UserError(f"{path} is a folder where one picture is needed.")
        if not stat.S_ISREG(mode):
            raise UserError(f"{path} is no file; give a picture.")
        path.open("rb").close()
    except FileNotFoundError:
        raise UserError(f"The picture {path} does not exist; check the path.") from None
    except PermissionError:
        raise UserError(f"The picture {path} may not be read; change its permissions.") from None


def _array(path: Path) -> np.ndarray:
    """A `.npy` file, whose header is seen to fit the file and the memory before any is taken."""
    try:
        _check_file(path)
        claimed = np.lib.format.open_memmap(path, mode="r", max_header_size=_LARGEST_HEADER)
        if claimed.dtype.kind not in "buif":
            raise UserError(
                f"{path} holds numbers of {claimed.dtype}; uint8, uint16, or floats in [0, 1] are "
                "needed."
            )
        repeated = 12 if claimed.ndim == 2 else 0
        needed = claimed.nbytes + (5 + repeated) * claimed.size
        _check_memory(path, claimed.shape[:2][::-1], needed, os.stat(path).st_size)
        array = np.load(path, allow_pickle=False, max_header_size=_LARGEST_HEADER)
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    except UserError:
        raise
    except Exception as error:  # of a stranger's header numpy's reader raises anything
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise UserError(
            f"The array {path} is damaged or cut off ({reason}); replace or remove it."
        ) from None


def _check_memory(path: Path, size: tuple[int, ...], needed: int, stored: int) -> None:
    pixels = "x".join(map(str, size))
    if needed > _EMPTY_FROM and needed > _EMPTIEST * stored:
        raise UserError(
            f"The picture {path} claims {pixels} pixels in {stored:,} bytes, which would take "
            f"{memory.text(needed)} of memory: it is empty or damaged; make it smaller, or remove "
            "it."
        )
    free = memory.free_on_host() if needed > _FREE_UNASKED else None
    if free is not None and needed > free:
        raise UserError(
            f"The picture {path} has {pixels} pixels, which take {memory.text(needed)} of memory, "
            f"and {memory.text(free)} are free; make it smaller."
        )


class _Decoding:
    """How much is decoded at one time: AT_ONCE pixels, or one larger picture."""

    def __init__(self) -> None:
        self.pixels = 0
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        with self.changed:
            self.changed.wait_for(lambda: not self.pixels or self.pixels + pixels <= AT_ONCE)
            self.pixels += pixels
        try:
            yield
        finally:
            with self.changed:
                self.pixels -= pixels
                self.changed.notify_all()


_DECODING = _Decoding()


def _with_channels(image: Image.Image, channels: int) -> np.ndarray:
    """Of a decoded picture of 8 bits."""
    if channels == 4:
        return np.asarray(image.convert("RGBA"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], channels)
