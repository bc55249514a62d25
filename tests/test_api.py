"""The door for Python: pictures in, pictures of their kind out."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import imgtrans_jax as it
from imgtrans_jax.commands import app, translate
from imgtrans_jax.data import Preprocess, SelfPaired, Unpaired
from imgtrans_jax.data.derived import Downscale, Inpaint, Lab
from imgtrans_jax.methods import SRGAN, CycleGAN, Pix2Pix
from imgtrans_jax.models import PatchGAN, ResNetGenerator, SRResNet, UNet
from imgtrans_jax.style import DeepDream, Gatys

CRITIC = PatchGAN(width=2, layers=1, norm="batch")
TINY = Gatys(scales=(1.0,), steps=(2,))


def drawn(shape, dtype=np.uint8):
    values = np.random.default_rng(0).uniform(size=shape)
    return np.rint(values * 255).astype(np.uint8) if dtype == np.uint8 else values.astype(dtype)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small CycleGAN that was trained for a step."""
    folder = tmp_path_factory.mktemp("run")
    for side in "ab":
        (folder / side).mkdir()
        for number in range(2):
            Image.fromarray(drawn((16, 16, 3)) // (number + 1)).save(
                folder / side / f"{number}.png"
            )
    data = Unpaired(str(folder / "a"), str(folder / "b"), Preprocess(16, 16))
    generator, critic = ResNetGenerator(width=2, blocks=1), PatchGAN(width=2, layers=1)
    # without cycles, which would be most of what is compiled
    recipe = CycleGAN(generator, critic, cycle=0.0, identity=0.0, pool_size=0)
    it.train(it.Experiment(data, recipe, samples=1), folder / "run", steps=1)
    return folder / "run"


def test_a_direction_that_is_none_is_answered_with_those_that_are(run):
    words = "knows a2b and b2a, and no direction x; give one of them"
    with pytest.raises(it.UserError, match=words):
        it.load(run, direction="x")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def colorize(run):
    """Its generator; each size is compiled once for all tests."""
    return it.load(run)


KINDS = {
    "uint8": lambda x: x,
    "float32": lambda x: (x / 255).astype(np.float32),
    "float64": lambda x: x / 255,
    "float16": lambda x: (x / 255).astype(np.float16),
    "uint16": lambda x: x.astype(np.uint16) * 257,
    "jax": lambda x: jnp.asarray(x),
    "bfloat16": lambda x: jnp.asarray(x / 255, jnp.bfloat16),
    "Pillow": Image.fromarray,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(17, 23, 3), (40, 24, 3), (17, 23)])
def test_a_picture_comes_back_in_its_kind(colorize, kind, shape):
    given = KINDS[kind](drawn(shape))
    made = colorize(given)
    if isinstance(given, Image.Image):
        assert isinstance(made, Image.Image)
        assert (made.size, made.mode) == (given.size, "RGB")
    else:
        assert made.dtype == given.dtype
        assert made.shape == (*shape[:2], 3)
        assert isinstance(made, jax.Array) == isinstance(given, jax.Array)
    plain = colorize(drawn(shape)).astype(float) / 255
    found = np.asarray(made).astype(float)
    found = found / {"uint8": 255, "uint16": 65535}.get(str(np.asarray(made).dtype), 1)
    assert np.abs(found - plain).max() < (0.02 if "16" in kind else 0.005)


def test_a_batch_is_its_pictures_one_by_one(colorize):
    batch = drawn((3, 18, 20, 3))
    made = colorize(batch)
    assert made.shape == batch.shape
    for one, wanted in zip(made, batch, strict=True):
        assert np.abs(one.astype(int) - colorize(wanted)).max() <= 1


def test_it_is_what_the_command_writes(run, tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(drawn((30, 21, 3))).save(path)
    out = tmp_path / "made.png"
    assert app.run(translate, [str(run), str(path), f"--out={out}", "--direction=b2a"]) == 0
    made = it.load(run, direction="b2a")(path)
    assert isinstance(made, Image.Image)
    assert np.array_equal(np.asarray(made), np.asarray(Image.open(out)))


@pytest.mark.parametrize(
    ("recipe", "by", "shape", "wanted"),
    [
        pytest.param(
            *(SRGAN(SRResNet(width=2, blocks=1)), Downscale(), (9, 11, 3), (36, 44, 3)),
            id="enlarged",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *(Pix2Pix(UNet(width=2, levels=2, channels=2), CRITIC), Lab(), (9, 11, 3), (9, 11, 3)),
            id="lightness to color",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *(Pix2Pix(UNet(width=2, levels=2), CRITIC), Inpaint(), (9, 11, 4), (9, 11, 3)),
            id="holes",
        ),
    ],
)
def test_what_a_network_takes_and_gives(recipe, by, shape, wanted, tmp_path, pictures):
    data = SelfPaired(str(pictures / "trainA"), by, Preprocess(16, 16))
    it.train(it.Experiment(data, recipe, samples=1), tmp_path / "run", steps=1)
    assert it.load(tmp_path / "run")(drawn(shape)).shape == wanted


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("nowhere.png", "nowhere.png"),
        (3, "A int is no picture"),
        (np.full((8, 8, 3), 2.0), "from 2 to 2"),
        (np.zeros((8, 8, 5), np.uint8), r"\(height, width, 3\) is needed"),
        (np.zeros((8,), np.uint8), "is needed"),
        (np.zeros((8, 8, 3), np.int64), "int64"),
        (np.zeros((8, 8, 3), bool), "bool"),
        (np.zeros((8, 8, 3), complex), "complex128"),
        (np.zeros((0, 8, 3), np.uint8), "is needed"),
        (Image.new("RGB", (0, 5)), "has no pixels"),
        (Image.new("La", (8, 8)), "damaged"),
    ],
)
def test_what_is_no_picture(colorize, picture, words):
    with pytest.raises(it.UserError, match=words):
        colorize(picture)


def test_a_photograph_after_a_painting(tmp_path):
    content, style = drawn((40, 50, 3)), drawn((48, 48, 3), np.float32)
    path = tmp_path / "content.png"
    Image.fromarray(content).save(path)
    of_path = it.transfer(path, [style, Image.fromarray(content)], TINY, style_weights=(2, 1))
    assert isinstance(of_path, Image.Image)
    assert of_path.size == (50, 40)
    batch = it.transfer(np.stack([content, content]) / 255, style, TINY)
    assert (batch.shape, batch.dtype) == ((2, 40, 50, 3), np.float64)
    assert np.abs(batch[0] - content / 255).max() > 0.01


def test_a_dream():
    recipe = DeepDream(octaves=1, steps=3)
    content = drawn((40, 50, 3))
    made = it.dream(content, recipe)
    assert made.shape == content.shape
    assert not np.array_equal(made, content)
    assert it.dream(content, recipe, guide=drawn((48, 48, 3))).shape == content.shape


def test_scores(run, tmp_path):
    records = it.evaluate(run, metrics=("cycle",))
    assert [record["what"] for record in records] == ["a2b", "b2a"]
    assert all(0 < record["scores"]["cycle"] < 2 for record in records)
    Image.fromarray(drawn((16, 16, 3))).save(tmp_path / "0.png")
    (record,) = it.evaluate(tmp_path, tmp_path, metrics=("ssim",))
    assert record["scores"]["ssim"] == pytest.approx(1)


def test_importing_it_imports_nothing_that_takes_time():
    code = "import imgtrans_jax, sys; sys.exit(bool({'jax', 'numpy'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_all_that_is_named_is_there():
    for name in it.__all__:
        assert getattr(it, name) is not None
    assert {*it.__all__} <= {*dir(it)}
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = it.nothing  # pyright: ignore
    assert it.losses.l1(jnp.ones((1, 2, 2, 1)), jnp.zeros((1, 2, 2, 1))) == 1
    assert it.models.UNet().levels == 8


@pytest.mark.parametrize(("size", "tile"), [(-3, None), (0, None), ("16", None), (None, 1)])
def test_sizes_that_are_none(run, size, tile):
    with pytest.raises(it.UserError, match="pixels"):
        it.load(run, size=size, tile=tile)


def test_a_cut_off_picture_gets_a_sentence(colorize, tmp_path):
    Image.fromarray(drawn((30, 21, 3))).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])
    with Image.open(tmp_path / "cut.png") as image, pytest.raises(it.UserError, match=r"cut\.png"):
        colorize(image)


@pytest.mark.parametrize("dtype", [np.float32, np.uint16, ">u2"])
def test_channels_are_made_of_others_as_of_8_bits(colorize, dtype):
    for shape in ((9, 11, 4), (9, 11, 1), (2, 9, 11, 1)):
        bytes_of_it = drawn(shape)
        wide = bytes_of_it / 255 if dtype is np.float32 else bytes_of_it * np.uint16(257)
        made = np.asarray(colorize(wide.astype(dtype)), float) / (1 if dtype is np.float32 else 257)
        made = made * 255 if dtype is np.float32 else made
        assert np.abs(made - colorize(bytes_of_it)).max() < 2.5


def test_it_says_what_it_is(colorize):
    assert repr(colorize) == "<ResNetGenerator of CycleGAN, a2b>"
