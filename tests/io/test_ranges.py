"""Numbers of pictures are read in their range, or refused."""

import struct
import zlib

import numpy as np
import pytest
from picture_files import png
from PIL import Image

from imgtrans_jax.io import images, reading
from imgtrans_jax.types import UserError

NUMBERS = {
    "float 0 to 1": (np.linspace(0, 1, 80, dtype=np.float32), True),
    "float 0 to 255": (np.linspace(0, 255, 80, dtype=np.float32), False),
    "float -1 to 1": (np.linspace(-1, 1, 80, dtype=np.float32), False),
    "float a little over": (np.linspace(0, 1.01, 80, dtype=np.float32), False),
    "float with NaN": (np.append(np.linspace(0, 1, 79), np.nan).astype(np.float32), False),
    "float with infinity": (np.append(np.linspace(0, 1, 79), np.inf).astype(np.float32), False),
    "int32 0 to 255": (np.linspace(0, 255, 80).astype(np.int32), False),
    "int32 0 to 65535": (np.linspace(0, 65535, 80).astype(np.int32), False),
    "int32 negative": (np.linspace(-9, 65535, 80).astype(np.int32), False),
    "16 bits": (np.linspace(0, 65535, 80).astype(np.uint16), True),
    "16 bits, a dark picture": (np.linspace(0, 9000, 80).astype(np.uint16), True),
    "16 bits, black": (np.zeros(80, np.uint16), True),
    "12 bits in 16": (np.linspace(0, 4095, 80).astype(np.uint16), False),
    "10 bits in 16": (np.linspace(0, 1023, 80).astype(np.uint16), False),
    "8 bits in 16": (np.linspace(0, 255, 80).astype(np.uint16), False),
    "8 bits": (np.linspace(0, 255, 80).astype(np.uint8), True),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("form", ["tif", "lzw.tif", "png", "jp2", "npy", "pgm", "pfm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_numbers_are_read_in_their_range_or_refused(name, form, channels, tmp_path):
    values, sound = NUMBERS[name]
    values = values.reshape(8, 10)
    path = tmp_path / f"x.{form}"
    if form == "npy":
        np.save(path, values if channels == 1 else np.repeat(values[..., None], 3, axis=2))
    elif (
        (values.dtype == np.float32 and form not in ("tif", "lzw.tif", "pfm"))
        or (values.dtype == np.int32 and form not in ("tif", "lzw.tif"))
        or (values.dtype != np.float32 and form == "pfm")
    ):
        return  # the form has no such numbers
    elif form == "pgm" and values.dtype == np.uint16:
        path.write_bytes(b"P5 10 8 65535\n" + values.astype(">u2").tobytes())
    else:
        Image.fromarray(values).save(
            path, **({"compression": "tiff_lzw"} if form == "lzw.tif" else {})
        )
    if not sound:
        with pytest.raises(UserError, match=r"are needed|white is 65535") as error:
            images.read_picture(path, channels)
        assert str(path) in str(error.value)
        return
    white = {"u": np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1, "f": 1}[
        values.dtype.kind
    ]
    found = images.to_unit(images.read_picture(path, channels))
    assert found.shape == (8, 10, channels)
    np.testing.assert_allclose(
        found, np.repeat((values / white)[..., None], channels, axis=2), atol=1e-6
    )


def test_12_bits_that_say_so_are_read(tmp_path):
    values = np.linspace(0, 4095, 80).astype(np.uint16).reshape(8, 10)
    (tmp_path / "x.pgm").write_bytes(b"P5 10 8 4095\n" + values.astype(">u2").tobytes())
    np.testing.assert_allclose(
        images.read_picture(tmp_path / "x.pgm", 1)[..., 0], values / 4095, atol=2e-5
    )
    pairs = values.reshape(-1, 2).astype(int)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1
    )
    entries = (
        (256, 4, 10),
        (257, 4, 8),
        (258, 3, 12),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 122),
        (278, 4, 8),
        (279, 4, 120),
    )
    table = b"".join(
        struct.pack("<HHII", number, kind, 1, value) for number, kind, value in entries
    )
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + table + bytes(4)
    (tmp_path / "x.tif").write_bytes(data.ljust(122, b"\0") + packed.astype(np.uint8).tobytes())
    np.testing.assert_allclose(
        images.read_picture(tmp_path / "x.tif", 1)[..., 0], values / 4095, atol=1e-6
    )


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_white_is_zero_where_the_file_says_so(kind, tmp_path):
    values = (
        np.linspace(0, 1 if kind == np.float32 else np.iinfo(kind).max, 80)
        .astype(kind)
        .reshape(8, 10)
    )
    Image.fromarray(values).save(tmp_path / "x.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "x.tif") as image:
        assert image.tag_v2[262] == 0
        raw = np.frombuffer(
            (tmp_path / "x.tif").read_bytes()[image.tag_v2[273][0] :], kind, 80
        ).reshape(8, 10)
    white = 1 if kind == np.float32 else np.iinfo(kind).max
    np.testing.assert_allclose(
        images.to_unit(images.read_picture(tmp_path / "x.tif", 1))[..., 0],
        1 - raw / white,
        atol=1e-6,
    )


def rgb16(values: np.ndarray) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], zlib.compress(rows), 16, 2)


def test_colours_of_16_bits(tmp_path, capsys):
    values = np.random.default_rng(0).integers(0, 65536, (9, 8, 3))
    path = tmp_path / "x.png"
    path.write_bytes(rgb16(values))
    assert np.abs(images.read_picture(path) - values / 257).max() <= 1
    path.write_bytes(rgb16(values >> 4))
    with pytest.raises(UserError, match=r"x\.png has 16 bits and uses 12 or fewer"):
        images.read_picture(path)
    path.write_bytes(rgb16(values >> 8))
    images.read_picture(path)
    assert "x.png is black in the upper 8 of its 16 bits" in capsys.readouterr().out


def test_numbers_with_a_sign_are_refused(tmp_path):
    for bits, kind in ((8, np.int8), (16, np.int16)):
        values = np.linspace(-50, 100, 80).astype(kind).reshape(8, 10)
        entries = (
            (256, 4, 10),
            (257, 4, 8),
            (258, 3, bits),
            (259, 3, 1),
            (262, 3, 1),
            (273, 4, 134),
            (278, 4, 8),
        )
        entries += ((279, 4, values.nbytes), (339, 3, 2))
        table = b"".join(
            struct.pack("<HHII", number, kind, 1, value) for number, kind, value in entries
        )
        data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + table + bytes(4)
        (tmp_path / "x.tif").write_bytes(data.ljust(134, b"\0") + values.tobytes())
        with pytest.raises(UserError, match=r"are needed"):
            images.read_picture(tmp_path / "x.tif")


def test_an_example_of_16_bits_and_little_light_is_said_once(capsys):
    dark = np.full((9, 9, 1), 300, np.uint16)
    for _ in range(3):
        np.testing.assert_allclose(reading.with_channels(dark, 1, "depth"), 300 / 65535)
    assert (
        capsys.readouterr().out.count("depth has 16 bits, and its largest number is 300 of 65535")
        == 1
    )
