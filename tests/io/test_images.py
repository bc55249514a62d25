"""Every kind of file that a person may have: read as promised, or refused with its name."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.io import images
from imgtrans_jax.types import UserError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8)


def save(path, array, mode=None, **options):
    Image.fromarray(array, mode).save(path, **options) if mode is None else Image.fromarray(
        array
    ).convert(mode).save(path, **options)
    return path


def test_rgb_grey_and_palette(tmp_path):
    np.testing.assert_array_equal(images.read_picture(save(tmp_path / "a.png", RGB)), RGB)
    gray = images.read_picture(save(tmp_path / "g.png", RGB[..., 0]))
    np.testing.assert_array_equal(gray, np.repeat(RGB[..., :1], 3, axis=2))
    assert images.read_picture(tmp_path / "a.png", channels=1).shape == (12, 10, 1)
    assert images.read_picture(save(tmp_path / "p.gif", RGB, "P")).shape == (12, 10, 3)
    assert images.read_picture(save(tmp_path / "c.jpg", RGB, "CMYK")).shape == (12, 10, 3)


def test_transparency_is_laid_on_white_or_kept(tmp_path):
    rgba = np.dstack([RGB, np.zeros((12, 10), np.uint8)])
    rgba[:6, :, 3] = 255
    path = save(tmp_path / "t.png", rgba)
    flat = images.read_picture(path)
    np.testing.assert_array_equal(flat[:6], RGB[:6])
    assert (flat[6:] == 255).all()
    np.testing.assert_array_equal(images.read_picture(path, channels=4), rgba)


def test_16_bit_grey_keeps_its_depth(tmp_path):
    deep = RNG.integers(0, 65536, (9, 8), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    picture = images.read_picture(tmp_path / "deep.png")
    assert picture.dtype == np.float32
    np.testing.assert_allclose(picture[..., 1], deep / 65535, atol=1e-7)
    assert images.to_signed(picture).min() >= -1


def test_the_cameras_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "r.png", exif=exif)
    np.testing.assert_array_equal(images.read_picture(tmp_path / "r.png"), np.rot90(RGB, -1))


def test_arrays_of_many_channels(tmp_path):
    many = RNG.random((9, 8, 5)).astype(np.float32)
    np.save(tmp_path / "m.npy", many)
    np.testing.assert_array_equal(images.read_picture(tmp_path / "m.npy", channels=5), many)
    with pytest.raises(UserError, match=r"m\.npy is an array of shape \(9, 8, 5\)"):
        images.read_picture(tmp_path / "m.npy")
    np.save(tmp_path / "w.npy", np.full((8, 8, 3), 7.0))
    with pytest.raises(UserError, match=r"floats in \[0, 1\] are needed"):
        images.read_picture(tmp_path / "w.npy")
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"evil\.npy"):
        images.read_picture(tmp_path / "evil.npy")


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    whole = save(tmp_path / "whole.jpg", np.repeat(np.repeat(RGB, 20, 0), 20, 1)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    for name, words in (
        ("text.png", "no picture in a form"),
        ("cut.jpg", "damaged or cut off"),
        ("empty.png", "no picture in a form"),
        ("missing.png", "does not exist"),
    ):
        with pytest.raises(UserError, match=words) as error:
            images.read_picture(tmp_path / name)
        assert name in str(error.value)


def test_listing_a_folder(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        images.list_pictures(tmp_path / "missing")
    with pytest.raises(UserError, match="holds no picture"):
        images.list_pictures(tmp_path)
    (tmp_path / "sub" / ".hidden").mkdir(parents=True)
    for name in ("b.PNG", "sub/a.jpg", "notes.txt", ".DS_Store", "sub/.hidden/c.png", "._x.png"):
        (tmp_path / name).write_bytes(b"")
    assert [p.relative_to(tmp_path).as_posix() for p in images.list_pictures(tmp_path)] == [
        "b.PNG",
        "sub/a.jpg",
    ]
    with pytest.raises(UserError, match="is a file, not a folder"):
        images.list_pictures(tmp_path / "b.PNG")


def test_ranges_go_there_and_back():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    signed = images.to_signed(values)
    assert (signed.min(), signed.max()) == (-1, 1)
    np.testing.assert_array_equal(images.to_uint8(signed), values)
    assert images.to_uint8(np.array([-3.0, 3.0])).tolist() == [0, 255]


def test_resizing_keeps_the_kind_and_the_range():
    for picture in (RGB, RGB[..., :1], RGB.astype(np.float32) / 255, np.repeat(RGB, 2, axis=2)):
        resized = images.resize(picture, 30, 7)
        assert resized.shape == (30, 7, picture.shape[2])
        assert resized.dtype == picture.dtype
        assert 0 <= resized.min() <= resized.max() <= (255 if picture.dtype == np.uint8 else 1)
    np.testing.assert_array_equal(
        images.resize(RGB, 24, 20)[..., :1], images.resize(RGB[..., :1], 24, 20)
    )


def test_a_grid_and_a_png(tmp_path):
    sheet = images.grid([[RGB, RGB], [RGB, RGB]], gap=2)
    assert sheet.shape == (26, 22, 3)
    np.testing.assert_array_equal(sheet[14:, 12:], RGB)
    images.write_picture(tmp_path / "s.png", sheet)
    np.testing.assert_array_equal(images.read_picture(tmp_path / "s.png"), sheet)
    assert [p.name for p in tmp_path.iterdir()] == ["s.png"]


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("Äpfel süß.png", "Apfel suss.png"),
        ("a\u0308 é ñ Łódź Ørsted cœur", "a e n Lodz Orsted coeur"),
        ("a – b — c ½ “x” …", "a - b - c 1⁄2 “x” …"),
        ("αβ Жук 日本 \U0001f3a8", "?? ??? ?? ?"),
        ("\udcff\x1b", "??"),
    ],
)
def test_letters_in_a_grid_are_no_boxes(text, drawn):
    def grid(text):
        return images.captioned_grid([[RGB]], [[text]], text)

    assert images._drawn(text, ImageFont.load_default(14)) == drawn
    np.testing.assert_array_equal(grid(text), grid(drawn))


def test_padding_reaches_the_multiple_even_of_a_2x2_picture():
    padded = images.pad_to_multiple(np.arange(4.0).reshape(1, 2, 2, 1), 4, 16)
    assert padded.shape == (1, 16, 16, 1)
    assert images.pad_to_multiple(np.zeros((1, 17, 40, 3)), 4, 16).shape == (1, 20, 40, 3)


def test_what_a_training_has_written_is_no_picture_of_the_folder_that_it_lies_in(tmp_path, capsys):
    mine, run = tmp_path / "mine", tmp_path / "mine" / "runs" / "first"
    for path in (
        mine / "a.png",
        mine / "samples" / "b.png",
        run / "samples" / "0000010_a2b.png",
        run / "out" / "c.png",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(path)
    # a folder named samples, or runs, is not yet a training
    assert len(images.list_pictures(mine)) == 4
    (run / "checkpoints").mkdir()
    (run / "config.json").write_text("{}")
    assert [p.relative_to(mine).as_posix() for p in images.list_pictures(mine)] == [
        "a.png",
        "samples/b.png",
    ]
    assert f"Left out: what a training has written to {run}" in capsys.readouterr().out
    (run / "checkpoints").rmdir()  # to begin anew
    (run / "columns.json").write_text("{}")
    assert len(images.list_pictures(mine)) == 2
    (mine / "checkpoints").mkdir()  # a training in the folder of the pictures itself
    (mine / "config.json").write_text("{}")
    assert [p.relative_to(mine).as_posix() for p in images.list_pictures(mine)] == ["a.png"]
    assert len(images.list_pictures(run / "samples")) == 1  # who names it gets it


def test_what_a_filter_adds_over_white_is_cut_and_nothing_else():
    step = np.zeros((16, 16, 3), np.float32)
    step[8:] = 1
    enlarged = images.resize(step, 40, 40)
    assert (enlarged.min(), enlarged.max()) == (0, 1)
    free = images.resize(step, 40, 40, clip=False)
    assert free.max() > 1.01
    np.testing.assert_allclose(enlarged, free.clip(0, 1))


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
