"""Exported networks give what `translate` gives, without this package: every architecture, at sizes
that fit it and sizes that do not.
"""

import dataclasses
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from imgtrans_jax.commands import export as command
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.engine.state import network_shapes
from imgtrans_jax.export import files
from imgtrans_jax.export.network import exported
from imgtrans_jax.export.onnx_networks import WRITERS
from imgtrans_jax.export.write import export, sample
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.generator_file import save_generator
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.translate import translate
from imgtrans_jax.inference.translator import Translation
from imgtrans_jax.methods.base import new_game
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.fast_style import FastStyle, Look
from imgtrans_jax.methods.gan import GAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.methods.srgan import SRGAN
from imgtrans_jax.models import (
    VGG,
    DCGANCritic,
    DCGANGenerator,
    DnCNN,
    Generator,
    PatchGAN,
    ResNetGenerator,
    SRResNet,
    StyleNetwork,
    UNet,
)
from imgtrans_jax.style.gatys import apply
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.vgg import load_vgg

ROOT = Path(__file__).parents[2]
SIZES = ((37, 45), (1, 3))  # one that fits no network, and one that all must mirror many times
MORE_SIZES = ((64, 64), (5, 7), (16, 130))


def trained(recipe, batch):
    """A training by a recipe, with weights and running statistics that are not those of a start."""
    shapes, _ = network_shapes(new_game(recipe), batch, critics=False)
    rng = np.random.default_rng(0)

    def drawn(path, leaf):
        name = jax.tree_util.keystr(path)
        fan = np.prod(leaf.shape[:-1]) if leaf.ndim == 4 else 25
        x = rng.normal(size=leaf.shape) / np.sqrt(fan)
        return np.float32(np.abs(x) + 0.5 if "var" in name or "scale" in name else x)

    made = jax.tree_util.tree_map_with_path(drawn, {"p": shapes.params, "s": shapes.stats})
    data = Paired("x", cut=Preprocess(load_size=64, crop_size=64))
    sizes = {side: list(shape.shape) for side, shape in batch.items()}
    return TrainedGenerator(Experiment(data=data, recipe=recipe), made["p"], made["s"], sizes)


def pictures(channels=3):
    shape = jax.ShapeDtypeStruct((1, 64, 64, channels), np.float32)
    return {"a": shape, "b": shape}


CRITIC = PatchGAN(width=2, layers=1)
NETWORKS = {
    "resnet": ResNetGenerator(8, 2),
    "resnet_of_cut": ResNetGenerator(8, 1, norm="batch", downsample="blurred", upsample="blurred"),
    "resnet_nearest": ResNetGenerator(8, 1, norm="none", upsample="nearest"),
    "resnet_bilinear": ResNetGenerator(8, 1, upsample="bilinear"),
    "unet": UNet(8, 4),
    "unet_instance": UNet(8, 3, norm="instance", upsample="bilinear"),
    "unet_plain": UNet(8, 5, norm="none", upsample="nearest"),
    "dncnn": DnCNN(8, 2),
    "dncnn_residual": DnCNN(8, 2, residual=True),
}
RECIPES = {name: Pix2Pix(net, CRITIC) for name, net in NETWORKS.items()} | {
    "srresnet": SRGAN(SRResNet(8, 2), CRITIC),
    "srresnet_skip": SRGAN(SRResNet(8, 2, norm="none", skip=True), CRITIC),
    "one_look": FastStyle(generator=StyleNetwork(8, 1), looks=(Look("mosaic"),)),
    "three_looks": FastStyle(
        generator=StyleNetwork(8, 2, looks=3, register=0.125, grain=0.02, upsample="transposed"),
        looks=(Look("mosaic"), Look("chalk"), Look("woodcut")),
    ),
}


def batch_of(name):
    if not name.startswith("srresnet"):
        return pictures()
    small = jax.ShapeDtypeStruct((1, 16, 16, 3), np.float32)
    return {"a": small, "b": pictures()["a"]}


def inputs_of(network, size, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.uniform(-1, 1, (2, network.channels, *size)).astype(np.float32)
    looks = np.array([[0.2, 0.5, 0.9]], np.float32)
    return {"image": image} | ({"looks": looks} if network.looks else {})


@pytest.mark.parametrize("sizes", [SIZES, pytest.param(MORE_SIZES, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", RECIPES)
def test_both_forms_are_translate(name, sizes):
    loaded = trained(RECIPES[name], batch_of(name))
    network = exported(loaded)
    mixed = "mosaic:0.2,chalk:0.5,woodcut:0.9" if network.looks else None
    mode = "eval" if loaded.experiment.recipe.test_mode else None
    translation = Translation(loaded, test_mode=mode, look=mixed)
    session = onnxruntime.InferenceSession(files.onnx_model(network).SerializeToString())
    program = jax.export.deserialize(bytearray(files.stablehlo(network)))
    assert set(program.platforms) == set(files.PLATFORMS)
    for size in sizes:
        given = inputs_of(network, size)
        want = translation.padded(given["image"].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        scale = max(1.0, np.abs(want).max())
        (by_onnx,) = session.run(["result"], given)
        by_jax = program.call(*given.values())
        for got in (by_onnx, by_jax):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, atol=1e-4 * scale)
        assert np.std(want) > 0.01  # there is something to compare


@pytest.mark.parametrize("name", ["resnet", "unet", "srresnet", "three_looks"])
@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_narrow_weights_are_smaller_and_near(name, precision):
    network = exported(trained(RECIPES[name], batch_of(name)))
    whole, narrow = (
        files.onnx_model(network, kind).SerializeToString() for kind in ("float32", precision)
    )
    assert len(narrow) < (0.75 if precision == "float16" else 0.6) * len(whole)
    given = inputs_of(network, (32, 48))
    (got,) = onnxruntime.InferenceSession(narrow).run(None, given)
    (exact,) = onnxruntime.InferenceSession(whole).run(None, given)
    same = files.with_precision(network, precision)
    want = same(same.params, *given.values())
    np.testing.assert_allclose(got, want, atol=2e-4)  # what is measured is what the file does
    assert 0 < np.abs(got - exact).max() < (0.05 if precision == "float16" else 0.6)


def test_weights_beyond_float16_are_refused_and_not_made_infinite():
    network = exported(trained(RECIPES["dncnn"], pictures()))
    network.params["head"]["kernel"][0, 0, 0, 0] = 1e6
    with pytest.raises(UserError, match="too large for float16"):
        files.onnx_model(network, "float16")


def test_pictures_from_latents_and_classes():
    batch = {
        "x": jax.ShapeDtypeStruct((2, 16, 16, 1), np.float32),
        "y": jax.ShapeDtypeStruct((2, 5), np.float32),
    }
    for norm, conditional, upsample in (
        ("batch", True, "transposed"),
        ("instance", False, "nearest"),
        ("none", False, "bilinear"),
    ):
        recipe = GAN(
            DCGANGenerator(16, 4, 1, norm=norm, upsample=upsample),
            DCGANCritic(4),
            latent=7,
            conditional=conditional,
        )
        loaded = trained(recipe, batch)
        network = exported(loaded)
        z = np.random.default_rng(1).normal(size=(3, 7)).astype(np.float32)
        y = np.eye(3, 5, dtype=np.float32)
        want = recipe._from(loaded.params, loaded.stats, jnp.asarray(z), jnp.asarray(y))
        session = onnxruntime.InferenceSession(files.onnx_model(network).SerializeToString())
        given = {"latent": z} | ({"classes": y} if conditional else {})
        (by_onnx,) = session.run(["result"], given)
        by_jax = jax.export.deserialize(bytearray(files.stablehlo(network))).call(*given.values())
        for got in (by_onnx, by_jax):
            np.testing.assert_allclose(got, want.transpose(0, 3, 1, 2), atol=1e-4)


def test_both_directions_of_a_cyclegan():
    recipe = CycleGAN(ResNetGenerator(4, 1), CRITIC)
    loaded = trained(recipe, pictures())
    x = inputs_of(exported(loaded), (16, 16))["image"]
    for direction in ("a2b", "b2a"):
        model = files.onnx_model(exported(loaded, direction))
        (got,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"image": x})
        want = Translation(loaded, direction).padded(x.transpose(0, 2, 3, 1))
        np.testing.assert_allclose(got, want.transpose(0, 3, 1, 2), atol=1e-4)


@pytest.mark.parametrize(("pooling", "border"), [("max", "zero"), ("average", "edge")])
def test_features(pooling, border):
    depth, params = load_vgg()
    module = VGG(depth, ("relu1_1", "conv2_2", "pool2"), pooling, border=border)
    model = files.onnx_features(module, params, "float32")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.random.default_rng(0).uniform(size=(1, 37, 50, 3)).astype(np.float32)
    want = apply(module, params, jnp.asarray(x))
    got = session.run(list(want), {"image": x.transpose(0, 3, 1, 2)})
    for layer, features in zip(want.values(), got, strict=True):
        np.testing.assert_allclose(
            features, layer.transpose(0, 3, 1, 2), rtol=1e-4, atol=1e-4 * np.abs(layer).max()
        )


def test_every_generator_has_a_form():
    kinds = {kind for kind in Generator.__subclasses__() if kind.__module__.startswith("imgtrans")}
    assert kinds | {DCGANGenerator} == set(WRITERS)


class Own(Generator):
    def __call__(self, x, train):
        return x


def test_a_network_of_ones_own_goes_to_stablehlo_alone():
    network = dataclasses.replace(
        exported(trained(RECIPES["dncnn"], pictures())), module=Own(), params={}, stats={}
    )
    with pytest.raises(UserError, match="no ONNX form of a Own"):
        files.onnx_model(network)
    x = inputs_of(network, (5, 9))["image"]
    got = jax.export.deserialize(bytearray(files.stablehlo(network))).call(x)
    np.testing.assert_array_equal(got, x)


# ----------------------------------------------------------------------------------- files, command


@pytest.fixture
def unet_file(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_generator(trained(RECIPES["unet"], pictures()), path)
    return path


def test_the_file_says_what_it_takes(unet_file, tmp_path):
    written = export(str(unet_file), tmp_path / "new" / "mine.onnx", precision="int8")
    assert [path.name for path in written] == ["mine.onnx", "mine.html"]
    model = onnx.load(written[0])
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told["network"] == "UNet"
    assert "multiples of 16" in told["input"]
    assert "RGB in [-1, 1]" in told["input"]
    assert told["precision"].startswith("int8; on a sample it changes the result by")
    (given,) = model.graph.input
    assert given.name == "image"
    dims = given.type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["n", 3, "height", "width"]
    assert [out.name for out in model.graph.output] == ["result"]
    assert not any(a.name == "auto_pad" for node in model.graph.node for a in node.attribute)
    page = written[1].read_text()
    assert page.count("<img") == 2
    assert "onnxruntime.InferenceSession(&quot;mine.onnx&quot;)" in page


def test_a_finished_network_brings_its_card(tmp_path):
    onnx_file, page = export("color2sketch", tmp_path / "lines.onnx", precision="float16")
    told = {entry.key: entry.value for entry in onnx.load(onnx_file).metadata_props}
    assert told["name"] == "color2sketch"
    assert told["best_size"] == "256"
    assert "OpenMoji" in told["data"]
    assert told["licence"] in page.read_text()


def test_safetensors_too(unet_file, tmp_path):
    export(str(unet_file), tmp_path / "small.safetensors", precision="float16")
    assert (tmp_path / "small.safetensors").stat().st_size < 0.6 * unet_file.stat().st_size
    assert load_generator(tmp_path / "small.safetensors").batch == load_generator(unet_file).batch


@pytest.mark.parametrize("kind", ["onnx", "stablehlo"])
def test_the_examples_run_without_this_package(kind, unet_file, tmp_path):
    network = export(str(unet_file), tmp_path / f"net.{kind}")[0]
    shown = np.random.default_rng(0).integers(0, 256, (33, 50, 3), dtype=np.uint8)
    Image.fromarray(shown).save(tmp_path / "in.png")
    script = ROOT / "examples" / f"run_{kind}.py"
    without = (
        "import runpy, sys; sys.modules['imgtrans_jax'] = None; "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    )
    command = [sys.executable, "-c", without, script, network, "in.png", "out.png"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    translate(unet_file, tmp_path / "in.png", tmp_path / "want.png", test_mode="eval")
    got, want = (np.asarray(Image.open(tmp_path / f"{n}.png")).astype(int) for n in ("out", "want"))
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mine.safetensors", "x.tflite"), "says no form"),
        (("none", "x.onnx"), "There is no none"),
        (("mine.safetensors", "mine.safetensors"), "mine.safetensors"),
        (("mine.safetensors", "there.onnx"), "is there already"),
        (("mine.safetensors", "x.stablehlo", "--precision=int8"), "holds float32 alone"),
        (("mine.safetensors", "x.onnx", "--direction=b2a"), "no direction b2a"),
        (("mine.safetensors", "x.onnx", "--layers=relu1_1"), "--layers are a VGG's"),
        (("vgg", "x.stablehlo"), "ONNX alone"),
        (("vgg", "x.onnx", "--layers=relu9_9"), "no layer 'relu9_9'"),
        (("mine.safetensors",), "Two names are needed"),
    ],
)
def test_mistakes_get_a_sentence(arguments, words, unet_file, tmp_path, monkeypatch, capsys):
    from imgtrans_jax.commands import app

    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.onnx").write_text("mine")
    assert app.run(command, list(arguments)) == 2
    assert words in capsys.readouterr().err
    assert (tmp_path / "there.onnx").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mine.safetensors",
        "there.onnx",
    ]


def test_a_sample_suits_the_network():
    network = exported(load_generator("sketch2color"), name="sketch2color")
    shown = sample(network)
    assert shown.shape == (1, 3, 128, 128)
    assert np.mean(shown > 0.9) > 0.7  # a line drawing
