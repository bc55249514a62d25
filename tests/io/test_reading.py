"""Files of strangers: read as meant, or refused with their name; never more than a sentence."""

import io
import os
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.data.labelled import ClassFolders
from imgtrans_jax.data.sources import FilePictures, Folder
from imgtrans_jax.evaluation.compare import _readable
from imgtrans_jax.io import images, reading, results
from imgtrans_jax.io.exif import turned_upright
from imgtrans_jax.io.files import fitting, whole
from imgtrans_jax.types import UserError

RGB = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def saved(image: Image.Image, form: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


# ------------------------------------------------------------------ forms

EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    b"(harm) (w) file closefile\n%%EOF\n"
)
REFUSED = {
    "EPS": EPS,
    "EPS of Windows": b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, len(EPS)) + bytes(20) + EPS,
    "PS": EPS.replace(b" EPSF-3.0", b""),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0"
    + struct.pack("<hhhhH", 0, 0, 9, 9, 72)
    + bytes(6)
    + b"\x01\0\x09\0"
    + bytes(30),
    "EMF": b"\x01\0\0\0" + bytes(36) + b" EMF" + bytes(60),
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='9' height='9'/></svg>",
    "FITS": b"SIMPLE  =                    T".ljust(2880),
    **{
        form: saved(Image.fromarray(RGB).convert("1" if form in ("XBM", "MSP") else "RGB"), form)
        for form in (
            "PDF",
            "PCX",
            "TGA",
            "ICO",
            "ICNS",
            "SGI",
            "IM",
            "DDS",
            "SPIDER",
            "XBM",
            "MSP",
            "QOI",
        )
    },
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_only_safe_forms_are_opened_whatever_the_name_says(name, suffix, tmp_path, monkeypatch):
    def started(*args, **kwargs):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(REFUSED[name])
    for read in (images.read_picture, images.read_alpha, images.picture_size):
        with pytest.raises(UserError, match=rf"x{suffix} is no picture in a form that can be read"):
            read(path)
    Image.fromarray(RGB).save(tmp_path / "good.png")
    assert [p.name for p in FilePictures(tmp_path, 3).paths] == ["good.png"]


READ = {
    ".apng": "PNG",
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".gif": "GIF",
    ".jfif": "JPEG",
    ".jp2": "JPEG2000",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".pgm": "PPM",
    ".pnm": "PPM",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}


@pytest.mark.parametrize("suffix", READ)
def test_what_is_safe_is_found_and_read(suffix, tmp_path):
    smooth = Image.fromarray(RGB).resize((40, 48))
    smooth.save(tmp_path / f"x{suffix}", READ[suffix])
    (path,) = images.list_pictures(tmp_path)
    error = np.abs(images.read_picture(path).astype(int) - np.asarray(smooth)).mean()
    assert error < 30
    assert images.picture_size(path) == (48, 40)


def test_every_place_that_opens_a_picture_goes_through_the_one_list():
    for path in [*Path(reading.__file__).parents[1].rglob("*.py"), *Path("examples").glob("*.py")]:
        for line in path.read_text().splitlines():
            assert "Image.open(" not in line or "formats=" in line, f"{path}: {line}"


# ------------------------------------------------------------------ memory


def png(width: int, height: int, data: bytes = b"", depth: int = 8, color: int = 2) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    whole = bytearray(saved(Image.fromarray(RGB), "JPEG"))
    place = whole.index(b"\xff\xc0") + 5
    whole[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(whole)


def npy(
    kind: str, shape: object, data: bytes = b"", version: bytes = b"\1\0", head: bytes | None = None
) -> bytes:
    text = (
        repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
        if head is None
        else head
    )
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


HOSTILE = {
    "jpeg of 65500.jpg": jpeg(65500, 65500),
    "jpeg of 20000.jpg": jpeg(20000, 20000),
    "png of 2^31.png": png(2**31 - 1, 2**31 - 1),
    "png of 13000.png": png(13000, 13000, zlib.compress(bytes(13000 * 1626), 9), 1, 0),
    "gif of 65535.gif": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;",
    "bmp of 2^31.bmp": b"BM"
    + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, *[0] * 6),
    "ppm of 2^40.ppm": b"P6 1099511627776 1099511627776 255\n",
    "tiff of 2^32.tif": b"II*\0\x08\0\0\0\x04\0"
    + b"".join(
        struct.pack("<HHII", number, kind, 1, value)
        for number, kind, value in (
            *((256, 4, 2**32 - 1), (257, 4, 2**32 - 1)),
            *((258, 3, 8), (262, 3, 1)),
        )
    )
    + bytes(4),
    "273 TiB.npy": npy("<f8", (6_000_000, 6_000_000)),
    "negative.npy": npy("<f8", (-1, 5)),
    "10^30.npy": npy("<f4", (10**30, 1)),
    "objects.npy": npy("|O", (3, 3), bytes(72)),
    "wide.npy": npy("|V999999999", (3, 3)),
    "text.npy": npy("<U5", (3, 3), bytes(180)),
    "complex.npy": npy("<c8", (9, 9), bytes(648)),
    "records.npy": npy([("a", "<f4")], (3, 3), bytes(36)),
    "floats as shape.npy": npy("<f4", (3.0, 3.0), bytes(36)),
    "deep.npy": npy("", 0, head=b"(" * 9000),
    "code.npy": npy("", 0, head=b"__import__('os').system('touch harm')"),
    "version 9.npy": npy("<f4", (3, 3), bytes(36), b"\x09\0"),
    "cut.npy": npy("<f4", (9, 9), bytes(300)),
    "empty.npy": b"",
    "nothing in it.npy": npy("<f4", (0, 9, 3)),
    "a zip.npy": b"PK\x03\x04" + bytes(99),
    "a pickle.npy": b"\x80\x04cos\nsystem\n(X\x04\0\0\0truetR.",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_claims_too_much_is_refused_before_memory_is_taken(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    tracemalloc.start()
    for read in (images.read_picture, images.picture_size):
        with pytest.raises(UserError, match=name.replace("^", r"\^")) as error:
            read(path)
        assert len(str(error.value)) < 500
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    Image.fromarray(RGB).save(tmp_path / "good.png")
    assert [p.name for p in FilePictures(tmp_path, 3).paths] == ["good.png"]
    assert not (tmp_path / "harm").exists()


def test_a_large_picture_says_what_it_needs_and_is_read_where_that_is_free(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    path.write_bytes(png(8000, 6000, zlib.compress(bytes(6000 * 1001), 9), 1, 0))
    monkeypatch.setattr("imgtrans_jax.runtime.memory.free_on_host", lambda: 2**29)
    with pytest.raises(
        UserError,
        match=r"x\.png has 8000x6000 pixels, which take 549 MB of memory, and 512 MB are free",
    ):
        images.read_picture(path)
    monkeypatch.setattr("imgtrans_jax.runtime.memory.free_on_host", lambda: None)
    assert images.read_picture(path, channels=1).shape == (6000, 8000, 1)


def test_an_empty_picture_of_colours_is_no_bomb(tmp_path):
    """RGB, white: as many bytes as such a file must have at least."""
    path = tmp_path / "x.png"
    path.write_bytes(png(8000, 8000, zlib.compress((b"\0" + b"\xff" * 24000) * 8000, 9)))
    assert reading._EMPTY_FROM < 64_000_000 * 22
    assert images.picture_size(path) == (8000, 8000)


def test_a_memory_error_is_a_sentence(tmp_path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / "x.png")

    def full(*args):
        raise MemoryError

    monkeypatch.setattr(reading, "_with_channels", full)
    with pytest.raises(UserError, match=r"x\.png does not fit into memory"):
        images.read_picture(tmp_path / "x.png")


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "AT_ONCE", 500)
    now, most = [], []
    upright = turned_upright

    def watched(image):
        now.append(image.size[0] * image.size[1])
        most.append(tuple(now))
        time.sleep(0.01)
        now.remove(image.size[0] * image.size[1])
        return upright(image)

    monkeypatch.setattr(reading, "turned_upright", watched)
    for number in range(12):
        Image.new("RGB", (30, 30) if number % 3 == 0 else (15, 12)).save(tmp_path / f"{number}.png")
    threads = [threading.Thread(target=images.read_picture, args=(p,)) for p in tmp_path.iterdir()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(m) == 1 for m in most if 900 in m)
    assert all(sum(m) <= 500 for m in most if 900 not in m)
    assert len(most) == 12


def test_reading_in_threads_leaves_the_warnings_as_they_were(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "x.png")
    reading._prepare_pillow()
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=images.read_picture, args=(tmp_path / "x.png",)) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


GOOD = {
    **{f"x{suffix}": saved(Image.fromarray(RGB), form) for suffix, form in READ.items()},
    "rgba.png": saved(Image.fromarray(np.dstack([RGB, RGB[..., :1]])), "PNG"),
    "palette.png": saved(Image.fromarray(RGB).convert("P"), "PNG", transparency=1),
    "deep.png": saved(Image.fromarray(RGB[..., 0].astype(np.uint16) * 257), "PNG"),
    "float.tif": saved(Image.fromarray(RGB[..., 0] / np.float32(255)), "TIFF"),
    "packed.tif": saved(Image.fromarray(RGB), "TIFF", compression="tiff_lzw"),
    "cmyk.jpg": saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "x.npy": npy("<f4", (12, 10, 3), (RGB / np.float32(255)).tobytes()),
    "w.npy": npy("<u2", (12, 10), (RGB[..., 0].astype(np.uint16) * 257).tobytes()),
}


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_a_mutated_file_is_a_picture_or_a_sentence(data):
    name = data.draw(st.sampled_from(sorted(GOOD)))
    whole = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(
            st.one_of(st.integers(0, min(200, len(whole) - 1)), st.integers(0, len(whole) - 1))
        )
        whole[place] = data.draw(st.integers(0, 255))
    mutated = bytes(whole[: data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))])
    check_same_guarantees(name, mutated)


def check_same_guarantees(name: str, content: bytes) -> None:
    """What passes the check at the start is read in training, and the other way round."""
    path = SCRATCH / f"{os.getpid()}_{name}"
    path.write_bytes(content)
    results = []
    for read in (lambda: images.read_picture(path).shape[:2], lambda: images.picture_size(path)):
        try:
            results.append(read())
        except UserError:
            results.append(None)
    assert results[0] == results[1]
    alpha = images.read_alpha(path) if results[0] else None
    assert alpha is None or alpha.shape[:2] == results[0]


SCRATCH = Path(os.environ.get("TMPDIR", "/tmp"))


@pytest.fixture(scope="module", autouse=True)
def scratch(tmp_path_factory):
    global SCRATCH
    SCRATCH = tmp_path_factory.mktemp("mutated")


# ------------------------------------------------------------------ rotation


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
def test_no_exif_stops_a_picture(changes):
    """Whatever the tags are, the pixels are read."""
    mutated = bytearray(ROTATED_JPEG)
    start = mutated.index(b"Exif\0\0") + 6
    for place, value in changes:
        mutated[start + place % 76] = value
    path = SCRATCH / f"{os.getpid()}_exif.jpg"
    path.write_bytes(mutated)
    shape = images.read_picture(path).shape
    assert shape in ((12, 10, 3), (10, 12, 3))
    assert images.picture_size(path) == shape[:2]


# ------------------------------------------------------------------ ranges


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


def test_what_a_filter_adds_over_white_is_cut_and_nothing_else():
    step = np.zeros((16, 16, 3), np.float32)
    step[8:] = 1
    enlarged = images.resize(step, 40, 40)
    assert (enlarged.min(), enlarged.max()) == (0, 1)
    free = images.resize(step, 40, 40, clip=False)
    assert free.max() > 1.01
    np.testing.assert_allclose(enlarged, free.clip(0, 1))


# ------------------------------------------------------------------ transparency


def premultiplied(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """In float64 (Pillow has no double): colour times alpha, resized, over alpha, resized."""
    unit = picture.astype(np.float64) / (255 if picture.dtype == np.uint8 else 1)

    def plane(x):
        return np.asarray(
            Image.fromarray(x.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC),
            float,
        )

    alpha = plane(unit[..., 3])
    colors = [
        plane(unit[..., c] * unit[..., 3]) / np.where(alpha > 0.002, alpha, 1) for c in range(3)
    ]
    return np.stack([*(np.where(alpha > 0.002, c, 0) for c in colors), alpha], axis=2).clip(0, 1)


def disc(kind: type) -> np.ndarray:
    """A bright red disc on transparent black."""
    rows, columns = np.mgrid[:40, :40]
    inside = (rows - 20) ** 2 + (columns - 20) ** 2 < 150
    picture = np.zeros((40, 40, 4), np.float32)
    picture[inside] = (1, 0.5, 0.25, 1)
    return picture if kind == np.float32 else (255 * picture).astype(np.uint8)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("size", [(17, 17), (90, 61)])
def test_no_dark_fringe_around_what_is_opaque(kind, size):
    found = images.resize(disc(kind), *size)
    assert found.dtype == kind
    unit = images.to_unit(found)
    seen = unit[..., 3] > 0.05
    np.testing.assert_allclose(
        unit[seen][:, :3], np.tile([1, 0.5, 0.25], (seen.sum(), 1)), atol=0.02
    )
    np.testing.assert_allclose(unit[seen], premultiplied(disc(kind), *size)[seen], atol=0.004)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_files_with_transparency_have_no_fringe_in_a_cut(mode, tmp_path):
    rgba = Image.fromarray(disc(np.uint8))
    if mode == "P":
        flat = rgba.convert("RGB").quantize(8)
        flat.save(tmp_path / "x.png", transparency=flat.getpixel((0, 0)))
    elif mode == "PA":
        indices = rgba.convert("RGB").quantize(8)
        with_alpha = indices.convert("PA")
        with_alpha.putalpha(rgba.getchannel("A"))
        with_alpha.save(tmp_path / "x.tif")
    else:
        rgba.convert(mode).save(tmp_path / "x.png")
    (path,) = tmp_path.iterdir()
    picture = images.read_picture(path, channels=4)
    opaque = picture[20, 20, :3]
    cut = (Preprocess(24, 20, flip=False).train(picture, np.random.default_rng(0)) + 1) * 127.5
    seen = cut[..., 3] > 20
    assert np.abs(cut[seen][:, :3] - opaque).max() < 6
    assert 0 < seen.mean() < 1


def test_an_opaque_picture_is_resized_as_ever():
    rgba = np.dstack([RGB, np.full((12, 10), 255, np.uint8)])
    for size in ((7, 6), (30, 31)):
        found = images.resize(rgba, *size)
        np.testing.assert_allclose(found[..., :3].astype(int), images.resize(RGB, *size), atol=1)
        assert (found[..., 3] == 255).all()


# ------------------------------------------------------------------ order and listing


def test_frames_are_in_natural_order(tmp_path):
    names = [
        "1.png",
        "2.png",
        "3.png",
        "10.png",
        "11.png",
        "a/frame2.png",
        "a/frame10.png",
        "a10/1.png",
        "b2/1.png",
        "b10/1.png",
    ]
    for name in reversed(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [p.relative_to(tmp_path).as_posix() for p in images.list_pictures(tmp_path)] == names


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("a1٣².-_/9", min_size=1, max_size=8), min_size=2, max_size=8))
def test_any_names_have_an_order(names):
    paths = [Path(name) for name in names]
    ordered = sorted(paths, key=reading.natural)
    ordered.reverse()
    assert sorted(ordered, key=reading.natural) == ordered[::-1]


def test_classes_are_in_natural_order(tmp_path):
    for name in ("1", "2", "10"):
        (tmp_path / name).mkdir()
        Image.fromarray(RGB).save(tmp_path / name / "x.png")
    assert ClassFolders(str(tmp_path)).open(16, 3)[2] == ("1", "2", "10")


def test_links_to_folders_are_followed_once_and_never_for_ever(tmp_path, capsys):
    (tmp_path / "in" / "real").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for place in ("in/real/1.png", "elsewhere/2.png"):
        Image.fromarray(RGB).save(tmp_path / place)
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "real")
    (tmp_path / "in" / "real" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "in" / "real")
    (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "nowhere")
    found = [
        p.relative_to(tmp_path / "in").as_posix() for p in images.list_pictures(tmp_path / "in")
    ]
    assert found == ["gone.png", "linked/2.png", "real/1.png"]
    said = capsys.readouterr().out
    assert "1 links to a folder that holds this one" in said
    assert "3 links to a folder that is here already" in said
    assert len(FilePictures(tmp_path / "in", 3)) == 2
    assert "gone.png does not exist" in capsys.readouterr().out


def test_what_is_not_read_is_said_with_its_number(tmp_path, capsys):
    for name in ("a.png", "b.heic", "c.heic", "d.psd", "notes", ".hidden", "e.HEIC"):
        (tmp_path / name).write_bytes(b"")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for _ in range(2):
        assert [p.name for p in images.list_pictures(tmp_path)] == ["a.png"]
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    for words in ("3 .heic", "1 .psd", "1 without a suffix"):
        assert words in said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_or_device_is_no_picture(tmp_path):
    for name in ("x.png", "x.npy"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(UserError, match="is no file"):
            images.read_picture(tmp_path / name)


def test_a_folder_that_may_not_be_listed_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "sub").mkdir()
    Image.fromarray(RGB).save(tmp_path / "x.png")
    scandir = os.scandir

    def refused(path):
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert len(images.list_pictures(tmp_path)) == 1
    assert "sub (Permission denied)" in capsys.readouterr().out


def test_18000_frames_are_sorted_and_named():
    """In no more than moments: it was minutes."""
    paths = [Path(f"{number}.png") for number in range(18_000)] + [Path("7.jpg")]
    ordered = sorted(paths, key=reading.natural)
    assert [path.name for path in ordered[7:12]] == ["7.jpg", "7.png", "8.png", "9.png", "10.png"]
    named = results.named(ordered, Path(), Path("out"), [".png"] * len(paths))
    assert len(set(named)) == len(paths)


# ------------------------------------------------------------------ names


LONG = "x" * 247 + ".png"


@pytest.mark.parametrize(
    "name",
    [LONG, os.fsdecode(b"caf\xe9.png"), "näïve ☕.png", "a\nb.png", "-x.png", "<!--<script>.png"],
)
def test_names_of_any_kind(name, tmp_path, capsys):
    try:
        images.write_picture(tmp_path / name, RGB)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system has no such names")
    assert [p.name for p in tmp_path.iterdir()] == [name]
    np.testing.assert_array_equal(images.read_picture(images.list_pictures(tmp_path)[0]), RGB)
    (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(UserError, match="no picture"):
        images.read_picture(tmp_path / name)


def test_a_partial_file_is_no_longer_than_its_file(tmp_path):
    with whole(tmp_path / LONG) as partial:
        assert len(os.fsencode(partial.name)) <= 255
        assert partial.name.startswith(".")
        with whole(tmp_path / "another") as other:
            assert other != partial
            for path in (partial, other):
                path.write_bytes(b"")


def test_names_beside_a_long_one(tmp_path):
    for name in (LONG, "ä" * 123 + ".png", "x.png"):
        path = tmp_path / fitting(Path(name).stem, ".preview.png")
        path.write_bytes(b"")
        assert path.name.endswith(".preview.png")
    assert path.name == "x.preview.png"


def test_an_example_of_16_bits_and_little_light_is_said_once(capsys):
    dark = np.full((9, 9, 1), 300, np.uint16)
    for _ in range(3):
        np.testing.assert_allclose(reading.with_channels(dark, 1, "depth"), 300 / 65535)
    assert (
        capsys.readouterr().out.count("depth has 16 bits, and its largest number is 300 of 65535")
        == 1
    )


def test_names_that_are_no_utf_8_are_printed(tmp_path):
    """As a program says them, whose console takes UTF-8 only."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has no such names")
    program = (
        "from imgtrans_jax.commands import app; import sys\n"
        "from imgtrans_jax.data.sources import FilePictures; from pathlib import Path\n"
        "FLAGS = app.Flags(); FOLDER = FLAGS.path('folder', None, ''); POSITIONAL = (FOLDER,)\n"
        "def main(overrides): FilePictures(Path(FOLDER.value), 3)\n"
        "app.main(sys.modules['__main__'])"
    )
    Image.fromarray(RGB).save(folder / "good.png")
    (folder / os.fsdecode(b"\xff.png")).write_bytes(b"")
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, folder], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Left out: " in done.stdout
    assert b"caf\\udce9" in done.stdout


@pytest.mark.parametrize("given", [".", "..", "sub/..", "./"])
def test_the_folder_one_is_in(given, tmp_path, monkeypatch):
    (tmp_path / "trainA" / "sub").mkdir(parents=True)
    (tmp_path / "testA").mkdir()
    Image.fromarray(RGB).save(tmp_path / "trainA" / "x.png")
    Image.fromarray(RGB).save(tmp_path / "testA" / "y.png")
    monkeypatch.chdir(tmp_path / "trainA" / ("sub" if given == ".." else "."))
    train, test = Folder(given).open("a", 16, 3)
    assert [p.name for p in train.paths] == ["x.png"]
    assert [p.name for p in test.paths] == ["y.png"]
    ClassFolders(given).open(16, 3)


@pytest.mark.parametrize(
    ("given", "words"),
    [("/", "whole file system"), ("", "no name"), ("~nobody/x", "does not exist")],
)
def test_folders_that_are_none(given, words):
    for source in (Folder(given), ClassFolders(given)):
        with pytest.raises(UserError, match=words):
            source.open("a", 16, 3) if isinstance(source, Folder) else source.open(16, 3)
    with pytest.raises(UserError, match=words):
        Unpaired(given, given, Preprocess(16, 16)).open()


def test_one_file_that_fails_while_it_is_read_is_named(tmp_path, monkeypatch, capsys):
    for number in range(3):
        Image.fromarray(RGB).save(tmp_path / f"{number}.png")
    load = Image.Image.load

    def failing(image):
        if getattr(image, "filename", "").endswith("1.png"):
            raise OSError(5, "Input/output error")
        return load(image)

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", failing)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load_end", lambda self: None)
    with pytest.raises(UserError, match=r"1\.png is damaged or cut off .*Input/output error"):
        images.read_picture(tmp_path / "1.png")


def test_a_comparison_leaves_out_what_cannot_be_read(tmp_path, capsys):
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(UserError, match="No picture of"):
        _readable(tmp_path, 2, tmp_path / "page.html")
    for number in (2, 3, 10):
        Image.fromarray(RGB).save(tmp_path / f"{number}.png")
    paths, pictures = _readable(tmp_path, 2, tmp_path / "page.html")
    assert [p.name for p in paths] == ["2.png", "3.png"]
    assert len(pictures) == 2
    assert "1.png" in capsys.readouterr().out
