"""VGG against PyTorch's golden arrays (tests/golden/make_vgg_golden.py), its fields of view, and
what is not computed.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imgtrans_jax.convolution.forms import form
from imgtrans_jax.models import vgg
from imgtrans_jax.models.vgg import VGG
from imgtrans_jax.runtime.target import target
from imgtrans_jax.style.gatys import apply

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "vgg.npz", allow_pickle=False)


@functools.cache
def drawn_params(depth: int) -> dict:
    draw = np.random.RandomState(depth)
    params: dict = {"mean": np.array(vgg.MEAN), "deviation": np.array(vgg.STD)}
    fan_in = 3
    for name in vgg.convolutions(depth):
        kernel = (
            draw.standard_normal((3, 3, fan_in, vgg.channels(name))) * (2 / (9 * fan_in)) ** 0.5
        )
        params[name] = {"kernel": kernel, "bias": 0.1 * draw.standard_normal(vgg.channels(name))}
        fan_in = vgg.channels(name)
    return {"params": jax.tree.map(jnp.float32, params)}


@pytest.mark.parametrize("depth", [16, 19])
def test_features_and_gradients_equal_pytorch(depth):
    params = drawn_params(depth)
    images = jnp.float32(
        np.random.RandomState(7).uniform(size=(1, 3, 34, 40)).transpose(0, 2, 3, 1)
    )
    for pooling in ("max", "average"):
        wanted = [
            name.split("/")[2]
            for name in GOLDEN.files
            if name.startswith(f"{depth}/{pooling}/") and "grad" not in name
        ]
        assert len(wanted) >= 5
        network = VGG(depth, tuple(wanted), pooling)

        def loss(x, params, network=network):
            found = apply(network, params, x)
            return sum(jnp.mean(f**2) for f in found.values()), found

        (_, found), grad = jax.jit(jax.value_and_grad(loss, has_aux=True))(images, params)
        for layer in wanted:
            golden = GOLDEN[f"{depth}/{pooling}/{layer}"]
            np.testing.assert_allclose(
                found[layer][:, ::2, ::2, ::5], golden, atol=2e-5 * np.abs(golden).max()
            )
        golden = GOLDEN[f"{depth}/{pooling}/grad"]
        np.testing.assert_allclose(grad, golden, atol=1e-4 * np.abs(golden).max())


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_a_tpus_pooling_is_the_same(pooling):
    x = jnp.float32(np.random.default_rng(0).standard_normal((2, 7, 9, 3)))  # no two are equal

    def found(x):
        return jnp.sum(vgg._pool(x, pooling) ** 3), vgg._pool(x, pooling)

    (_, here), gradient = jax.value_and_grad(found, has_aux=True)(x)
    with target("tpu"):
        (_, there), other = jax.value_and_grad(found, has_aux=True)(x)
    np.testing.assert_allclose(there, here, rtol=1e-6)
    np.testing.assert_allclose(other, gradient, rtol=1e-6, atol=1e-7)


def test_names_are_the_fields_own():
    assert vgg.layer_names(16)[:6] == ("input", "conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1")
    assert vgg.layer_names(19)[-3:] == ("conv5_4", "relu5_4", "pool5")
    assert len(vgg.convolutions(16)) == 13
    assert len(vgg.convolutions(19)) == 16
    assert vgg.channels("pool3") == 256
    assert vgg.stands_in("relu4_4", 19) == "relu4_4"
    assert vgg.stands_in("relu4_4", 16) == "relu4_3"
    with pytest.raises(ValueError, match="no layer 'relu6_1'"):
        vgg.stands_in("relu6_1", 16)


@pytest.mark.parametrize(
    ("layer", "side"),
    [
        ("relu1_1", 3),
        ("pool1", 6),
        ("conv2_2", 14),
        ("relu3_3", 40),
        ("relu4_3", 92),
        ("relu5_3", 196),
    ],
)
def test_receptive_fields_of_vgg16(layer, side):
    assert vgg.receptive_field(layer, 16)[0] == side


@pytest.mark.parametrize("layer", ["relu1_2", "pool1", "conv2_1", "pool2", "relu3_1"])
def test_receptive_fields_are_where_the_gradient_is(layer):
    network = VGG(16, (layer,), "average")
    images = jnp.ones((1, 64, 64, 3))
    # nothing cancels, nothing is rectified away
    params = jax.tree.map(jnp.abs, drawn_params(16))
    (found,) = jax.eval_shape(lambda: apply(network, params, images)).values()
    y, x = found.shape[1] // 2, found.shape[2] // 2 - 1
    with form("direct"):  # Winograd's rounding is seen beyond the field, where zeros are added
        grad = jax.jit(jax.grad(lambda i: apply(network, params, i)[layer][0, y, x].sum()))(images)
    rows, columns = (np.flatnonzero(np.abs(np.asarray(grad[0])).sum(axis=(a, 2))) for a in (1, 0))
    side, distance, center = vgg.receptive_field(layer, 16)
    for found_pixels, unit in ((rows, y), (columns, x)):
        middle = center + unit * distance
        assert found_pixels[0] == middle - (side - 1) / 2
        assert found_pixels[-1] == middle + (side - 1) / 2


def test_only_what_is_needed_is_computed():
    params = jax.eval_shape(
        VGG(16, ("relu2_1",)).init, jax.random.key(0), jnp.zeros((1, 32, 32, 3))
    )["params"]
    assert sorted(params) == ["conv1_1", "conv1_2", "conv2_1", "deviation", "mean"]


def test_the_input_is_a_layer_and_any_size_will_do():
    images = jax.random.uniform(jax.random.key(0), (1, 37, 21, 3))
    network = VGG(16, ("input", "relu3_1"))
    found = jax.jit(lambda: network.apply(drawn_params(16), images))()
    np.testing.assert_array_equal(found["input"], images)
    assert found["relu3_1"].shape == (1, 9, 5, 256)


def test_bad_layers_and_sizes_are_named():
    with pytest.raises(ValueError, match="no layer 'relu4_4'"):
        VGG(16, ("relu4_4",)).init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    with pytest.raises(ValueError, match="too small for relu5_1; 16 pixels"):
        VGG(16, ("relu5_1",)).init(jax.random.key(0), jnp.zeros((1, 15, 64, 3)))
    assert vgg.smallest_side(("input",)) == 1
    assert vgg.smallest_side(("pool5",)) == 32


def test_bfloat16_features_stay_near():
    images = jax.random.uniform(jax.random.key(1), (1, 32, 32, 3))

    def features(dtype):
        network = VGG(16, ("relu2_2",), dtype=dtype)
        return jax.jit(lambda: apply(network, drawn_params(16), images)["relu2_2"])()

    full, half = features("float32"), features("bfloat16")
    assert half.dtype == jnp.bfloat16
    assert float(jnp.linalg.norm(half.astype(jnp.float32) - full) / jnp.linalg.norm(full)) < 0.02


def test_beyond_the_image_its_edge_may_be_seen():
    """A picture of one color has one color everywhere, at the edge too."""
    picture = jnp.broadcast_to(jnp.array([0.9, 0.2, 0.1]), (1, 12, 16, 3))
    network = VGG(16, ("conv1_1",))
    params = network.init(jax.random.key(0), picture)
    spread = {
        border: float(
            jnp.ptp(network.clone(border=border).apply(params, picture)["conv1_1"], (1, 2)).max()
        )
        for border in ("zero", "edge")
    }
    assert spread["zero"] > 0.1
    assert spread["edge"] < 1e-5
