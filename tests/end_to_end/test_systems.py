"""pix2pix, GAN and super-resolution as a user meets them: trained, shown on the page, used; and a
method of one's own.
"""

import dataclasses
import shutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from PIL import Image

from imgtrans_jax.commands import app, convert, evaluate, generate
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Captioned, Labelled, OneDomain, SelfPaired, Unpaired
from imgtrans_jax.data.derived import Derivation, Downscale, Inpaint, Lab
from imgtrans_jax.engine.game import Game
from imgtrans_jax.evaluation.evaluator import GeneratorEvaluator
from imgtrans_jax.evaluation.metric_suite import EvaluationSpec
from imgtrans_jax.export.network import exported
from imgtrans_jax.inference import sample
from imgtrans_jax.inference.generator_file import save_generator
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.translate import translate
from imgtrans_jax.inference.translator import Translation
from imgtrans_jax.io.images import list_pictures, read_picture, resize
from imgtrans_jax.losses.adversarial import wgan
from imgtrans_jax.losses.pixel import l1
from imgtrans_jax.methods.base import Recipe
from imgtrans_jax.methods.cogan import CoGAN
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.fast_style import FastStyle, Look
from imgtrans_jax.methods.gan import GAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.methods.srgan import SRGAN
from imgtrans_jax.methods.stackgan import StackGAN
from imgtrans_jax.models.dcgan import (
    CoupledCritic,
    CoupledGenerator,
    DCGANCritic,
    DCGANGenerator,
)
from imgtrans_jax.models.layers import Conv, Normal
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.srgan import SRGANCritic, SRResNet
from imgtrans_jax.models.stackgan import Conditioning, Refiner, TextCritic
from imgtrans_jax.models.style_network import StyleNetwork
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, Constant
from imgtrans_jax.report.run_page import read_metrics
from imgtrans_jax.training import loop
from imgtrans_jax.types import UserError

CUT = Preprocess(20, 16)
PIX2PIX = Pix2Pix(UNet(width=2, levels=3, norm="instance"), PatchGAN(width=2, layers=1))
SHORT = {"optimizer": Adam(Constant(1e-3)), "batch_size": 2, "samples": 2, "steps": 2}


def size(path) -> tuple[int, int]:
    height, width = read_picture(path).shape[:2]
    return width, height


def page(run) -> str:
    return (run / "index.html").read_text()


# --------------------------------------------------------- a method of one's own, in under 40 lines


class Recolourer(nn.Module):
    """One 1x1 convolution."""

    @nn.compact
    def __call__(self, batch, train):
        return {"fake_b": batch["a"] + Conv(3, 1)(batch["a"])}


@dataclasses.dataclass(frozen=True)
class Recolour(Recipe):
    """Without a critic: the mean colour of b, and nearness to a."""

    generator: nn.Module = Recolourer()
    extra: tuple = ()

    def game(self):
        def objective(batch, samples, logits, frozen):
            colors = [x.mean((0, 1, 2)) for x in (samples["fake_b"], batch["b"])]
            return {
                "colour": 10 * jnp.sum((colors[0] - colors[1]) ** 2),
                "near": l1(samples["fake_b"], batch["a"]),
            }

        nothing = {
            "fakes": lambda batch, samples: {},
            "reals": lambda batch: {},
            "d_objective": lambda real, fake: {},
        }
        return Game(self.generator.clone(), None, g_objective=objective, **nothing)

    def samples(self, params, stats, batch) -> Any:
        return self.generator.apply({"params": params}, batch, False)

    def sheets(self, batch, samples, classes):
        return {"recoloured": {"before": batch["a"], "after": samples["fake_b"]}}


def test_a_method_of_ones_own_is_trained_shown_and_stored(pictures, tmp_path):
    experiment = Experiment(
        Unpaired(str(pictures), str(pictures), CUT),
        Recolour(),
        **SHORT | {"steps": 30, "log_every": 1},
    )
    loop.train(experiment, tmp_path / "run")
    rows = read_metrics(tmp_path / "run")
    assert rows[-1]["colour"] < rows[0]["colour"]
    assert {"colour", "near", "norm/g_grad"} <= set(rows[-1])
    assert not [name for name in rows[-1] if name.startswith("d_")]
    assert "Recoloured" in page(tmp_path / "run")
    assert "before, after" in page(tmp_path / "run")


# ------------------------------------------------------------------ pairs


@pytest.mark.parametrize(
    ("by", "output"), [(Lab(), 2), pytest.param(Inpaint(), 3, marks=pytest.mark.slow)]
)
def test_pix2pix_on_pairs_made_of_plain_pictures(by: Derivation, output, pictures, tmp_path):
    recipe = dataclasses.replace(PIX2PIX, generator=PIX2PIX.generator.clone(channels=output))
    run = tmp_path / "run"
    loop.train(Experiment(SelfPaired(str(pictures), by, CUT), recipe, **SHORT), run)
    assert read_picture(run / "samples" / "0000002_pairs.png").shape == (2 * 16 + 2, 3 * 16 + 4, 3)
    assert "input, output, truth" in page(run)
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (21, 37, 4), dtype=np.uint8)).save(inputs / "rgba.png")
    Image.fromarray(rng.integers(0, 256, (16, 20), dtype=np.uint8)).save(inputs / "grey.png")
    written = translate(run, inputs, tmp_path / "out", size=None)
    assert {p.name: size(p) for p in written} == {"rgba.png": (37, 21), "grey.png": (20, 16)}
    if isinstance(by, Lab):  # lightness is the input's
        before, after = (
            read_picture(f, 1).astype(float) for f in (inputs / "grey.png", written[0])
        )
        assert np.abs(before - after).mean() < 12
    with pytest.raises(UserError, match="knows a2b, and no direction b2a; leave `direction` out"):
        translate(run, inputs, tmp_path / "out", direction="b2a")
    with pytest.raises(UserError, match="imgtrans translate RUN PICTURE does"):
        sample.generate(run, tmp_path / "out", 2)
    noisy = translate(run, inputs / "grey.png", tmp_path / "eval.png", test_mode="eval")
    assert noisy == [tmp_path / "eval.png"]


def test_a_u_net_that_knows_one_size_is_given_it(pictures, tmp_path, capsys):
    recipe = dataclasses.replace(PIX2PIX, generator=PIX2PIX.generator.clone(levels=4))
    loop.train(
        Experiment(SelfPaired(str(pictures), Inpaint(), CUT), recipe, **SHORT), tmp_path / "run"
    )
    translate(tmp_path / "run", pictures / "testA" / "0.png", tmp_path / "out.png")
    assert "Working at 16 pixels" in capsys.readouterr().out
    assert size(tmp_path / "out.png") == (24, 20)


# ------------------------------------------------------------------ super-resolution


@pytest.mark.slow
def test_super_resolution_starts_from_another_run_and_enlarges_anything(pictures, tmp_path):
    data = SelfPaired(str(pictures), Downscale(4), CUT)
    first = SRGAN(SRResNet(width=2, blocks=1, norm="none", skip=True))
    one = loop.train(Experiment(data, first, **SHORT), tmp_path / "srresnet")
    second = dataclasses.replace(
        first, critic=SRGANCritic(width=1, units=2), adversarial=1e-3, ema=0.9
    )
    started = Experiment(
        data,
        second,
        **SHORT | {"optimizer": Adam(Constant(0.0)), "init_from": str(tmp_path / "srresnet")},
    )
    two = loop.train(started, tmp_path / "srgan")
    for x, y, z in zip(
        *(jax.tree.leaves(t) for t in (one.g.params, two.g.params, two.generators.params)),
        strict=True,
    ):
        np.testing.assert_array_equal(x, y)
        np.testing.assert_allclose(x, z, atol=1e-6)
    assert "bicubic, output, truth" in page(tmp_path / "srgan")
    (written,) = translate(tmp_path / "srgan", pictures / "testA" / "0.png", tmp_path / "large.png")
    assert size(written) == (4 * 24, 4 * 20)
    whole = resize(read_picture(pictures / "testA" / "0.png"), 80, 96).astype(float)
    assert np.abs(whole - read_picture(written)).mean() < 4  # a new network is nearly the filter
    other = dataclasses.replace(
        second, generator=SRResNet(width=3, blocks=1, norm="none", skip=True)
    )
    with pytest.raises(UserError, match=r"init_from\) has another generator"):
        loop.train(dataclasses.replace(started, recipe=other), tmp_path / "third")
    with pytest.raises(UserError, match=r"There is no .*nowhere"):
        loop.train(
            dataclasses.replace(started, init_from=str(tmp_path / "nowhere")), tmp_path / "third"
        )


# ------------------------------------------------------------------ pictures from nothing


@pytest.fixture(scope="module")
def gan_run(tmp_path_factory):
    """A conditional WGAN-GP of seconds, with batch statistics and smoothed parameters."""
    run = tmp_path_factory.mktemp("gan") / "run"
    recipe = GAN(
        DCGANGenerator(size=8, width=2, channels=1),
        DCGANCritic(width=2, norm="none"),
        wgan,
        latent=4,
        conditional=True,
        critic_steps=2,
        penalty=10.0,
        ema=0.5,
    )
    state = loop.train(
        Experiment(Labelled(cut=Preprocess(8, 8, flip=False)), recipe, **SHORT | {"samples": 8}),
        run,
    )
    assert state.g.stats
    return run


def test_a_gan_makes_pictures_of_a_class(gan_run, tmp_path):
    row = read_metrics(gan_run)[-1]
    assert {"gan", "d_real", "d_fake", "d_penalty"} <= set(row)
    for name in ("Samples", "Interpolation", "Classes", "Real pictures", "z 1, z 2", "0, 1, 2, 3"):
        assert name in page(gan_run)
    written = sample.generate(gan_run, tmp_path / "made", 5, label=3, seed=1)
    assert [p.name for p in written] == ["sheet.png", "0.png", "1.png", "2.png", "3.png", "4.png"]
    assert size(written[1]) == (8, 8)
    assert list_pictures(tmp_path / "made") == written[1:]  # what evaluate and study read
    renamed = written[0].rename(tmp_path / "made" / "other.png")
    assert renamed in list_pictures(tmp_path / "made")
    shutil.copy(written[1], written[0])  # somebody's own picture of that name
    assert written[0] in list_pictures(tmp_path / "made")
    loaded = load_generator(gan_run)
    many = sample.sampled(loaded, 70)
    assert many.shape == (70, 8, 8, 1)
    np.testing.assert_array_equal(many[:64], sample.sampled(loaded, 64))
    assert np.abs(sample.sampled(loaded, 4, label=1) - sample.sampled(loaded, 4, label=2)).max() > 0
    for wrong, words in (
        ({"count": 0}, "`count=0` pictures are none"),
        ({"count": 1, "label": 10}, "has 0 to 9"),
        ({"count": 1, "text": "red ball"}, "reads no texts; leave `text` out"),
    ):
        with pytest.raises(UserError, match=words):
            sample.generate(gan_run, tmp_path / "made", **wrong, overwrite=True)
    with pytest.raises(UserError, match=r"sheet\.png is there already; add `overwrite`"):
        sample.generate(gan_run, tmp_path / "made", 2)
    with pytest.raises(UserError, match="give a folder, `out="):
        sample.generate(gan_run, tmp_path / "made.png", 2)
    with pytest.raises(UserError, match="imgtrans generate RUN does that"):
        translate(gan_run, gan_run / "samples", tmp_path / "made")


@pytest.fixture(scope="module")
def text_run(tmp_path_factory):
    """A StackGAN of two steps, of four pictures whose names are their captions."""
    folder = tmp_path_factory.mktemp("text")
    pictures = folder / "pictures"
    pictures.mkdir()
    for name in ("red ball", "blue ball", "red box", "blue box"):
        Image.new("RGB", (16, 16), name.split()[0]).save(pictures / f"{name}.png")
    recipe = StackGAN(
        DCGANGenerator(size=8, width=2, norm="none", kernel_init=Normal(0.5)),
        Refiner(width=2, blocks=1, norm="none", kernel_init=Normal(0.5)),
        Conditioning(length=3, width=4),
        TextCritic(width=2, length=3),
        latent=3,
        texts=("red ball", "blue box"),
        ema=0.5,
    )
    data = Captioned(str(pictures), Preprocess(16, 16))
    loop.train(Experiment(data, recipe, **SHORT | {"batch_size": 4}), folder / "run")
    return folder / "run"


def test_a_text_becomes_pictures(text_run, tmp_path, capsys):
    row = read_metrics(text_run)[-1]
    assert {"gan_small", "gan_large", "divergence", "d_large_wrong"} <= set(row)
    for name in ("Small", "Large", "red ball, blue box"):
        assert name in page(text_run)
    written = sample.generate(text_run, tmp_path / "made", 3, text="Red ball of string")
    assert [p.name for p in written] == ["sheet.png", "0.png", "1.png", "2.png"]
    assert size(written[1]) == (16, 16)
    assert "Left out, for this run never met them: string." in capsys.readouterr().out
    loaded = load_generator(text_run)
    red, blue = (sample.sampled(loaded, 2, text=text) for text in ("red ball", "blue box"))
    assert np.abs(red - blue).max() > 0
    np.testing.assert_array_equal(red, sample.sampled(loaded, 2, text="Ball, RED"))
    for wrong, words in (
        ({}, "give `text`, in words of the captions"),
        ({"text": 5}, "it must be a text"),
        ({"text": "zebra"}, "knows no word of 'zebra'"),
        ({"text": "red", "label": 1}, "knows no classes"),
    ):
        with pytest.raises(UserError, match=words):
            sample.generate(text_run, tmp_path / "other", 1, **wrong)
    assert app.run(generate, [str(text_run), "--text=red", f"--out={tmp_path / 'red'}"]) == 0
    assert len(list_pictures(tmp_path / "red")) == 16
    request = EvaluationSpec(metrics=("kid",))
    opened = loaded.experiment.data.open()
    (record,) = GeneratorEvaluator(loaded, opened, request)(loaded, 2, "")
    assert record["counts"] == {"fakes": 4, "reals": 4}
    with pytest.raises(UserError, match="StackGAN run is more than one network"):
        exported(loaded)


@pytest.mark.parametrize(
    ("recipe", "data", "words"),
    [
        (CoGAN(), OneDomain(), r"\(CoGAN\) learns from a and b, .* take Unpaired or Paired"),
        (CoGAN(), Labelled(), r"\(CoGAN\) learns from a and b"),
        (StackGAN(), Labelled(), r"\(StackGAN\) learns from pictures with texts, .*Captioned"),
        (StackGAN(), Unpaired(), "pictures with texts"),
        (CycleGAN(), Captioned(), r"\(CycleGAN\) learns from a and b"),
        (GAN(), OneDomain(), r"\(GAN\) learns from x and y, .* take Labelled"),
        (GAN(conditional=True), Captioned(), "needs classes"),
    ],
)
def test_data_that_a_method_cannot_learn_from_is_refused(recipe, data, words, tmp_path):
    cut = {"cut": Preprocess(16, 16)}
    experiment = Experiment(dataclasses.replace(data, **cut), recipe, **SHORT)
    with pytest.raises(UserError, match=words):
        loop.train(experiment, tmp_path / "run")


def test_a_cogan_makes_pairs_and_translates_pictures_of_any_size(pictures, tmp_path):
    recipe = CoGAN(
        CoupledGenerator(size=16, width=2), CoupledCritic(width=2), latent=3, search_steps=2
    )
    data = Unpaired(str(pictures), str(pictures), CUT)
    run = tmp_path / "run"
    loop.train(Experiment(data, recipe, **SHORT), run)
    assert "Pairs" in page(run)
    written = sample.generate(run, tmp_path / "pairs", 2)
    assert size(written[1]) == (32, 16)
    (made,) = translate(run, pictures / "testA" / "0.png", tmp_path / "b.png", direction="b2a")
    assert size(made) == (24, 20)
    loaded = load_generator(run)
    b2a = Translation(loaded, "b2a")
    x = np.random.default_rng(0).uniform(-1, 1, (1, 9, 7, 3)).astype(np.float32)
    wanted = recipe.translate(loaded.params, loaded.stats, jnp.asarray(x), "b2a")
    np.testing.assert_allclose(b2a.padded(x), wanted, atol=1e-5)  # as it is, not mirrored outwards
    assert b2a.tile_for(5000, 5000, 3) is None
    with pytest.raises(UserError, match="size of its own, not in tiles"):
        b2a.padded(x, tile=16)
    with pytest.raises(UserError, match="CoGAN run is more than one network"):
        exported(load_generator(run))


def test_what_does_not_go_together_gets_a_sentence(pictures, tmp_path, capsys, monkeypatch):
    digits = GAN(
        DCGANGenerator(size=8, width=2, channels=1),
        DCGANCritic(width=2, norm="none"),
        conditional=True,
    )
    real = Labelled(cut=Preprocess(8, 8, flip=False))
    for data, recipe, words in (
        (dataclasses.replace(real, pictures=str(pictures / "trainA")), digits, "needs classes"),
        (
            real,
            dataclasses.replace(digits, generator=digits.generator.clone(size=16)),
            "16x16x1 of the generator and 8x8x1",
        ),
        (dataclasses.replace(real, channels=3), digits, "8x8x1 of the generator and 8x8x3"),
    ):
        with pytest.raises(UserError, match=words):
            loop.train(Experiment(data, recipe, **SHORT), tmp_path / "run")
    few = Experiment(
        Unpaired(str(pictures), str(pictures), CUT), Recolour(), **SHORT | {"batch_size": 8}
    )
    monkeypatch.setattr("imgtrans_jax.runtime.memory.free", lambda: 1000)
    with pytest.raises(
        UserError, match=r"A step needs .* of memory, .* and 0\.0 MB are free: a smaller batch"
    ):
        loop.train(few, tmp_path / "few")
    said = capsys.readouterr().out
    assert "2 steps are few" in said
    assert "A batch of 8 is more than the 6 pictures" in said


def test_the_generator_alone_is_saved_and_loaded(gan_run, tmp_path, capsys):
    file = tmp_path / "digits.safetensors"
    assert app.run(convert, [str(gan_run), str(file)]) == 0
    whole, alone = load_generator(gan_run), load_generator(file)
    assert alone.experiment == whole.experiment
    np.testing.assert_allclose(sample.sampled(alone, 8), sample.sampled(whole, 8), atol=1e-6)
    save_generator(alone, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").stat().st_size == file.stat().st_size
    assert app.run(convert, [str(gan_run)]) == 2
    assert "Two names are needed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("precision", "share", "near"), [("float16", 0.5, 0.02), ("int8", 0.26, 0.1)]
)
def test_a_smaller_file_makes_nearly_the_same(gan_run, tmp_path, capsys, precision, share, near):
    file, small = tmp_path / "digits.safetensors", tmp_path / "small.safetensors"
    assert app.run(convert, [str(gan_run), str(file)]) == 0
    assert app.run(convert, [str(file), str(small), f"--precision={precision}"]) == 0
    whole, rounded = load_generator(file), load_generator(small)
    weights = sum(x.nbytes for x in jax.tree.leaves((whole.params, whole.stats)))
    overhead = file.stat().st_size - weights
    assert small.stat().st_size < share * weights + 1.5 * overhead
    assert {x.dtype for x in jax.tree.leaves(rounded.params)} == {np.dtype(np.float32)}
    whole, rounded = (sample.sampled(one, 8) for one in (whole, rounded))
    np.testing.assert_allclose(rounded, whole, atol=near)
    assert not np.array_equal(rounded, whole)
    # what it was rounded to once stays
    assert app.run(convert, [str(small), str(tmp_path / "wide.safetensors")]) == 0
    again = load_generator(tmp_path / "wide.safetensors")
    jax.tree.map(np.testing.assert_array_equal, again.params, load_generator(small).params)


def test_a_precision_that_cannot_be_is_refused(gan_run, tmp_path, capsys):
    file, small = tmp_path / "digits.safetensors", tmp_path / "small.safetensors"
    assert app.run(convert, [str(gan_run), str(file)]) == 0
    assert app.run(convert, [str(file), str(tmp_path / "half.pth"), "--precision=float16"]) == 2
    assert "--precision is for a .safetensors file" in capsys.readouterr().err
    large = jax.tree.map(lambda x: 1e6 * x, load_generator(file).params)
    with pytest.raises(UserError, match="too large for float16"):
        save_generator(dataclasses.replace(load_generator(file), params=large), small, "float16")


def test_files_that_are_no_generator_are_refused(gan_run, tmp_path):
    file, bad = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    save_generator(load_generator(gan_run), file)
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[-9] ^= 1
    for broken, words in (
        (bytes(flipped), "not those that were saved"),
        (content[:200], "damaged or cut off"),
        (b"not a file of tensors", "is no file of weights"),
    ):
        bad.write_bytes(broken)
        with pytest.raises(UserError, match=words):
            load_generator(bad)


def test_a_run_of_looks_goes_on_with_its_own_and_has_no_truth(pictures, tmp_path, capsys):
    looks = ("mosaic", "chalk", "woodcut")
    paintings = {
        name: str(pictures / "trainB" / f"{number}.png") for number, name in enumerate(looks)
    }

    def experiment(*names: str, **changes) -> Experiment:
        recipe = FastStyle(
            tuple(Look(name, paintings[name], size=32) for name in names),
            StyleNetwork(width=2, blocks=0, looks=len(names)),
            style_layers=("relu1_1",),
            content=0.0,
        )
        cut = Preprocess(load_size=20, crop_size=16)
        data = OneDomain(str(pictures / "trainA"), cut)
        return Experiment(data, recipe, Adam(Constant(1e-3)), samples=2, **changes)

    loop.train(experiment("mosaic", "chalk"), tmp_path / "run", steps=1)
    with pytest.raises(UserError, match=r"looks of this run are mosaic, chalk, and cannot be"):
        loop.train(experiment("chalk", "mosaic"), tmp_path / "run", steps=2)
    more = experiment("chalk", "woodcut", "mosaic", init_from=str(tmp_path / "run"))
    loop.train(more, tmp_path / "more", steps=1)
    assert "Starting with g from" in capsys.readouterr().out
    assert app.run(evaluate, [str(tmp_path / "more"), "--metrics=psnr"]) == 2
    assert "no truth to compare with" in capsys.readouterr().err
    wrong = experiment("mosaic", "chalk")
    wrong = dataclasses.replace(
        wrong, recipe=dataclasses.replace(wrong.recipe, style_layers=("relu9_9",))
    )
    with pytest.raises(UserError, match="VGG-16 has no layer 'relu9_9'"):
        loop.train(wrong, tmp_path / "wrong", steps=1)
