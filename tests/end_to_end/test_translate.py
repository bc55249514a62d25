"""Any picture, any folder: sizes, depths, transparency, forms, broken files."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.inference import sample, translator
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.generator_file import save_generator
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.translate import _Work, translate
from imgtrans_jax.io import images
from imgtrans_jax.io.images import read_picture
from imgtrans_jax.io.results import LeftOutError
from imgtrans_jax.methods.simgan import SimGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.types import UserError

ROOT = Path(__file__).parents[2]


def made(path: Path, channels: int, given: int | None = None) -> Path:
    """A small generator with drawn weights, in a file."""
    module = ResNetGenerator(width=4, blocks=1, channels=channels)
    given = given or channels
    recipe = SimGAN(generator=module)
    params = jax.jit(
        lambda: module.init(jax.random.key(0), jnp.zeros((1, 16, 16, given)), train=False)
    )()["params"]
    params = jax.tree.map(lambda x: 8 * x, {"g": params})
    experiment = Experiment(data=dataclasses.replace(Unpaired(), channels=given), recipe=recipe)
    shapes = {"a": [1, 16, 16, given], "b": [1, 16, 16, channels]}
    save_generator(TrainedGenerator(experiment, jax.device_get(params), {}, shapes), path)
    return path


@pytest.fixture(scope="module")
def rgb(tmp_path_factory):
    return made(tmp_path_factory.mktemp("rgb") / "rgb.safetensors", 3)


def picture(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def load(path):
    with Image.open(path) as image:
        return image.copy()


def test_thirty_three_good_and_seven_bad(rgb, tmp_path):
    folder, bad = (
        tmp_path / "in",
        ["cut.jpg", "text.png", "empty.webp", "code.npy", "shape.npy", "claim.png"],
    )
    (folder / "deeper").mkdir(parents=True)
    for number in range(30):
        where = folder / "deeper" if number % 5 == 0 else folder
        suffix = ("png", "jpg", "webp", "tif", "gif", "bmp")[number % 6]
        Image.fromarray(picture((32 if number < 20 else 20 + number, 32, 3), number)).save(
            where / f"good_{number:02d}.{suffix}"
        )
    for name in (b"good_" + b"x" * 241 + b".webp", "good_Скетч.png".encode(), b"good_caf\xe9.png"):
        Image.fromarray(picture((32, 32, 3))).save(folder / os.fsdecode(name))
    whole = (folder / "good_01.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("no picture")
    (folder / "empty.webp").write_bytes(b"")
    np.save(folder / "code.npy", np.array([{"a": print}], dtype=object), allow_pickle=True)
    np.save(folder / "shape.npy", np.zeros((3, 4, 7), np.uint8))
    (folder / "claim.png").write_bytes((folder / "good_06.png").read_bytes()[:40])
    command = [
        sys.executable,
        "stylize.py",
        f"--generator={rgb}",
        f"--input={folder}",
        f"--out={tmp_path / 'out'}",
        "--format=jpg",
    ]
    (folder / os.fsdecode(b"bad_caf\xe9.png")).write_text("no picture")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "33 of 40 pictures were written" in done.stderr
    for name in [*bad, r"bad_caf\udce9.png"]:
        assert name in done.stderr
    assert "Traceback" not in done.stderr
    written = sorted(
        p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*") if p.is_file()
    )
    expected = sorted(p.relative_to(folder).with_suffix(".jpg") for p in folder.rglob("good_*"))
    assert written == expected
    for path in written:
        (source,) = [
            p
            for p in folder.rglob("good_*")
            if p.relative_to(folder).with_suffix("") == path.with_suffix("")
        ]
        assert load(tmp_path / "out" / path).size == load(source).size


def test_batches_and_tiles_give_what_single_pictures_give(rgb, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(picture((50, 45, 3), number)).save(tmp_path / "in" / f"{number}.png")
    together = translate(rgb, tmp_path / "in", tmp_path / "together")
    tiled = translate(rgb, tmp_path / "in", tmp_path / "tiled", tile=16)
    for one, other in zip(together, tiled, strict=True):
        (alone,) = translate(rgb, tmp_path / "in" / one.name, tmp_path / "alone" / one.name)
        assert np.abs(read_picture(alone).astype(int) - read_picture(one)).max() <= 1
        assert np.abs(read_picture(other).astype(int) - read_picture(one)).max() <= 1


def test_what_does_not_fit_is_worked_in_tiles(rgb, tmp_path, monkeypatch, capsys):
    Image.fromarray(picture((100, 80, 3))).save(tmp_path / "in.png")
    (whole,) = translate(rgb, tmp_path / "in.png", tmp_path / "whole.png")
    assert "in tiles" not in capsys.readouterr().out
    monkeypatch.setattr(translator, "WHOLE_AT_MOST", 100_000)
    monkeypatch.setattr(translator, "TILE", 32)
    (tiled,) = translate(rgb, tmp_path / "in.png", tmp_path / "tiled.png")
    assert "in tiles of 32" in capsys.readouterr().out
    assert np.abs(read_picture(tiled).astype(int) - read_picture(whole)).max() <= 1


def test_transparency_is_kept_or_laid_on_white(rgb, tmp_path):
    rgba = picture((24, 28, 4))
    Image.fromarray(rgba).save(tmp_path / "in.png")
    (kept,) = translate(rgb, tmp_path / "in.png", tmp_path / "kept.webp", alpha="keep")
    (flat,) = translate(rgb, tmp_path / "in.png", tmp_path / "flat.png", alpha="white")
    (jpeg,) = translate(rgb, tmp_path / "in.png", tmp_path / "flat.jpg", alpha="keep")
    np.testing.assert_array_equal(np.asarray(load(kept))[..., 3], rgba[..., 3])
    assert [load(path).mode for path in (kept, flat, jpeg)] == ["RGBA", "RGB", "RGB"]


def test_the_cameras_rotation_is_applied(rgb, tmp_path):
    image = Image.fromarray(picture((24, 40, 3)))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "in.png", exif=exif)
    (turned,) = translate(rgb, tmp_path / "in.png", tmp_path / "out.png")
    assert load(turned).size == (24, 40)
    image.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "upright.png")
    (upright,) = translate(rgb, tmp_path / "upright.png", tmp_path / "upright_out.png")
    np.testing.assert_array_equal(read_picture(turned), read_picture(upright))


def test_grey_of_sixteen_bits_stays_so(tmp_path):
    gray = made(tmp_path / "grey.safetensors", 1)
    deep = np.linspace(0, 65535, 24 * 20).reshape(24, 20).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray((deep // 257).astype(np.uint8)).save(tmp_path / "flat.png")
    for form in ("png", "tif"):
        (out,) = translate(gray, tmp_path / "deep.png", tmp_path / form, form=form)
        found = np.asarray(load(out))
        assert found.dtype == np.uint16
        assert len(np.unique(found)) > 256
        (shallow,) = translate(gray, tmp_path / "flat.png", tmp_path / form, form=form)
        assert load(shallow).mode == "L"
        # the network makes much of a little
        assert np.abs(np.asarray(load(shallow)) - found / 257).mean() < 8


def test_arrays_of_other_channels_come_back_as_arrays(tmp_path):
    five = made(tmp_path / "five.safetensors", 5)
    np.save(tmp_path / "bytes.npy", picture((24, 20, 5)))
    np.save(tmp_path / "words.npy", picture((24, 20, 5)).astype(np.uint16) * 257)
    (eight,) = translate(five, tmp_path / "bytes.npy", tmp_path / "out")
    (sixteen,) = translate(five, tmp_path / "words.npy", tmp_path / "out")
    assert (eight.name, np.load(eight).dtype, np.load(eight).shape) == (
        "bytes.npy",
        np.uint8,
        (24, 20, 5),
    )
    assert np.load(sixteen).dtype == np.uint16
    np.testing.assert_allclose(np.load(sixteen) / 257, np.load(eight), atol=0.51)
    with pytest.raises(UserError, match=r"more channels than a picture can have: `out=.*x\.npy`"):
        translate(five, tmp_path / "bytes.npy", tmp_path / "x.png")


def test_no_result_takes_anothers_place_and_results_are_no_inputs(rgb, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, side in (("same.png", 24), ("same.jpg", 28), ("same.jpg.png", 32)):
        Image.fromarray(picture((side, side, 3))).save(folder / name)
    written = translate(rgb, folder, folder / "out")
    assert sorted(load(path).size[0] for path in written) == [24, 28, 32]
    assert len(set(written)) == 3
    assert translate(rgb, folder, folder / "out") == []
    assert not (folder / "out" / "out").exists()


def test_what_is_done_is_said_when_stopped_and_goes_on(rgb, tmp_path, monkeypatch, capsys):
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(picture((20 + 4 * number, 20, 3))).save(tmp_path / "in" / f"{number}.png")
    add = _Work.add

    def stopping(self, path, target):
        if path.name == "2.png":
            raise KeyboardInterrupt
        add(self, path, target)

    monkeypatch.setattr(_Work, "add", stopping)
    with pytest.raises(KeyboardInterrupt):
        translate(rgb, tmp_path / "in", tmp_path / "out")
    assert "Stopped: 1 of 3 are done; the same command goes on" in capsys.readouterr().out
    monkeypatch.undo()
    assert [p.name for p in translate(rgb, tmp_path / "in", tmp_path / "out")] == [
        "1.png",
        "2.png",
    ]


def test_a_size_that_fills_the_memory_is_refused_and_a_strange_one_is_said(rgb, tmp_path, capsys):
    Image.fromarray(picture((24, 20, 3))).save(tmp_path / "in.png")
    with pytest.raises(
        UserError, match=r"in\.png would be worked at 99999x119999, which needs 447 GB"
    ):
        translate(rgb, tmp_path / "in.png", tmp_path / "out.png", size=99999)
    with pytest.raises(UserError, match="`size=4` pixels is too small"):
        translate(rgb, tmp_path / "in.png", tmp_path / "out.png", size=4)
    Image.fromarray(picture((800, 780, 3))).save(tmp_path / "large.png")
    translate(rgb, tmp_path / "large.png", tmp_path / "large_out.png")
    assert "trained at 256 pixels, and large.png has 780" in capsys.readouterr().out


def test_one_file_that_cannot_be_written_is_named_and_the_others_done(rgb, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(picture((24, 20, 3), number)).save(tmp_path / "in" / f"{number}.png")
    write = images.write_picture

    def full(path, *rest):
        if path.name == "1.png":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, *rest)

    monkeypatch.setattr(images, "write_picture", full)
    with pytest.raises(
        LeftOutError,
        match=r"(?s)2 of 3 .*out/1\.png could not be written \(No space left on device",
    ):
        translate(rgb, tmp_path / "in", tmp_path / "out")
    with pytest.raises(OSError, match="No space left"):
        translate(rgb, tmp_path / "in" / "1.png", tmp_path / "single")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0.png", "2.png"]


def test_results_beside_the_inputs_are_not_worked_again(rgb, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(picture((24, 20, 3), number)).save(folder / f"{number}.png")
    translate(rgb, folder / "0.png", folder / "zero.jpg")
    translate(rgb, folder, folder / "out")
    assert len(translate(rgb, folder, folder / "other")) == 2
    assert f"3 of 5 pictures in {folder} are results" in capsys.readouterr().out
    assert len(translate(rgb, folder, tmp_path)) == 2  # the results go above the inputs


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_is_never_written_over(rgb, tmp_path, overwrite):
    Image.fromarray(picture((24, 20, 3))).save(tmp_path / "in.png")
    before = (tmp_path / "in.png").read_bytes()
    os.link(tmp_path / "in.png", tmp_path / "hard.png")
    (tmp_path / "soft.png").symlink_to("in.png")
    for out in ("in.png", "hard.png", "soft.png"):
        with pytest.raises(UserError, match="which would be overwritten"):
            translate(rgb, tmp_path / "in.png", tmp_path / out, overwrite=overwrite)
    assert (tmp_path / "in.png").read_bytes() == before


class Accelerator:
    """A device with so much memory, of which a tenth is in use."""

    def __init__(self, size: int) -> None:
        self.size = size

    def memory_stats(self) -> dict[str, int]:
        return {"bytes_limit": self.size, "bytes_in_use": self.size // 10}


@pytest.mark.parametrize(("gigabytes", "most"), [(80, 128), (0.001, 1)])
def test_a_batch_is_bounded_by_the_devices_memory(rgb, monkeypatch, gigabytes, most):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "local_devices", lambda: [Accelerator(int(gigabytes * 2**30))])
    found = translator.Translation(load_generator(rgb)).at_once(256, 256, 3)
    assert found == most


def test_batches_take_at_most_half_of_what_is_free(rgb, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    ready = translator.Translation(load_generator(rgb))
    for size in (2**25, 2**27, 2**28):
        monkeypatch.setattr(jax, "local_devices", lambda size=size: [Accelerator(size)])
        count = ready.at_once(256, 256, 3)
        maps = translator._MAPS * ready._largest(64, 3) * 16 * count
        assert 1 < count < 128
        assert maps <= 0.45 * size < maps * (count + 1) / count


@pytest.mark.parametrize("there", ["sheet.png", "07.png"])
def test_pictures_from_nothing_take_no_files_place(tmp_path, there):
    (tmp_path / there).write_text("mine")
    with pytest.raises(UserError, match=rf"{there} is there already; add `overwrite`"):
        sample.generate(tmp_path / "run", tmp_path, 10)
