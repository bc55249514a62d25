"""Embedded colour profiles (ICC.1:2022): to sRGB, and made of a gamma. Imports `color` and
runtime."""

from __future__ import annotations

import functools
import io
import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from imgtrans_jax.io.color import srgb_encoded
from imgtrans_jax.runtime.console import say_once


def in_srgb(image: Image.Image, path: Path) -> Image.Image:
    """A decoded picture of 8 bits in sRGB.

    It is converted by its embedded profile (of a PNG also by its gamma and primaries), relative
    colorimetric with black point compensation. It stays as it is if it has none, or one that cannot
    be used, which is said.

    Args:
        image: The decoded picture.
        path: Of its file, for what is said.

    Returns:
        A picture of the same size in sRGB.
    """
    if image.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        return ImageCms.ImageCmsTransform(lab, _SRGB, "LAB", "RGB", _INTENT).apply(image)
    profile = icc_profile(image)
    if profile is None:
        return image
    transparent = image.has_transparency_data
    if image.mode in ("1", "L", "LA", "La"):
        return _gray_in_srgb(image.convert("LA" if transparent else "L"), profile, path)
    if image.mode != "CMYK":
        image = image.convert("RGBA" if transparent else "RGB")
    transform, why = _transform(profile, image.mode.removesuffix("A"))
    if why:
        say_profile_left_out(path, why)
    if transform is None:
        return image
    flat = transform.apply(image.convert(transform.input_mode))
    if transparent:
        flat.putalpha(image.getchannel("A"))
    return flat


def _gray_in_srgb(image: Image.Image, profile: bytes, path: Path) -> Image.Image:
    curve = gray_curve(profile)
    if curve is None:
        say_profile_left_out(path, NO_GRAY_CURVE)
        return image
    levels = 255 * srgb_encoded(curve(np.linspace(0, 1, 256)))
    same = range(256) if image.mode == "LA" else ()  # transparency stays
    return image.point([*np.rint(levels).astype(int).tolist(), *same])


def icc_profile(image: Image.Image) -> bytes | None:
    """The ICC profile of a picture; one that is there and cannot be read is empty."""
    if "icc_profile" in image.info:
        profile = image.info["icc_profile"]
        return profile if isinstance(profile, bytes) else b""
    gamma = image.info.get("gamma")
    if not gamma or "srgb" in image.info:
        return None
    chromaticity = image.info.get("chromaticity", SRGB_CHROMATICITY)
    if abs(gamma - 1 / 2.2) < 1e-3 and np.allclose(chromaticity, SRGB_CHROMATICITY, atol=1e-3):
        return None
    try:
        return made_profile(1 / gamma, chromaticity, gray=image.mode[0] in "1LI")
    except ValueError:
        return b""


def say_profile_left_out(path: Path, why: str) -> None:
    """Says once that a picture's colours are taken as sRGB.

    Args:
        path: Of the picture.
        why: Its profile is left out.
    """
    say_once(f"The colour profile of {path} is left out ({why}); its colours are taken as sRGB.")


_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
NO_GRAY_CURVE = "it is damaged, or has no curve for grey"


@functools.lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> tuple[ImageCms.ImageCmsTransform | None, str]:
    """To sRGB from pictures of a mode, RGB or CMYK; None if it changes next to nothing, or if there
    is none, and then why."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        core: Any = source.profile
        space = core.xcolor_space.strip()
        if space != mode:
            return None, f"it is for {space}, and the picture is {mode}"
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.HIGHRESPRECALC
        transform = ImageCms.ImageCmsTransform(source, _SRGB, mode, "RGB", _INTENT, flags=flags)
    except Exception:  # of a stranger's profile anything
        return None, "it is damaged"
    if mode == "CMYK":
        return transform, ""
    steps = np.linspace(0, 255, 18).round().astype(np.uint8)
    probe = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    moved = np.abs(np.asarray(transform.apply(Image.fromarray(probe)), int) - probe).max()
    return (transform if moved > 1 else None), ""


SRGB_CHROMATICITY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""x and y of white, red, green and blue."""

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def made_profile(gamma: float, chromaticity: Sequence[float], gray: bool = False) -> bytes:
    """An ICC profile for light = value ** gamma.

    Args:
        gamma: The exponent.
        chromaticity: The x and y of white, red, green and blue, eight numbers.
        gray: Of a picture of one channel.

    Returns:
        The profile's bytes.

    Raises:
        ValueError: For chromaticities that are none.
    """
    tags = {b"wtpt": b"XYZ " + bytes(4) + _fixed(*_D50)}
    curve = b"para" + bytes(8) + _fixed(gamma)
    if gray:
        tags[b"kTRC"] = curve
    else:
        for name, column in zip((b"r", b"g", b"b"), _primaries(chromaticity).T, strict=True):
            tags[name + b"XYZ"] = b"XYZ " + bytes(4) + _fixed(*column)
            tags[name + b"TRC"] = curve
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content
    space = b"GRAY" if gray else b"RGB "
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


def gray_curve(profile: bytes) -> Callable[[np.ndarray], np.ndarray] | None:
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

    def light(x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", divide="ignore"):  # infinity is 1 then
            power = np.maximum(a * x + b, 0) ** g
        return np.where(x >= d, power + e, c * x + f).clip(0, 1)

    return light
