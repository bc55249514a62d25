"""Between files and arrays: reading anything that a person may have, resizing, grids, writing."""

from __future__ import annotations

import base64
import io
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from imgtrans_jax.files import whole
from imgtrans_jax.types import UserError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".npy", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})
"""File names that are taken for pictures when a folder is listed."""

WRITABLE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
"""The suffixes of files that are written, and Pillow's names of their forms."""

DEEP = frozenset({".png", ".tif", ".tiff"})
"""The suffixes of pictures that can hold grey of 16 bits."""

MIN_SIDE = 8
"""A picture with a side under this many pixels is no training picture."""

LARGEST = 400_000_000
"""Pixels; a file that claims over twice as many is refused before it fills the memory."""

Image.MAX_IMAGE_PIXELS = LARGEST


def list_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """The pictures of a folder and its subfolders, by their suffix, sorted; hidden files and other files are passed over.

    Raises UserError if the folder is missing, is no folder, or holds no picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(f"The folder {folder} {what}; check the path.")
    found = [
        p
        for p in sorted(folder.rglob("*"))
        if p.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in p.relative_to(folder).parts)
    ]
    if not found:
        raise UserError(
            f"The folder {folder} holds no picture ({', '.join(sorted(SUFFIXES))}); put some there or check the path."
        )
    return found


def read_picture(path: str | os.PathLike[str], channels: int = 3) -> np.ndarray:
    """(H, W, channels): uint8 in [0, 255], or float32 in [0, 1] where the file has more than 8 bits.

    The camera's rotation is applied. Grey becomes equal RGB; transparency is laid on white (kept with channels=4); 16-bit
    grey keeps its depth; of an animation the first frame is taken. `.npy` arrays (H, W) or (H, W, channels) are uint8,
    uint16, or float in [0, 1], and are never unpickled.

    Raises UserError, naming the file, if it is missing, damaged, or nothing that can be read.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".npy":
            return _from_array(np.load(path, allow_pickle=False), channels, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata
            with Image.open(path) as image:
                image.seek(0)
                return _from_pillow(ImageOps.exif_transpose(image), channels, path)
    except FileNotFoundError:
        raise UserError(f"The picture {path} does not exist; check the path.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder where one picture is needed.") from None
    except PermissionError:
        raise UserError(f"The picture {path} may not be read; change its permissions.") from None
    except UnidentifiedImageError:
        raise UserError(f"{path} is no picture in a form that can be read; convert it to PNG or JPEG, or remove it.") from None
    except Image.DecompressionBombError:
        raise UserError(f"The picture {path} has over {2 * LARGEST:,} pixels; make it smaller.") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        raise UserError(f"The picture {path} is damaged or cut off ({error}); replace or remove it.") from None


def _from_pillow(image: Image.Image, channels: int, path: Path) -> np.ndarray:
    if channels not in (1, 3, 4):
        raise UserError(f"{path} has no {channels} channels; pictures with other than 1, 3 or 4 come as .npy arrays.")
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image, np.float32)
        return _from_array((grey if image.mode == "F" else grey / 65535).clip(0, 1), channels, path)
    if channels == 4:
        return np.asarray(image.convert("RGBA"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], channels)


def read_alpha(path: str | os.PathLike[str]) -> np.ndarray | None:
    """The transparency (H, W, 1) uint8 of a picture that `read_picture` can read; None if it is opaque."""
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return None
    with warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")
        image.seek(0)
        if not image.has_transparency_data:
            return None
        alpha = np.asarray(ImageOps.exif_transpose(image).convert("RGBA").getchannel("A"))[..., None]
    return None if alpha.min() == 255 else alpha


def with_alpha(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 1 or 3) and its transparency (H, W, 1) -> (H, W, 4)."""
    return np.concatenate([np.broadcast_to(picture, (*picture.shape[:2], 3)), alpha], axis=2)


def with_channels(array: np.ndarray, channels: int, name: object) -> np.ndarray:
    """A decoded uint8, uint16 or unit float array (H, W), (H, W, 1) or (H, W, C) as (H, W, channels), by the rules of
    `read_picture`. Raises UserError, with `name`, where it does not fit."""
    if array.ndim == 3 and array.shape[2] in (1, 3, 4) and array.shape[2] != channels and array.dtype == np.uint8:
        return _from_pillow(Image.fromarray(array[..., 0] if array.shape[2] == 1 else array), channels, Path(str(name)))
    return _from_array(array, channels, Path(str(name)))


def _from_array(array: np.ndarray, channels: int, path: Path) -> np.ndarray:
    if array.ndim == 2:
        array = np.repeat(array[..., None], channels if channels != 4 else 3, axis=2)
    if array.ndim == 3 and array.shape[2] == 3 and channels == 4:
        opaque = 255 if array.dtype == np.uint8 else 65535 if array.dtype == np.uint16 else 1
        array = np.concatenate([array, np.full_like(array[..., :1], opaque)], axis=2)
    if array.ndim != 3 or array.shape[2] != channels:
        raise UserError(f"{path} is an array of shape {array.shape}; (height, width, {channels}) is needed.")
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return array.astype(np.float32) / 65535
    if array.dtype.kind == "f" and np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1:
        return array.astype(np.float32)
    values = f" from {array.min():.3g} to {array.max():.3g}" if array.dtype.kind == "f" and array.size else ""
    raise UserError(f"{path} is an array of {array.dtype}{values}; uint8, uint16, or floats in [0, 1] are needed.")


def resize(picture: np.ndarray, height: int, width: int, clip: bool = True) -> np.ndarray:
    """(H, W, C) -> (height, width, C) of the same type, by an antialiased bicubic filter. uint8, or float32, which is kept in
    [0, 1] unless `clip` is False."""
    if picture.shape[:2] == (height, width):
        return picture
    size = (width, height)
    if picture.dtype == np.uint8 and picture.shape[2] == 3:
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    mode = None if picture.dtype == np.uint8 else "F"
    planes = [Image.fromarray(np.ascontiguousarray(picture[..., c])) for c in range(picture.shape[2])]
    resized = np.stack([np.asarray(p.resize(size, Image.Resampling.BICUBIC)) for p in planes], axis=2)
    return resized.clip(0, 1) if mode and clip else resized


def to_unit(picture: np.ndarray) -> np.ndarray:
    """uint8, or float in [0, 1] -> float32 in [0, 1]."""
    return picture.astype(np.float32) / 255 if picture.dtype == np.uint8 else picture.astype(np.float32)


def to_signed(picture: np.ndarray) -> np.ndarray:
    """uint8, or float in [0, 1] -> float32 in [-1, 1]."""
    signed = picture.astype(np.float32)  # then in place: a large picture's temporaries would fill the memory
    if picture.dtype == np.uint8:
        signed /= 127.5
    else:
        signed *= 2
    signed -= 1
    return signed


def to_bytes(signed: np.ndarray) -> np.ndarray:
    """float in [-1, 1] -> uint8, rounded to the nearest and clipped."""
    return _scaled(signed, 127.5).astype(np.uint8)


def to_words(signed: np.ndarray) -> np.ndarray:
    """float in [-1, 1] -> uint16, rounded to the nearest and clipped."""
    return _scaled(signed, 32767.5).astype(np.uint16)


def _scaled(signed: np.ndarray, half: float) -> np.ndarray:
    scaled = np.array(np.clip(signed, -1, 1))
    scaled += 1
    scaled *= half
    return np.rint(scaled, out=scaled)


def from_unit(unit: np.ndarray) -> np.ndarray:
    """float in [0, 1] -> uint8, rounded to the nearest and clipped."""
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)


def grid(rows: Sequence[Sequence[np.ndarray]], gap: int = 2) -> np.ndarray:
    """Rows of uint8 pictures (H, W, C), all of one size, on white, `gap` pixels apart."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    sheet = np.full((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = picture[..., :3]
    return sheet


def labelled(rows: Sequence[Sequence[np.ndarray]], captions: Sequence[Sequence[str]], title: str, gap: int = 8) -> np.ndarray:
    """Rows of uint8 RGB pictures of any size with a caption under each and a title above all, on white."""
    font, line = ImageFont.load_default(14), 20
    heights = [max(picture.shape[0] for picture in row) + line + gap for row in rows]
    columns = max(len(row) for row in rows)
    widths = [0] * columns
    for row, texts in zip(rows, captions, strict=True):
        for c, (picture, text) in enumerate(zip(row, texts, strict=True)):
            widths[c] = max(widths[c], picture.shape[1] + gap, math.ceil(font.getlength(text)) + gap)
    lines = _wrapped(title, font, sum(widths) - gap)
    sheet = Image.new("RGB", (sum(widths) + gap, sum(heights) + line * len(lines) + 2 * gap), "white")
    draw = ImageDraw.Draw(sheet)
    for number, text in enumerate(lines):
        draw.text((gap, gap + number * line), text, "black", font)
    top = gap + line * len(lines)
    for row, texts, height in zip(rows, captions, heights, strict=True):
        left = gap
        for picture, text, width in zip(row, texts, widths, strict=False):
            sheet.paste(Image.fromarray(picture), (left, top))
            draw.text((left, top + picture.shape[0] + 1), text, "black", font)
            left += width
        top += height
    return np.asarray(sheet)


def _wrapped(text: str, font: Any, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def write_picture(path: str | os.PathLike[str], picture: np.ndarray, software: str = "") -> None:
    """Writes uint8 (H, W, 1, 3 or 4), or uint16 (H, W, 1) as PNG and TIFF, whole or not at all, in the form of the name's
    suffix (one of WRITABLE); as `.npy` any array. software: what the file says it was made by, but in an array.

    Raises UserError for four channels as JPEG.
    """
    path = Path(path)
    form = WRITABLE.get(path.suffix.lower())
    if form == "JPEG" and picture.shape[2] == 4:
        raise UserError(f"JPEG has no transparency, and this picture has: write {path.with_suffix('.png')}.")
    with whole(path) as partial, partial.open("wb") as file:
        if form is None:
            np.save(file, picture, allow_pickle=False)
            return
        image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
        options: dict[str, Any] = {"quality": 95} if form in ("JPEG", "WEBP") else {}
        if software:
            options["exif"] = Image.Exif()
            options["exif"][ExifTags.Base.Software] = software
        image.save(file, format=form, **options)


def embedded(picture: np.ndarray) -> str:
    """uint8 (H, W, 1, 3 or 4), or float in [0, 1], as a PNG within the text of a page: a data URI."""
    picture = picture if picture.dtype == np.uint8 else from_unit(picture)
    written = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(written, "PNG")
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()


def pad_to_multiple(images: np.ndarray, multiple: int, smallest: int) -> np.ndarray:
    """(N, H, W, C) with its right and bottom mirrored outwards to multiples of `multiple`, and to `smallest` at least."""
    target = [max(smallest, math.ceil(side / multiple) * multiple) for side in images.shape[1:3]]
    after = [side - old for side, old in zip(target, images.shape[1:3], strict=True)]
    if not any(after):
        return images
    return np.pad(images, ((0, 0), (0, after[0]), (0, after[1]), (0, 0)), mode="symmetric")
