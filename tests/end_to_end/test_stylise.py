"""stylize.py's pictures, small: whatever is asked for, a picture of the content's size; whatever is
wrong, one sentence.
"""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import jax.numpy as jnp
import numpy as np
import pytest
from golden_commands import answer
from PIL import Image

from imgtrans_jax.commands import app
from imgtrans_jax.commands import transfer as command
from imgtrans_jax.data import sample_pictures
from imgtrans_jax.io import color, images
from imgtrans_jax.metrics.transfer import transfer_figures
from imgtrans_jax.models.vgg import VGG
from imgtrans_jax.optim import GradientDescent, PixelAdam
from imgtrans_jax.runtime import memory
from imgtrans_jax.style import transfer, workspace
from imgtrans_jax.style.deepdream import DeepDream
from imgtrans_jax.style.dream import dream
from imgtrans_jax.style.gatys import Gatys, Quality, of_quality
from imgtrans_jax.style.stylize import SAMPLE_SIZE, stylize
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.vgg import load_vgg

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("plain_convolutions")
SMALL = Gatys(scales=(1.0,), steps=(12,))


@pytest.fixture(scope="session")
def studio(tmp_path_factory):
    """A folder with a photograph, a flat drawing, two styles and two masks, all small."""
    folder = tmp_path_factory.mktemp("studio")
    photograph = sample_pictures.photograph()
    write(folder / "photo.png", images.resize(photograph, 48, 64))
    drawing = np.full((48, 64, 3), 255, np.uint8)
    drawing[10:40, 20:30], drawing[20:30, 35:60] = (200, 30, 30), (30, 60, 200)
    write(folder / "drawing.png", drawing)
    write(folder / "painting.png", images.resize(sample_pictures.painting(128, 1500), 64, 64))
    write(
        folder / "stripes.png",
        np.tile(np.array([[[250, 240, 20]], [[10, 10, 10]]], np.uint8).repeat(4, 0), (8, 64, 1)),
    )
    left = np.zeros((48, 64), np.uint8)
    left[:, :32] = 255
    write(folder / "left.png", left[..., None])
    write(folder / "right.png", 255 - left[..., None])
    return folder


def write(path: Path, picture: np.ndarray) -> None:
    images.write_picture(path, picture)


def read(path: Path) -> np.ndarray:
    return workspace.unit(images.read_picture(path))


def test_a_photo_takes_the_look_of_a_painting(studio, tmp_path, capsys):
    out = tmp_path / "new" / "out.jpg"
    recipe = dataclasses.replace(SMALL, scales=(0.5, 1.0), steps=(10, 20))
    assert stylize(recipe, studio / "photo.png", [studio / "painting.png"], out) == [out]
    result = read(out)
    assert result.shape == (48, 64, 3)
    means = [read(studio / name).mean(axis=(0, 1)) for name in ("photo.png", "painting.png")]
    assert (
        np.abs(result.mean(axis=(0, 1)) - means[1]).sum() < 0.3 * np.abs(means[0] - means[1]).sum()
    )
    assert sorted(p.name for p in out.parent.iterdir()) == ["out.jpg"]  # no preview left behind
    assert "Compiled for 64x48" in capsys.readouterr().out


@pytest.mark.parametrize("colors", ["content", "luminance"])
def test_the_contents_colours_can_be_kept(studio, tmp_path, colors):
    recipe = dataclasses.replace(SMALL, colors=colors)
    stylize(recipe, studio / "photo.png", [studio / "painting.png"], tmp_path / "out.png")
    result, photo = read(tmp_path / "out.png"), read(studio / "photo.png")
    means, chroma = [], []
    for picture in (result, photo, read(studio / "painting.png")):
        means.append(picture.mean(axis=(0, 1)))
        chroma.append(picture - color.luminance(picture))
    assert np.abs(means[0] - means[1]).sum() < 0.3 * np.abs(means[2] - means[1]).sum()
    if colors == "luminance":  # clipping to [0, 1] moves some
        assert np.median(np.abs(chroma[0] - chroma[1])) < 0.01
    assert np.abs(result - photo).mean() > 0.02


def test_every_style_goes_where_its_mask_is(studio, tmp_path):
    styles, masks = (
        [studio / "painting.png", studio / "stripes.png"],
        [studio / "left.png", studio / "right.png"],
    )
    stylize(SMALL, studio / "drawing.png", styles, tmp_path / "out.png", masks=masks)
    result = read(tmp_path / "out.png")
    left, right = result[:, :26].mean(axis=(0, 1)), result[:, 38:].mean(axis=(0, 1))
    painting, stripes = (read(path).mean(axis=(0, 1)) for path in styles)
    assert np.abs(left - painting).sum() < np.abs(left - stripes).sum()
    assert np.abs(right - stripes).sum() < np.abs(right - painting).sum()


def test_a_style_of_weight_0_leaves_its_region_to_the_content(studio, tmp_path):
    styles, masks = (
        [studio / "painting.png", studio / "stripes.png"],
        [studio / "left.png", studio / "right.png"],
    )
    recipe = dataclasses.replace(SMALL, recolor=False)
    stylize(
        recipe,
        studio / "photo.png",
        styles,
        tmp_path / "out.png",
        masks=masks,
        style_weights=(1, 0),
    )
    change = np.abs(read(tmp_path / "out.png") - read(studio / "photo.png")).mean(axis=(0, 2))
    assert change[:26].mean() > 2 * change[38:].mean()


@pytest.mark.slow  # masks and weights of 0 are below
def test_two_styles_are_blended_by_weight(studio, tmp_path):
    styles = [studio / "painting.png", studio / "stripes.png"]
    blues = []
    for weights in ((1, 0), (1, 1), (0, 1)):
        stylize(
            SMALL,
            studio / "photo.png",
            styles,
            tmp_path / "out.png",
            style_weights=weights,
            overwrite=True,
        )
        blues.append(read(tmp_path / "out.png")[..., 2].mean())
    assert blues[0] > blues[1] + 0.02 > blues[2] + 0.04


def test_a_large_picture_is_optimised_smaller_and_comes_back_large(studio, tmp_path, capsys):
    recipe = dataclasses.replace(SMALL, most_pixels=32 * 43)
    stylize(recipe, studio / "photo.png", [studio / "painting.png"], tmp_path / "out.png")
    assert (
        "64x48 is large: optimised at 43x32 and enlarged again; --size=48 does all of it"
        in capsys.readouterr().out
    )
    assert read(tmp_path / "out.png").shape == (48, 64, 3)


@pytest.mark.parametrize("colors", ["clean", pytest.param("content", marks=pytest.mark.slow)])
def test_there_are_no_specks_of_color(studio, tmp_path, colors):
    """Less chroma changes from pixel to pixel than where the same is left as it is optimised."""
    rough = {}
    for way in ("style", colors):
        recipe = dataclasses.replace(SMALL, colors=way)
        out = tmp_path / f"{way}.png"
        stylize(recipe, studio / "photo.png", [studio / "stripes.png"], out)
        rough[way] = np.abs(np.diff(color.to_oklab(read(out))[..., 1:], axis=1)).mean()
    assert rough[colors] < 0.7 * rough["style"]


def test_a_quality_is_a_matter_of_steps(studio, tmp_path):
    draft, best = (of_quality(Gatys(tv_weight=2.0), quality) for quality in ("draft", "best"))
    assert draft.tv_weight == best.tv_weight == 2.0
    assert draft.most_pixels < best.most_pixels
    assert sum(draft.steps) < sum(Gatys().steps) < sum(best.steps)
    with pytest.raises(UserError, match=r"no quality 'fine'; use draft, normal, best"):
        of_quality(Gatys(), "fine")  # type: ignore[arg-type]
    assert get_args(Quality) == tuple(command.FLAGS["quality"].parser.enum_values)
    given = ["--content=a.png", "--style=b.png", "--quality=draft", "--config=gatys"]
    assert app.run(command, given) == 2


def test_what_does_not_fit_into_memory_is_said_before(studio, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 2**20)
    with pytest.raises(
        UserError, match=r"64x48 needs .* GB of memory and 0.0 GB are free: `size=\d+` would fit"
    ):
        stylize(SMALL, studio / "photo.png", [studio / "painting.png"], tmp_path / "out.png")
    assert not list(tmp_path.iterdir())


def test_the_free_memory_is_known_here():
    free = memory.free()
    assert free is not None
    assert 2**28 < free < 2**45


def test_frames_start_from_the_frame_before_unless_the_scene_is_new(studio, tmp_path, capsys):
    frames = tmp_path / "frames"
    frames.mkdir()
    photo = images.read_picture(studio / "photo.png")
    for number in range(3):
        write(frames / f"{number:03d}.png", np.roll(photo, number, axis=1))
    write(frames / "003.png", images.read_picture(studio / "drawing.png"))
    (frames / "004.png").write_text("no picture")
    with pytest.raises(UserError, match=r"(?s)4 of 5 pictures were written.*004.png is no picture"):
        stylize(SMALL, frames, [studio / "painting.png"], tmp_path / "out")
    assert [p.name for p in sorted((tmp_path / "out").iterdir())] == [
        f"{n:03d}.png" for n in range(4)
    ]
    said = capsys.readouterr().out
    assert said.count("Compiled") == 2  # 12 steps from the content, 6 from the frame before
    assert "Picture 3 of 5" in said
    assert said.count("new scene") == 1
    first, second = read(tmp_path / "out" / "000.png"), read(tmp_path / "out" / "001.png")
    assert np.abs(first - second).mean() < 0.1


def test_strokes_follow_what_moves(studio):
    """A crop that moves over a photograph: the second result is the first, moved."""
    photograph = sample_pictures.photograph()
    frames = [photograph[100 + 3 * i : 164 + 3 * i, 60 + 6 * i : 156 + 6 * i] for i in (0, 1)]
    style_transfer = transfer.StyleTransfer(SMALL, [studio / "painting.png"])
    first, _ = style_transfer(frames[0])
    second, _ = style_transfer(frames[1], first)
    apart = np.abs(second.result[:-3, :-6] - first.result[3:, 6:]).mean()
    where_it_was = np.abs(second.result - first.result).mean()
    assert apart < 0.5 * where_it_was


@pytest.mark.parametrize("start", [pytest.param("noise", marks=pytest.mark.slow), "picture"])
def test_it_starts_from_noise_or_any_picture(studio, tmp_path, start):
    recipe = dataclasses.replace(
        SMALL,
        start=str(studio / "stripes.png") if start == "picture" else start,
        content_weight=5.0,
    )
    stylize(recipe, studio / "drawing.png", [studio / "painting.png"], tmp_path / "out.png")
    began = (
        read(studio / "stripes.png")
        if start == "picture"
        else np.random.default_rng(0).uniform(size=(48, 64, 3))
    )
    _, nearness = transfer_figures(
        *load_vgg(), read(tmp_path / "out.png"), read(studio / "drawing.png"), began
    )
    assert nearness < 0.95  # the drawing begins to show


def test_a_divergence_is_said_and_the_best_picture_kept(studio, tmp_path, capsys):
    recipe = dataclasses.replace(SMALL, optimizer=GradientDescent(3e5), steps=(60,), tv_weight=1e6)
    stylize(recipe, studio / "photo.png", [studio / "painting.png"], tmp_path / "out.png")
    assert "The loss exploded by step" in capsys.readouterr().out
    assert (tmp_path / "out.png").exists()


@pytest.mark.slow  # each of them has a test of its own
def test_adam_and_masks_and_average_pooling_go_together(studio, tmp_path):
    recipe = dataclasses.replace(
        SMALL, optimizer=PixelAdam(), pooling="average", tv_weight=0.1, steps=(5,)
    )
    assert stylize(
        recipe,
        studio / "photo.png",
        [studio / "painting.png"],
        tmp_path,
        masks=[studio / "left.png"],
    )[0].exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"style_layers": ("relu9_1",)}, "no layer 'relu9_1'"),
        ({"steps": (3, 4)}, "config.scales has 1 entries and config.steps 2"),
        ({"laplacian_weight": -1.0}, "config.laplacian_weight must be finite, and not negative"),
        ({"content_weight": 0.0, "style_weight": 0.0}, "one must not be 0"),
        ({"tolerance": 1.0}, "from 0 to below 1"),
        ({"start": "nowhere.png"}, "does not exist"),
        ({"style_scale": 0.0}, "above 0"),
    ],
)
def test_mistakes_in_the_config_are_one_sentence(studio, tmp_path, change, words):
    with pytest.raises(UserError, match=words):
        stylize(
            dataclasses.replace(SMALL, **change),
            studio / "photo.png",
            [studio / "painting.png"],
            tmp_path / "out.png",
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "out", "words"),
    [
        ("nothing.png", "out.png", "There is no"),
        ("text.jpg", "out.png", "is no picture in a form that can be read"),
        ("dot.png", "out.png", "1x1 pixels is too small"),
        ("line.png", "out.png", "12000x2 pixels is too small"),
        ("cut.png", "out.png", "damaged or cut off"),
        ("photo.png", "photo.png", "would be overwritten"),
        ("photo.png", "out.gif", "no kind of picture that is written"),
        ("photo.png", "out.xyz", "no kind of picture that is written"),
        ("photo.png", "text.jpg/out.png", "cannot be made"),
        ("photo.png", "/proc/out.png", "Nothing can be written to /proc|cannot be made"),
        (".", ".", "would be overwritten"),
        (".", "out.png", "must be one too"),
    ],
)
def test_mistakes_in_the_pictures_are_one_sentence(studio, tmp_path, content, out, words):
    photo = (studio / "photo.png").read_bytes()
    (tmp_path / "photo.png").write_bytes(photo)
    (tmp_path / "cut.png").write_bytes(photo[: len(photo) // 2])
    (tmp_path / "text.jpg").write_text("hello")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (12_000, 2)).save(tmp_path / "line.png")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=words):
        stylize(SMALL, tmp_path / content, [studio / "painting.png"], tmp_path / out)
    assert sorted(tmp_path.iterdir()) == before


def test_a_very_wide_picture_is_taken_smaller(capsys):
    assert workspace.working_size(np.zeros((8000, 12_000, 3), np.uint8), None) == (816, 1225)
    assert "12000x8000 is large: optimised at 1225x816" in capsys.readouterr().out
    assert workspace.working_size(np.zeros((300, 400, 3), np.uint8), 600) == (600, 800)
    with pytest.raises(UserError, match="give 16 or more"):
        workspace.working_size(np.zeros((300, 400, 3), np.uint8), 3)


def test_a_size_beyond_all_memory_is_said_at_once(studio, tmp_path):
    with pytest.raises(
        UserError, match=r"needs .* GB of memory and .* GB are free: `size=\d+` would fit"
    ):
        stylize(
            SMALL,
            studio / "photo.png",
            [studio / "painting.png"],
            tmp_path / "out.png",
            size=200_000,
        )


def test_a_masks_transparent_parts_have_no_style(tmp_path):
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[..., :3], mask[:2, :, 3] = 255, 255
    write(tmp_path / "mask.png", mask)
    np.testing.assert_allclose(
        transfer._mask(tmp_path / "mask.png", "mask.png")[:, 0, 0], [1, 1, 0, 0], atol=1e-6
    )


def test_styles_and_masks_must_be_as_many(studio, tmp_path):
    one = [studio / "painting.png"]
    with pytest.raises(UserError, match="2 style weights were given for 1"):
        stylize(SMALL, studio / "photo.png", one, tmp_path, style_weights=(1, 2))
    with pytest.raises(UserError, match="2 masks were given for 1"):
        stylize(SMALL, studio / "photo.png", one, tmp_path, masks=[studio / "left.png"] * 2)
    with pytest.raises(UserError, match="is a folder; give one picture"):
        stylize(SMALL, studio / "photo.png", [studio], tmp_path)
    with pytest.raises(UserError, match="Which style"):
        stylize(SMALL, studio / "photo.png", [], tmp_path)


# --------------------------------------------------------------------------------------- Deep Dream


def test_a_dream_makes_its_layer_more_active(studio, tmp_path, capsys):
    recipe = DeepDream(octaves=2, steps=6, jitter=2, layer="relu3_4")
    (out,) = dream(recipe, studio / "photo.png", tmp_path)
    assert out.name == "photo_dream.png"
    assert "VGG-16 has no relu3_4; relu3_3 stands in" in capsys.readouterr().out
    photo, result = read(studio / "photo.png"), read(out)
    assert result.shape == photo.shape
    activity = [_activity(picture) for picture in (photo, result)]
    assert activity[1] > 2 * activity[0]


def _activity(picture: np.ndarray) -> float:
    (found,) = VGG(16, ("relu3_3",)).apply(load_vgg()[1], jnp.asarray(picture[None])).values()
    return float(np.mean(np.square(found)))


def test_a_guide_and_one_channel_dream_differently(studio, tmp_path):
    recipe = DeepDream(octaves=1, steps=4, jitter=2, layer="relu2_2")
    results = []
    for name, change, guide in (
        ("all", {}, None),
        ("one", {"channel": 5}, None),
        ("guided", {}, studio / "stripes.png"),
    ):
        out = tmp_path / f"{name}.png"
        dream(dataclasses.replace(recipe, **change), studio / "photo.png", out, guide=guide)
        results.append(read(out))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(results[i] - results[j]).mean() > 0.005


@pytest.mark.parametrize(
    ("change", "guide", "words"),
    [
        ({"channel": 256, "layer": "relu3_3"}, None, "has 256 channels"),
        ({"layer": "relu7_1"}, None, "no layer 'relu7_1'"),
        ({"octaves": 0}, None, "1 or more"),
        ({"channel": -5}, None, "give one from 0"),
        ({"layer": "relu3_5"}, None, "did you mean relu3_3"),
        ({"channel": 3}, "photo.png", "A guide speaks to all channels"),
    ],
)
def test_mistakes_in_a_dream_are_one_sentence(studio, tmp_path, change, guide, words):
    with pytest.raises(UserError, match=words):
        dream(
            DeepDream(**change),
            studio / "photo.png",
            tmp_path / "x.png",
            guide=guide and studio / guide,
        )


# --------------------------------------------------------------------------------------- the script


def test_the_script_answers_a_mistake_with_a_sentence_and_2(studio, tmp_path):
    evil = tmp_path / "vgg16.pth"
    evil.write_bytes(b"cos\nsystem\n(S'touch harm'\ntR.")
    for arguments, words in (
        ((f"--content={studio / 'photo.png'}",), "Which style"),
        (
            (
                f"--content={studio / 'photo.png'}",
                f"--style={studio / 'painting.png'}",
                f"--config.weights={evil}",
            ),
            "os.system",
        ),
        ((f"--config={ROOT}/configs/quickstart.py",), "it is for train.py"),
        (
            (
                f"--config={ROOT}/configs/content_reconstruction.py",
                "--content=x.png",
                "--style=y.png",
            ),
            "takes no --style",
        ),
        (("--run=runs/x", "--input=y.png", "--label=1"), "--label goes with --count"),
        (
            ("--run=runs/x", "--count=2", "--direction=b2a"),
            "leave --input, --size, --direction and --test_mode out",
        ),
    ):
        done = answer(["stylize.py", *arguments, f"--out={tmp_path / 'out.png'}"])
        assert done.code == 2, done.said
        assert words in done.said
        assert "Traceback" not in done.said
    assert not (tmp_path / "out.png").exists()


def stopped(number: int, *arguments: str) -> tuple[str, str]:
    """What stylize.py says that is sent a signal once it is at work, and after its end; the exit
    code must be the signal's.
    """
    command = [sys.executable, "stylize.py", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"}, **pipes
    ) as process:
        said = ""
        assert process.stdout is not None
        while "s/step" not in said and (line := process.stdout.readline()):
            said += line
        process.send_signal(number)
        after = process.communicate(timeout=100)[0]
    assert process.returncode == 128 + number, said + after
    assert "Traceback" not in after
    return said, after


def test_a_stopped_transfer_writes_the_picture_so_far_and_goes_on_from_it(studio, tmp_path):
    pictures = (f"--content={studio / 'photo.png'}", f"--style={studio / 'painting.png'}")
    out = tmp_path / "out.png"
    _, said = stopped(
        signal.SIGTERM, *pictures, f"--out={out}", "--config.scales=0.5,1", "--config.steps=5,90000"
    )
    found = re.search(
        rf"{out} is the picture so far\. "
        r".*same command: --config.start=(\S+) --config.scales=1 (\S+) (\S+)",
        said,
    )
    assert found, said
    left = int(found[2].removeprefix("--config.steps="))
    assert 50_000 < left < 90_000
    assert found[1] == str(out)
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]  # and no preview
    assert read(out).shape == (48, 64, 3)
    assert np.abs(read(out) - read(studio / "photo.png")).mean() > 0.05
    on = dataclasses.replace(SMALL, start=str(out), steps=(2,))
    assert stylize(on, studio / "photo.png", [studio / "painting.png"], tmp_path / "out_2.png") == [
        tmp_path / "out_2.png"
    ]
    with pytest.raises(UserError, match="which would be overwritten"):
        stylize(on, studio / "photo.png", [studio / "painting.png"], out, overwrite=True)


@pytest.mark.slow  # test_workspace.py has it without a program
def test_a_stopped_dream_writes_the_picture_so_far(studio, tmp_path):
    out = tmp_path / "out.png"
    arguments = (
        "--config=configs/deepdream.py",
        "--config.steps=90000",
        f"--content={studio / 'photo.png'}",
        f"--out={out}",
    )
    _, said = stopped(signal.SIGHUP, *arguments, "--config.octaves=1")
    assert (
        f"{out} is the picture so far. To go on from it, add to the same command: --content={out} "
        "--config.octaves=1" in said
    )
    assert np.abs(read(out) - read(studio / "photo.png")).mean() > 0.01


@pytest.mark.slow  # test_workspace.py has it without a program
def test_a_stopped_film_keeps_what_is_done_and_goes_on(studio, tmp_path, capsys):
    frames, out = tmp_path / "frames", tmp_path / "out"
    frames.mkdir()
    for number in range(3):
        shutil.copy(studio / "photo.png", frames / f"{number}.png")
    stylize(SMALL, frames / "0.png", [studio / "painting.png"], out / "0.png")
    arguments = (
        f"--content={frames}",
        f"--style={studio / 'painting.png'}",
        f"--out={out}",
        "--config.scales=1",
    )
    said, after = stopped(signal.SIGINT, *arguments, "--config.steps=90000")
    assert f"1 of 3 results are in {out} already and stay" in said
    assert "1 of 3 are done; the same command goes on with the others." in after
    assert [p.name for p in out.iterdir()] == ["0.png"]
    capsys.readouterr()
    assert len(stylize(SMALL, frames, [studio / "painting.png"], out)) == 2
    said = capsys.readouterr().out
    assert said.count("Compiled") <= 1
    # the first of them began from the frame that another run had done
    assert "new scene" not in said
    assert np.abs(read(out / "1.png") - read(out / "0.png")).mean() < 0.1


@pytest.mark.slow
def test_the_samples_and_their_figures(tmp_path):
    """What a newcomer sees first: the style loss falls 15-fold, and the content is nearer than
    three quarters of the style.
    """
    done = answer(["stylize.py", f"--out={tmp_path}"])
    assert done.code == 0, done.said
    names = [tmp_path / f"sample_{name}.png" for name in ("result", "photograph", "painting")]
    fall, nearness = transfer_figures(*load_vgg(), *map(read, names))
    assert fall >= 15
    assert nearness < 0.75
    assert SAMPLE_SIZE >= 256
