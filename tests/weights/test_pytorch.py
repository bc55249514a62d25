"""Files of the common PyTorch code: recognised and written back, and what is wrong with others
said.
"""

import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from imgtrans_jax.inference.load import load_file, load_generator
from imgtrans_jax.models.layers import Upsample
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.pth import read_torch, write_torch
from imgtrans_jax.weights.pytorch_layouts import Network, described, state_dict
from imgtrans_jax.weights.pytorch_recognition import recognized

GOLDEN = Path(__file__).parents[1] / "golden"


def tensors(name: str = "latest_net_G_A.pth") -> dict[str, np.ndarray]:
    return read_torch(GOLDEN / name)


# --------------------------------------------------------------------------------------- good files


@pytest.mark.parametrize("name", ["latest_net_G_A.pth", "old_net_G_A.pth", "half_net_G_A.pth"])
def test_one_network_in_four_dresses(name):
    """zip; legacy with unused running statistics; half precision of a parallel network."""
    network = recognized(tensors(name), name)
    assert network.module == ResNetGenerator(width=2, blocks=1)
    assert network.channels == 3
    ours, wanted = state_dict(network), tensors()
    assert ours.keys() == wanted.keys()
    for key in wanted:
        assert ours[key].dtype == np.float32
        np.testing.assert_allclose(
            ours[key], wanted[key], atol=1e-3 if name.startswith("half") else 0
        )


def test_the_one_generator_of_a_checkpoint_is_found():
    both = {
        f"{n}.{k}": x
        for n, file in (("G", "latest_net_G.pth"), ("D", "latest_net_D_A.pth"))
        for k, x in tensors(file).items()
    }
    found, wanted = state_dict(recognized(both, "x")), tensors("latest_net_G.pth")
    assert all(np.array_equal(found[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("name", ["latest_net_G.pth", "latest_net_G_A.pth", "latest_net_D_A.pth"])
def test_what_is_written_is_what_torch_wrote(name, tmp_path):
    write_torch(tmp_path / "x.pth", state_dict(recognized(tensors(name), name)))
    written, wanted = read_torch(tmp_path / "x.pth"), tensors(name)
    assert list(written) == list(wanted)
    for key in wanted:
        assert (written[key].dtype, written[key].shape) == (wanted[key].dtype, wanted[key].shape)
        np.testing.assert_array_equal(written[key], wanted[key])
    again = tmp_path / "again.pth"
    write_torch(again, written)
    assert again.read_bytes() == (tmp_path / "x.pth").read_bytes()


def test_all_sorts_of_the_same_layers_are_told_apart():
    rng = np.random.default_rng(0)
    for module, channels in (
        (ResNetGenerator(width=1, blocks=3, dropout=0.5), 4),
        (ResNetGenerator(width=2, blocks=2, norm="batch", dropout=0.5, channels=1), 3),
        (ResNetGenerator(width=2, blocks=2, norm="batch", downsample="blurred"), 3),
        (ResNetGenerator(width=2, blocks=1, norm="none", upsample="blurred"), 1),
        (UNet(width=1, levels=7, norm="instance"), 1),
        (UNet(width=1, levels=8, channels=2), 3),
        (UNet(width=1, levels=5, norm="none"), 3),
        (PatchGAN(width=1, layers=1), 6),
        (PatchGAN(width=1, layers=5, norm="batch"), 3),
        (PatchGAN(width=1, layers=2, norm="none", downsample="blurred"), 3),
        (PatchGAN(width=3, layers=0, norm="none"), 2),
    ):
        network = with_weights(module, channels, rng)
        found = recognized(
            {f"state_dict.module.{key}": x for key, x in state_dict(network).items()}, "x"
        )
        assert (found.module, found.channels) == (module, channels), described(found)
        back, wanted = state_dict(found), state_dict(network)
        assert all(np.array_equal(back[key], wanted[key]) for key in wanted)


def with_weights(module, channels: int, rng) -> Network:
    import jax

    from imgtrans_jax.weights.pytorch_recognition import _initial

    shapes = jax.eval_shape(lambda: _initial(module, channels))
    biased = module.norm == "instance"

    def draw(where, leaf):
        inner = where[-1].key == "bias" and not biased and where[-2].key != "batch"
        # Where the common code has no bias ours must be 0 to go there.
        return (
            np.zeros(leaf.shape, np.float32)
            if inner
            else rng.standard_normal(leaf.shape).astype(np.float32)
        )

    drawn = jax.tree.map_with_path(draw, shapes)
    return Network(module, drawn["params"], drawn.get("batch_stats", {}))


def test_bfloat16_and_safetensors_with_torchs_names(tmp_path):
    import ml_dtypes

    rounded = {key: x.astype(ml_dtypes.bfloat16) for key, x in tensors().items()}
    save_file(
        {key: np.ascontiguousarray(x) for key, x in rounded.items()}, tmp_path / "x.safetensors"
    )
    found = load_file(tmp_path / "x.safetensors")
    assert isinstance(found, Network)
    for key, x in state_dict(found).items():
        np.testing.assert_array_equal(x, rounded[key].astype(np.float32))


# ----------------------------------------------------------------------------------- other networks


def changed(**changes) -> dict[str, np.ndarray]:
    """The golden generator with tensors replaced, added, or (None) left out."""
    found = tensors() | {key.replace("__", "."): x for key, x in changes.items()}
    return {key: x for key, x in found.items() if x is not None}


ZEROS = np.zeros((2,), np.float32)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"classifier.weight": np.zeros((3, 3), np.float32)}, "holds no network of the common"),
        (
            {f"{n}.{k}": x for n in ("netG", "netF") for k, x in tensors().items()},
            r"several networks \(netF, netG\)",
        ),
        (changed(model__1__bias=None), "of 1 block but has model.10.conv_block.1.bias"),
        (
            changed(model__10__conv_block__5__weight=None, model__10__conv_block__6__weight=None),
            "lacks model.10.conv_block.6",
        ),
        (
            changed(model__4__weight=np.zeros((4, 2, 3, 5), np.float32)),
            r"model.4.weight is 4x2x3x3; the file has 4x2x3x5",
        ),
        (changed(model__3__weight=ZEROS), "has model.3.weight too"),
        (changed(model__2__weight=ZEROS), "instance norms with weights"),
        (
            changed(model__10__conv_block__0__weight=np.zeros((8, 8, 3, 3), np.float32)),
            "pad with zeros",
        ),
        (
            changed(model__1__bias=np.array([1, np.nan], np.float32)),
            "values in model.1.bias that no network has",
        ),
        (
            changed(model__1__bias=np.array([1, 1e30], np.float32)),
            "values in model.1.bias that no network has",
        ),
        (changed(model__1__bias=np.zeros((0,), np.float32)), "no values in model.1.bias"),
        (changed(model__1__weight=ZEROS), "no convolution"),
        (
            changed(model__17__weight=None, model__18__weight=None),
            "lacks a convolution model.18.weight",
        ),
        ({"model.0.weight": np.zeros((1, 3, 4, 4), np.float32)}, "lacks"),
        ({"net.0.weight": np.zeros((1, 3, 1, 1), np.float32)}, "lacks"),
        ({"model.model.0.weight": np.zeros((1, 3, 4, 4), np.float32)}, "lacks"),
    ],
)
def test_another_network_is_refused_with_what_is_wrong(given, words):
    with pytest.raises(UserError, match=words):
        recognized(given, "x.pth")


def test_another_blur_is_refused():
    network = with_weights(
        ResNetGenerator(width=1, blocks=1, downsample="blurred"), 3, np.random.default_rng(0)
    )
    found = state_dict(network)
    found["model.7.filt"] = np.full_like(found["model.7.filt"], 1 / 9)
    with pytest.raises(UserError, match=r"its model.7.filt is another blur"):
        recognized(found, "x.pth")


def test_absurd_depths_are_refused_before_they_are_built():
    kernel, bias = np.zeros((4, 4, 3, 3), np.float32), np.zeros((4,), np.float32)
    block = {
        f"conv_block.{i}.{k}": x
        for i in (1, 5)
        for k, x in zip(("weight", "bias"), (kernel, bias), strict=True)
    }
    many = {f"model.{10 + i}.{key}": x for i in range(5000) for key, x in block.items()}
    ends = {
        "model.1.weight": np.zeros((1, 3, 7, 7), np.float32),
        "model.7.weight": np.zeros((4, 2, 3, 3), np.float32),
    }
    ends |= {
        "model.5010.weight": np.zeros((4, 2, 3, 3)),
        "model.5017.weight": np.zeros((3, 1, 7, 7), np.float32),
    }
    began = time.monotonic()
    with pytest.raises(UserError, match="5000 blocks, deeper than any"):
        recognized(many | ends, "x.pth")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (ResNetGenerator(width=1, blocks=1, upsample="nearest"), "no upsample='nearest'"),
        (UNet(width=1, levels=4), "5 levels or more"),
        (Upsample(3), "no Upsample"),
    ],
)
def test_what_the_common_code_has_not_got_is_not_written(module, words):
    with pytest.raises(UserError, match=words):
        state_dict(Network(module, {}, {}))


def test_a_bias_that_has_no_place_there_is_not_dropped():
    network = with_weights(
        ResNetGenerator(width=1, blocks=0, norm="none"), 3, np.random.default_rng(0)
    )
    network.params["head"]["bias"][0] = 1
    with pytest.raises(UserError, match=r"no bias at model.1 for norm='none'"):
        state_dict(network)


def test_a_critic_is_no_generator():
    with pytest.raises(UserError, match="is a critic; a generator is needed"):
        load_generator(GOLDEN / "latest_net_D_A.pth")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"not a file of tensors", "is no file of weights"),
        (b'{"a": 1}', "is no file of weights"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "is no file of weights"),
        ((GOLDEN / "latest_net_G.pth").read_bytes()[:5000], "damaged or cut off"),
        ((GOLDEN / "old_net_G_A.pth").read_bytes()[:-5000], "damaged or cut off"),
    ],
)
def test_what_is_no_file_of_weights(content, words, tmp_path):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(UserError, match=words):
        load_generator(tmp_path / "x.pth")
