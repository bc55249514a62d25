"""Networks in tiles give what they give of the whole picture."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtrans_jax.inference import tiling
from imgtrans_jax.inference.receptive_field import NotLocalError
from imgtrans_jax.inference.tiling import TiledNetwork
from imgtrans_jax.models.dncnn import DnCNN
from imgtrans_jax.models.layers import Conv, Norm
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.srgan import SRResNet
from imgtrans_jax.models.unet import UNet

NETWORKS = {  # network, picture, tile, multiple, batch statistics of the picture
    "resnet": (ResNetGenerator(width=4, blocks=2), (72, 100), 32, 4, False),
    "resnet_cut": (
        ResNetGenerator(width=4, blocks=1, downsample="blurred", upsample="blurred"),
        (72, 60),
        24,
        4,
        False,
    ),
    "resnet_dropout": (
        ResNetGenerator(width=4, blocks=1, upsample="nearest", norm="batch", dropout=0.5),
        (64, 64),
        32,
        4,
        True,
    ),
    "unet_paper": (UNet(width=4, levels=5), (160, 192), 64, 32, True),
    "unet_instance": (
        UNet(width=4, levels=3, norm="instance", upsample="bilinear"),
        (64, 80),
        16,
        8,
        False,
    ),
    "dncnn": (DnCNN(width=4, depth=2), (41, 50), 16, 1, False),
    "dncnn_paper": (DnCNN(width=4, depth=2), (41, 50), 16, 1, True),
    "srresnet": (SRResNet(width=4, blocks=1, skip=True), (41, 50), 16, 1, False),
    "srresnet_instance": (SRResNet(width=4, blocks=1, norm="instance"), (41, 50), 16, 1, False),
}


@functools.cache
def network(name):
    module, (height, width), _, _, train = NETWORKS[name]
    x = np.random.default_rng(0).uniform(-1, 1, (1, height, width, 3)).astype(np.float32)
    weights = jax.jit(
        lambda: module.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)), train=False)
    )()
    rngs = {"dropout": jax.random.key(1)}

    def apply(weights, x):
        return module.apply(weights, x, train=train, rngs=rngs, mutable=["batch_stats"])[0]

    return apply, weights, x, np.asarray(jax.jit(apply)(weights, x))


# what is new in them, others have too
MORE = {"resnet_dropout", "dncnn_paper", "srresnet_instance"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in MORE else n for n in NETWORKS]
)
def test_tiles_are_the_whole_picture(name):
    apply, weights, x, whole = network(name)
    _, _, tile, multiple, _ = NETWORKS[name]
    shares = []
    tiled = TiledNetwork(apply, weights, x.shape[1:], tile, multiple)(weights, x, shares.append)
    np.testing.assert_allclose(tiled, whole, atol=2e-5 * np.abs(whole).max())
    assert sum(shares) == pytest.approx(1)
    assert len(shares) > 4


@settings(max_examples=2, deadline=None)
@given(st.integers(4, 12), st.integers(4, 12), st.integers(1, 50))
def test_any_size_and_any_tile(rows, columns, tile):
    apply, weights, _, _ = network("resnet_cut")
    x = np.random.default_rng(rows).uniform(-1, 1, (1, 4 * rows, 4 * columns, 3)).astype(np.float32)
    np.testing.assert_allclose(
        TiledNetwork(apply, weights, x.shape[1:], tile, 4)(weights, x),
        jax.jit(apply)(weights, x),
        atol=2e-5,
    )


@pytest.mark.slow
def test_small_tiles_of_a_wide_network():
    """Whose convolutions have forms of their own where a map is small."""
    module = ResNetGenerator(width=64, blocks=1)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 72, 60, 3)).astype(np.float32)
    weights = jax.jit(lambda: module.init(jax.random.key(0), jnp.asarray(x), train=False))()

    def apply(weights, x):
        return module.apply(weights, x, train=False)

    whole = np.asarray(jax.jit(apply)(weights, x))
    tiled = TiledNetwork(apply, weights, x.shape[1:], 24, 4)(weights, x)
    np.testing.assert_allclose(tiled, whole, atol=1e-4 * np.abs(whole).max())


def test_tiles_without_common_statistics_would_differ():
    apply, weights, x, whole = network("resnet")
    alone = np.asarray(jax.jit(apply)(weights, x[:, :32]))
    assert np.abs(alone[:, :16] - whole[:, :16]).max() > 0.01


def test_a_flat_part_and_a_large_mean_keep_their_digits():
    apply, weights, x, _ = network("resnet")
    x = np.where(np.arange(x.shape[1])[None, :, None, None] < 36, 0.999, 0.01 * x + 0.9).astype(
        np.float32
    )
    np.testing.assert_allclose(
        TiledNetwork(apply, weights, x.shape[1:], 24, 4)(weights, x),
        jax.jit(apply)(weights, x),
        atol=1e-4,
    )


def test_maps_that_memory_does_not_take_are_in_files_and_other_weights_go_through_the_same_plan(
    monkeypatch,
):
    apply, weights, x, whole = network("resnet")
    plan = TiledNetwork(apply, weights, x.shape[1:], 32, 4)
    monkeypatch.setattr(tiling, "IN_MEMORY", 1000)
    result = plan(weights, x)
    assert isinstance(result, np.memmap)
    np.testing.assert_allclose(result, whole, atol=2e-5)
    other = jax.tree.map(lambda w: 0.5 * w, weights)
    np.testing.assert_allclose(plan(other, x), jax.jit(apply)(other, x), atol=2e-5)


def test_files_of_maps_are_where_they_are_wanted_and_have_no_name(monkeypatch, tmp_path):
    apply, weights, x, whole = network("resnet")
    plan = TiledNetwork(apply, weights, x.shape[1:], 32, 4)
    monkeypatch.setattr(tiling, "IN_MEMORY", 1000)
    monkeypatch.setattr(tiling.tempfile, "tempdir", str(tmp_path / "a disk in memory"))
    there = []
    result = plan(weights, x, lambda _: there.extend(tmp_path.iterdir()), tmp_path)
    np.testing.assert_allclose(result, whole, atol=2e-5)
    assert there == []  # so that nothing is left, however the program ends
    with pytest.raises(FileNotFoundError):
        plan(weights, x)


def test_large_maps_are_computed_again_and_small_ones_leave_when_they_are_done():
    module = ResNetGenerator()
    weights = jax.eval_shape(
        lambda: module.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)), train=False)
    )
    plan = TiledNetwork(
        lambda w, x: module.apply(w, x, train=False), weights, (1024, 2048, 3), 512, 4
    )
    kept = [step.target for step in plan.steps if step.kept]
    assert "head_norm" not in kept
    assert "down_1_norm" in kept
    assert [step.halo for step in plan.steps[:3]] == [4, 4, 8]  # 3; 3 + 1; 3 + 1 + 2 pixels
    # 2 + 1 + 3, the transposed convolutions see half of their kernel
    assert plan.steps[-1].halo == 8
    there, most = set(), 0
    for step in plan.steps:
        assert set(step.uses) <= there
        there |= {step.target} if step.kept else set()
        most = max(most, len(there))
        there -= set(step.last_use)
    assert most == 3
    assert there == {""}


class Global(nn.Module):
    kind: str

    @nn.compact
    def __call__(self, x):
        y = Norm("instance", name="norm")(Conv(4, 3, 1, 1, name="conv")(x), False)
        if self.kind == "mean":
            return y * jnp.mean(y, axis=(1, 2), keepdims=True)
        if self.kind == "attention":
            flat = y.reshape(1, -1, 4)
            return (jax.nn.softmax(flat @ flat.transpose(0, 2, 1)) @ flat).reshape(y.shape)
        return Norm("instance", name="norm")(y, False)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("mean", "reduce_sum"), ("attention", "over positions"), ("twice", "twice|reuse")],
)
def test_a_network_that_is_not_local_is_refused(kind, words):
    module = Global(kind)
    x = jnp.zeros((1, 32, 32, 3))
    shared = Global("mean").init(jax.random.key(0), x)

    def apply(weights, x):
        if kind != "twice":
            return module.apply(weights, x)
        return nn.apply(lambda m, x: m(m(x)[..., :3]), Global("mean"))(weights, x)

    with pytest.raises(NotLocalError, match=words):
        TiledNetwork(apply, shared, x.shape[1:], 16, 1)
