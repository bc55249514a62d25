"""Pictures as arrays: read (see io/reading.py), resized, in grids, written."""

from __future__ import annotations

import base64
import io
import math
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageFont

from imgtrans_jax.io.files import whole
from imgtrans_jax.io.listing import SUFFIXES as SUFFIXES
from imgtrans_jax.io.listing import list_pictures as list_pictures
from imgtrans_jax.io.reading import picture_size as picture_size
from imgtrans_jax.io.reading import read_alpha as read_alpha
from imgtrans_jax.io.reading import read_picture as read_picture
from imgtrans_jax.io.reading import with_channels as with_channels
from imgtrans_jax.types import UserError

WRITABLE = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""The suffixes of files that are written, and Pillow's names of their forms."""

SUFFIXES_16_BIT = frozenset({".png", ".tif", ".tiff"})
"""The suffixes of pictures that can hold grey of 16 bits."""

MIN_SIDE = 8
"""A picture with a side under this many pixels is no training picture."""


def with_alpha(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A picture with its transparency as the fourth channel.

    Args:
        picture: (H, W, 1 or 3) uint8; grey becomes equal RGB.
        alpha: (H, W, 1) uint8, 255 where it is opaque.

    Returns:
        (H, W, 4) uint8.
    """
    return np.concatenate([np.broadcast_to(picture, (*picture.shape[:2], 3)), alpha], axis=2)


def resize(picture: np.ndarray, height: int, width: int, clip: bool = True) -> np.ndarray:
    """Resizes a picture by an antialiased bicubic filter.

    Four channels are colour and transparency. A colour counts as much as it is opaque, so that what
    lies under transparency does not bleed into edges. The colour of what is fully transparent is 0.

    Args:
        picture: (H, W, C), uint8 or float32. Of four channels uint8, or float32 in [0, 1].
        height: Of the result, in pixels.
        width: Of the result, in pixels.
        clip: Keeps float32 in [0, 1]; False leaves what the filter overshoots.

    Returns:
        (height, width, C) of the same type; `picture` itself if it has that size.
    """
    if picture.shape[:2] == (height, width):
        return picture
    size = (width, height)
    if picture.shape[2] == 4:
        return _resized_rgba(picture, height, width)
    if picture.dtype == np.uint8 and picture.shape[2] == 3:
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    mode = None if picture.dtype == np.uint8 else "F"
    planes = [
        Image.fromarray(np.ascontiguousarray(picture[..., c])) for c in range(picture.shape[2])
    ]
    resized = np.stack(
        [np.asarray(p.resize(size, Image.Resampling.BICUBIC)) for p in planes], axis=2
    )
    return resized.clip(0, 1) if mode and clip else resized


def _resized_rgba(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    if picture[..., 3].min() == (255 if picture.dtype == np.uint8 else 1):
        color = resize(picture[..., :3], height, width)
        return np.concatenate([color, np.full_like(color[..., :1], picture[0, 0, 3])], axis=2)
    unit = to_unit(picture)
    alpha = resize(unit[..., 3:], height, width, clip=False)
    color = resize(unit[..., :3] * unit[..., 3:], height, width, clip=False)
    seen = alpha > 0.5 / 255
    color = np.where(seen, color / np.where(seen, alpha, 1), 0)
    resized = np.concatenate([color, alpha], axis=2).clip(0, 1)
    return unit_to_uint8(resized) if picture.dtype == np.uint8 else resized.astype(picture.dtype)


def to_unit(picture: np.ndarray) -> np.ndarray:
    """uint8, or float in [0, 1] -> float32 in [0, 1]."""
    return (
        picture.astype(np.float32) / 255
        if picture.dtype == np.uint8
        else picture.astype(np.float32)
    )


def to_signed(picture: np.ndarray) -> np.ndarray:
    """uint8, or float in [0, 1] -> float32 in [-1, 1]."""
    # then in place: a large picture's temporaries would fill the memory
    signed = picture.astype(np.float32)
    if picture.dtype == np.uint8:
        signed /= 127.5
    else:
        signed *= 2
    signed -= 1
    return signed


def to_uint8(signed: np.ndarray) -> np.ndarray:
    """float in [-1, 1] -> uint8, rounded to the nearest and clipped."""
    return _scaled(signed, 127.5).astype(np.uint8)


def to_uint16(signed: np.ndarray) -> np.ndarray:
    """float in [-1, 1] -> uint16, rounded to the nearest and clipped."""
    return _scaled(signed, 32767.5).astype(np.uint16)


def _scaled(signed: np.ndarray, half: float) -> np.ndarray:
    scaled = np.array(np.clip(signed, -1, 1))
    scaled += 1
    scaled *= half
    return np.rint(scaled, out=scaled)


def unit_to_uint8(unit: np.ndarray) -> np.ndarray:
    """float in [0, 1] -> uint8, rounded to the nearest and clipped."""
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)


def grid(rows: Sequence[Sequence[np.ndarray]], gap: int = 2) -> np.ndarray:
    """Rows of pictures on one white sheet.

    Args:
        rows: Of uint8 pictures (H, W, C), all of one size. Three channels are shown of each.
        gap: Pixels between neighbours.

    Returns:
        (height, width, 3) uint8.
    """
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    sheet = np.full(
        (len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8
    )
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = picture[..., :3]
    return sheet


def captioned_grid(
    rows: Sequence[Sequence[np.ndarray]],
    captions: Sequence[Sequence[str]],
    title: str,
    gap: int = 8,
) -> np.ndarray:
    """Rows of pictures on white, with a caption under each and a title above all.

    Args:
        rows: Of uint8 RGB pictures (H, W, 3) of any size.
        captions: One for each picture, in the same rows.
        title: Broken into lines where it is wider than the sheet.
        gap: Pixels between neighbours, and around all.

    Returns:
        (height, width, 3) uint8.

    Raises:
        ValueError: If there are not as many captions as pictures.
    """
    font, line = ImageFont.load_default(14), 20
    title, captions = (
        _drawn(title, font),
        [[_drawn(text, font) for text in row] for row in captions],
    )
    heights = [max(picture.shape[0] for picture in row) + line + gap for row in rows]
    columns = max(len(row) for row in rows)
    widths = [0] * columns
    for row, texts in zip(rows, captions, strict=True):
        for c, (picture, text) in enumerate(zip(row, texts, strict=True)):
            widths[c] = max(
                widths[c], picture.shape[1] + gap, math.ceil(font.getlength(text)) + gap
            )
    lines = _wrapped(title, font, sum(widths) - gap)
    sheet = Image.new(
        "RGB", (sum(widths) + gap, sum(heights) + line * len(lines) + 2 * gap), "white"
    )
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


def _drawn(text: str, font: Any) -> str:
    """A text in characters that a font has, where it would draw boxes: Pillow's own has little more
    than ASCII. Letters lose their marks, and what no other character stands for becomes `?`.
    """
    box = bytes(font.getmask("\uffff"))

    def has(c: str) -> bool:
        return c.isprintable() and bytes(font.getmask(c)) != box

    def plain(c: str) -> str:
        if has(c):
            return c
        latin = re.match(
            r"LATIN (SMALL|CAPITAL) (?:LETTER|LIGATURE) ([A-Z]{1,2})\b", unicodedata.name(c, "")
        )
        if latin:
            return latin[2].lower() if latin[1] == "SMALL" else latin[2]
        parts = "".join(filter(has, unicodedata.normalize("NFKD", c.casefold())))
        return parts or {"Mn": "", "Pd": "-"}.get(unicodedata.category(c), "?")

    return "".join(map(plain, unicodedata.normalize("NFC", text)))


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
    """Writes a picture whole or not at all, in the form of the name's suffix.

    Args:
        path: With a suffix of WRITABLE, or `.npy` for an array.
        picture: uint8 (H, W, 1, 3 or 4); as PNG and TIFF also uint16 (H, W, 1); as `.npy` any
            array.
        software: What the file says it was made by; an array says nothing. '': nothing.

    Raises:
        UserError: For four channels as JPEG.
    """
    path = Path(path)
    form = WRITABLE.get(path.suffix.lower())
    if form == "JPEG" and picture.shape[2] == 4:
        raise UserError(
            f"JPEG has no transparency, and this picture has: write {path.with_suffix('.png')}."
        )
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


def data_uri(picture: np.ndarray, form: Literal["PNG", "JPEG"] = "PNG") -> str:
    """uint8 (H, W, 1, 3 or 4), or float in [0, 1], as a file within the text of a page: a data
    URI.
    """
    picture = picture if picture.dtype == np.uint8 else unit_to_uint8(picture)
    written = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(written, form)
    return f"data:image/{form.lower()};base64," + base64.b64encode(written.getvalue()).decode()


def pad_to_multiple(images: np.ndarray, multiple: int, smallest: int) -> np.ndarray:
    """Mirrors pictures outwards at their right and bottom.

    Args:
        images: (N, H, W, C).
        multiple: Height and width of the result are multiples of it, in pixels.
        smallest: Height and width are this many pixels at least.

    Returns:
        (N, H', W', C); `images` itself if it fits already.
    """
    target = [max(smallest, math.ceil(side / multiple) * multiple) for side in images.shape[1:3]]
    after = [side - old for side, old in zip(target, images.shape[1:3], strict=True)]
    if not any(after):
        return images
    return np.pad(images, ((0, 0), (0, after[0]), (0, after[1]), (0, 0)), mode="symmetric")
