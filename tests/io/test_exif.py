"""Rotations and odd tags of Exif: a picture stands upright, and no tag stops it."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import RGB, saved
from PIL import Image

from imgtrans_jax.io import images


def exif(*tags: bytes, big: bool = True) -> bytes:
    order = ">" if big else "<"
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "IH", 8, len(tags))
    return b"Exif\0\0" + head + b"".join(tags) + bytes(4)


def tag(number: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack(">HHI", number, kind, count) + value.ljust(4, b"\0")[:4]


ROTATED = tag(0x0112, 3, 1, b"\0\x06")
ODD = {
    "a long that is a text": tag(0x8769, 2, 4, b"abc\0"),
    "an interval of nothing": tag(0x011A, 5, 1, bytes(4)),
    "a date of floats": tag(0x9003, 12, 1, b"\xff\xff\xff\xff"),
    "a place of GPS in nowhere": tag(0x8825, 4, 1, b"\xff\xff\xff\xf0"),
    "a kind that is none": tag(0x010F, 99, 9, b"abcd"),
    "a short with three values": tag(0x0100, 3, 3, b"\0\1\0\2"),
    "signed bytes": tag(0x9286, 6, 4, b"\xff\xfe\1\2"),
    "a byte that is a short": tag(0x0103, 1, 4, b"\xff\xff\xff\xff"),
    "a maker's note": tag(0x927C, 7, 4, b"\1\2\3\4"),
    "interoperability": tag(0xA005, 4, 1, b"\0\0\0\x08"),
    "two thousand million values": tag(0x9286, 5, 2**31 - 1, b"\0\0\0\1"),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("form", ["jpg", "png", "webp"])
def test_one_odd_tag_does_not_matter(name, form, tmp_path):
    stripes = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[:, None, None], 40, axis=1).repeat(
        3, axis=2
    )
    path = tmp_path / f"x.{form}"
    Image.fromarray(stripes).save(path, exif=exif(ODD[name], ROTATED), quality=95)
    picture = images.read_picture(path)
    assert picture.shape == (40, 24, 3)
    assert images.picture_size(path) == (40, 24)
    np.testing.assert_allclose(picture[..., 0].astype(int), np.rot90(stripes, -1)[..., 0], atol=6)
    assert images.read_alpha(path) is None


@pytest.mark.parametrize("value", [b"\0\0", b"\0\x09", b"\xff\xff"])
@pytest.mark.parametrize("kind", [2, 3, 4, 5, 7, 12])
def test_an_orientation_that_is_none_is_none(value, kind, tmp_path):
    Image.fromarray(RGB).save(tmp_path / "x.png", exif=exif(tag(0x0112, kind, 1, value)))
    np.testing.assert_array_equal(images.read_picture(tmp_path / "x.png"), RGB)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["png", "tif", "webp", "jpg", "mpo"])
def test_all_eight_rotations(orientation, form, tmp_path):
    marked = Image.fromarray(np.repeat(np.repeat(RGB, 8, 0), 8, 1)).crop((0, 0, 80, 96))
    turned = Image.Exif()
    turned[0x0112] = orientation
    options = (
        {"lossless": True}
        if form == "webp"
        else {"save_all": True, "append_images": [marked]}
        if form == "mpo"
        else {}
    )
    marked.save(tmp_path / f"x.{form}", exif=turned, **options)
    wanted = np.asarray(marked)
    wanted = wanted.transpose(1, 0, 2) if orientation in (5, 7) else wanted
    wanted = {
        1: wanted,
        2: wanted[:, ::-1],
        3: wanted[::-1, ::-1],
        4: wanted[::-1],
        5: wanted,
        6: np.rot90(wanted, -1),
        7: wanted[::-1, ::-1],
        8: np.rot90(wanted),
    }[orientation]
    path = tmp_path / f"x.{form}"
    if form == "mpo":
        path = path.rename(tmp_path / "x.jpg")
    found = images.read_picture(path)
    assert found.shape == wanted.shape
    assert images.picture_size(path) == wanted.shape[:2]
    if form in ("jpg", "mpo"):
        assert (
            np.abs(found.astype(int) - wanted).mean()
            < 40
            < np.abs(found[::-1, ::-1].astype(int) - wanted).mean()
        )
    else:
        np.testing.assert_array_equal(found, wanted)


ROTATED_JPEG = saved(Image.fromarray(RGB), "JPEG", exif=exif(*list(ODD.values())[:5], ROTATED))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), min_size=1, max_size=10))
def test_no_exif_stops_a_picture(scratch, changes):
    """Whatever the tags are, the pixels are read."""
    mutated = bytearray(ROTATED_JPEG)
    start = mutated.index(b"Exif\0\0") + 6
    for place, value in changes:
        mutated[start + place % 76] = value
    path = scratch / "exif.jpg"
    path.write_bytes(mutated)
    shape = images.read_picture(path).shape
    assert shape in ((12, 10, 3), (10, 12, 3))
    assert images.picture_size(path) == shape[:2]
