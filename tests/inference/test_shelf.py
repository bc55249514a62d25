"""The finished networks: found by name, told about, and used without anything else."""

import dataclasses
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

import imgtrans_jax as it
from imgtrans_jax.commands import app, convert, networks, train, translate
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.loading import load
from imgtrans_jax.config.stored import to_json
from imgtrans_jax.data.datasets import OneDomain
from imgtrans_jax.inference import shelf
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.translator import Translation
from imgtrans_jax.io import images
from imgtrans_jax.methods.fast_style import FastStyle, Look
from imgtrans_jax.models.style_network import StyleNetwork
from imgtrans_jax.types import UserError

BEST_SIZES = {"sketch2color": 128, "color2sketch": 256, "painters": 1024}


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_is_loaded_without_what_training_needs():
    code = "import sys, imgtrans_jax as it; it.load('painters'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.split(".")[0] for name in done.stdout.split()}
    assert "flax" in imported
    assert imported.isdisjoint({"grain", "orbax", "tensorflow", "tensorstore"})


@pytest.mark.parametrize("name", shelf.names())
def test_each_is_whole(name):
    card = shelf.card(name)
    told = dataclasses.asdict(card)
    assert all(len(told[field]) > 10 for field in ("makes", "use", "trained", "data", "scores"))
    assert card.sample in ("photograph", "drawing", "colored drawing")
    picture = images.read_picture(shelf.FOLDER / f"{name}.jpg")
    assert min(picture.shape[:2]) >= 100
    loaded = load_generator(name)
    assert loaded.best_size == BEST_SIZES.get(name)
    # the config of its name makes the same network
    config = load(name, Experiment)
    assert (
        to_json(config.recipe.generator)["type"]
        == to_json(loaded.experiment.recipe.generator)["type"]
    )


def test_all_are_small():
    files = [path for path in shelf.FOLDER.iterdir() if path.suffix != ".py"]
    assert sum(path.stat().st_size for path in files) < 8e6


def test_they_are_listed_and_told_about(capsys):
    assert app.run(networks, []) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in shelf.names())
    assert app.run(networks, ["painters"]) == 0
    said = capsys.readouterr().out
    assert "Licence:" in said
    assert "painters.safetensors" in said
    assert app.run(networks, ["paintres"]) == 2
    assert "There is no network paintres; there are" in capsys.readouterr().err


def test_what_is_here_comes_before_what_comes_along(empty, capsys):
    assert shelf.found("painters") == shelf.FOLDER / "painters.safetensors"
    (empty / "painters").mkdir()  # a folder of paintings is no network
    assert shelf.found("painters") == shelf.FOLDER / "painters.safetensors"
    assert not capsys.readouterr().out
    (empty / "painters" / "checkpoints").mkdir()
    assert shelf.found("painters").resolve() == (empty / "painters").resolve()
    assert "the one in this folder" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"no paintres; give .* come along: .*painters"):
        shelf.found("paintres")


def test_without_a_picture_a_sample_is_shown(empty, capsys):
    assert app.run(translate, ["sketch2color", "--size=64"]) == 0
    drawing = images.read_picture(empty / "out" / "sample_drawing.png")
    colored = images.read_picture(empty / "out" / "sample_sketch2color.png")
    assert colored.shape == drawing.shape
    assert np.ptp(colored.astype(int), axis=2).max() > 60
    # lines stay where they were drawn, whatever the size that the network works at
    assert (colored[drawing[..., 0] == 0] == 0).all()
    assert "a sample drawing" in capsys.readouterr().out
    assert app.run(translate, ["painters.safetensors"]) == 2
    assert app.run(translate, ["sketch2color", "--size=64"]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_all_looks_on_a_sheet(empty, capsys):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)).save("a.png")
    assert app.run(translate, ["painters", "a.png", "--look=all"]) == 0
    sheet = images.read_picture(empty / "out" / "a_looks.png")
    looks = len(load_generator("painters").experiment.recipe.looks)
    assert sheet.shape[0] > 40 * np.ceil(looks / 4)
    assert sheet.shape[1] > 4 * 50
    one = it.load("painters", look="chalk")("a.png")
    assert one.size == (50, 40)
    for wrong, words in (
        (["sketch2color", "a.png", "--look=all"], "has no looks"),
        (["painters", ".", "--look=all"], "a sheet of one picture"),
        (["painters", "a.png", "--look=all"], "--overwrite"),
    ):
        assert app.run(translate, wrong) == 2
        assert words in capsys.readouterr().err


def test_a_photographed_drawing_is_cleaned_and_large_ones_are_worked_small(empty, capsys):
    paper = np.full((400, 390, 3), (200, 190, 170), np.uint8)
    paper[100:300, 100:104] = paper[100:300, 280:284] = 60
    Image.fromarray(paper).save("photo.png")
    assert app.run(translate, ["sketch2color", "photo.png", "--out=a.png"]) == 0
    said = capsys.readouterr().out
    assert "Paper that is not white is made so" in said
    assert "Working at 128 pixels" in said
    assert "trained at" not in said
    cleaned = images.read_picture(empty / "a.png")
    assert (cleaned[:, :60] > 200).mean() > 0.9
    raw = ["--paper=off", "--lines=off", "--size=64"]
    assert app.run(translate, ["sketch2color", "photo.png", "--out=b.png", *raw]) == 0
    assert "Paper" not in capsys.readouterr().out
    copy = ["sketch2color", "copy.safetensors", "--precision=int8"]
    assert app.run(convert, copy) == 0
    for source in ("sketch2color", "copy.safetensors"):
        np.testing.assert_array_equal(np.asarray(it.load(source)("photo.png")), cleaned)
    with pytest.raises(UserError, match="`lines` is 'maybe'; it must be keep or off"):
        it.load("sketch2color", lines="maybe")  # type: ignore[arg-type]


def test_a_drawing_without_a_background_gets_white(empty):
    drawing = np.zeros((128, 128, 4), np.uint8)
    drawing[30:100, 30:34, 3] = drawing[30:100, 96:100, 3] = 255
    drawing[30:34, 30:100, 3] = drawing[96:100, 30:100, 3] = 255
    Image.fromarray(drawing).save("ink.png")
    assert app.run(translate, ["sketch2color", "ink.png", "--out=a.png"]) == 0
    assert images.read_alpha(empty / "a.png") is None
    assert app.run(translate, ["sketch2color", "ink.png", "--out=b.png", "--alpha=keep"]) == 0
    assert images.read_alpha(empty / "b.png") is not None


@pytest.mark.parametrize(
    ("look", "words"),
    [("", "--look is empty"), ("wave:", "is no number"), ("wav", "no look 'wav'")],
)
def test_a_look_that_is_none_is_refused(empty, capsys, look, words):
    Image.fromarray(np.full((32, 32, 3), 200, np.uint8)).save("a.png")
    assert app.run(translate, ["painters", "a.png", f"--look={look}"]) == 2
    assert words in capsys.readouterr().err


def test_register_and_grain_are_the_same_in_tiles():
    network = StyleNetwork(2, 1, 2, register=0.125, grain=0.1)
    recipe = FastStyle((Look("a"), Look("b")), network, look="b")
    x = np.random.default_rng(0).uniform(-1, 1, (1, 96, 64, 3)).astype(np.float32)
    init = jax.jit(recipe.game().generator.init, static_argnums=2)
    params = init({"params": jax.random.key(0), "latent": jax.random.key(1)}, {"a": x}, False)
    loaded = TrainedGenerator(Experiment(OneDomain(), recipe), params["params"], {}, {})
    translation = Translation(loaded)
    whole, tiled = np.asarray(translation(x)), translation.in_tiles(x, 48)
    assert whole.shape == tiled.shape == x.shape
    np.testing.assert_allclose(tiled, whole, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", shelf.names())
def test_each_goes_on_by_the_command_that_trained_it(name, empty):
    shorter = ["--steps=2", "--config.batch_size=2", "--config.samples=2"]
    smaller = ["--config.data.cut.load_size=143", "--config.data.cut.crop_size=128"]
    command = [name, "--workdir=run", f"--config.init_from={name}", *shorter, *smaller]
    assert app.run(train, command) == 0
    before, after = load_generator(name), load_generator("run")
    assert before.params.keys() == after.params.keys()
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save("a.png")
    assert app.run(translate, ["run", "a.png", "--out=b.png"]) == 0
