"""Files of strangers: read as meant, or refused with their name; never more than a sentence."""

import struct
import subprocess
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
from picture_files import RGB, npy, png, saved
from PIL import Image

from imgtrans_jax.data.sources import FilePictures
from imgtrans_jax.io import images, reading
from imgtrans_jax.io.exif import turned_upright
from imgtrans_jax.types import UserError

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


def jpeg(width: int, height: int) -> bytes:
    whole = bytearray(saved(Image.fromarray(RGB), "JPEG"))
    place = whole.index(b"\xff\xc0") + 5
    whole[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(whole)


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
def test_a_mutated_file_is_a_picture_or_a_sentence(scratch, data):
    name = data.draw(st.sampled_from(sorted(GOOD)))
    whole = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(
            st.one_of(st.integers(0, min(200, len(whole) - 1)), st.integers(0, len(whole) - 1))
        )
        whole[place] = data.draw(st.integers(0, 255))
    mutated = bytes(whole[: data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))])
    check_same_guarantees(scratch / name, mutated)


def check_same_guarantees(path: Path, content: bytes) -> None:
    """What passes the check at the start is read in training, and the other way round."""
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
