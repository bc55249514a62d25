"""A picture as the camera was held, whatever the rest of its EXIF is. Imports nothing here."""

from __future__ import annotations

import contextlib
import struct

from PIL import Image

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


def turned_upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """The picture, decoded, as the camera was held, and whether its sides have changed places since
    it was opened. Of its EXIF only the orientation is looked at, whatever the rest is."""
    if image.format == "TIFF":  # Pillow turns it itself, and must not meet the rest
        with contextlib.suppress(Exception):
            exif = image.getexif()
            for tag in set(exif) - {_ORIENTATION}:
                del exif[tag]
    image.load()
    orientation = _orientation(image)
    turn = _TURNS.get(orientation)
    return (image, False) if turn is None else (image.transpose(turn), orientation >= 5)


def _orientation(image: Image.Image) -> int:
    exif = image.info.get("exif")
    found = _orientation_in(exif) if isinstance(exif, bytes) else None
    if found is None:  # it may be in a profile of PNG, or in XMP
        with contextlib.suppress(Exception):  # of a stranger's EXIF Pillow's reader raises anything
            found = image.getexif().get(_ORIENTATION)
    return found if isinstance(found, int) else 1


def _orientation_in(exif: bytes) -> int | None:
    """The one tag, whatever stands before it: Pillow stops at the first that is cut off."""
    data = exif.removeprefix(b"Exif\0\0")
    order = "<" if data[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            number, kind, many = struct.unpack_from(order + "HHI", data, place)
            if number == _ORIENTATION and many == 1 and kind in (3, 4):
                return struct.unpack_from(order + ("H" if kind == 3 else "I"), data, place + 8)[0]
    except struct.error:
        return None
    return None
