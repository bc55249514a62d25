"""The feed-forward style network: its size, its looks, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imgtrans_jax.models.style_network import GRAIN, ConditionalInstanceNorm, StyleNetwork

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 5, 6, 3))


def test_conditional_instance_norm_is_equation_5_with_mixed_numbers():
    scale, shift = RNG.normal(size=(2, 4, 3))
    weights = np.array([[0, 1, 0, 0], [0.25, 0, 0, 0.75]])
    params = {"params": {"scale": scale.astype("f"), "shift": shift.astype("f")}}
    found = ConditionalInstanceNorm(4).apply(params, jnp.asarray(X, "f"), jnp.asarray(weights, "f"))
    mean, deviation = X.mean((1, 2), keepdims=True), np.sqrt(X.var((1, 2), keepdims=True) + 1e-5)
    mixed = [(weights @ table)[:, None, None] for table in (scale, shift)]
    np.testing.assert_allclose(found, mixed[0] * (X - mean) / deviation + mixed[1], atol=1e-5)


@pytest.mark.parametrize("looks", [1, 7])
def test_a_look_costs_two_numbers_a_channel(looks):
    """Johnson et al.'s layers at width 32, without biases: 3-32-64-128, ten of 128, 64, 32, 3."""
    shapes = jax.eval_shape(
        lambda key: StyleNetwork(looks=looks).init(key, jnp.zeros((1, 16, 16, 3)), False),
        jax.random.key(0),
    )
    kernels = 81 * 3 * 32 + 9 * (32 * 64 + 64 * 128 + 10 * 128**2 + 128 * 64 + 64 * 32)
    kernels += 81 * 32 * 3
    channels = 32 + 64 + 128 + 10 * 128 + 64 + 32 + 3
    count = sum(x.size for x in jax.tree.leaves(shapes))
    assert count == kernels + 2 * looks * channels


def test_without_weights_it_is_the_first_look_and_any_size_is_kept():
    network = StyleNetwork(width=4, blocks=1, looks=3)
    x = jnp.asarray(RNG.normal(size=(2, 12, 20, 3)), jnp.float32)
    params = jax.jit(network.init, static_argnums=2)(jax.random.key(0), x, False)
    params = jax.tree.map(lambda p: p + (jnp.arange(3.0)[:, None] if p.ndim == 2 else 0), params)
    apply = jax.jit(network.apply, static_argnums=2)
    first = apply(params, x, False)
    assert first.shape == x.shape
    assert float(jnp.abs(first).max()) < 1
    alone = apply(params, x, False, jnp.tile(jnp.eye(3)[0], (2, 1)))
    np.testing.assert_allclose(first, alone, atol=1e-6)
    other = apply(params, x, False, jnp.tile(jnp.eye(3)[1], (2, 1)))
    assert float(jnp.abs(first - other).max()) > 1e-3


@pytest.mark.parametrize("shape", [(1, 8, 12, 3), (2, 64, 16, 3)])
def test_a_register_lies_below_and_is_cut_off_again(shape):
    x = jnp.asarray(RNG.uniform(-1, 1, shape), jnp.float32)
    network = StyleNetwork(width=4, blocks=1, register=0.125)
    plain = network.clone(register=0.0)
    params = jax.jit(network.init, static_argnums=2)(jax.random.key(0), x, False)
    applied = jax.jit(lambda x: plain.apply(params, x, False))
    height, rows = shape[1], 4 * -(-shape[1] // 32)
    below = x[:, ::-1][:, 1 : 1 + min(16, height - 4)]
    black = -jnp.ones((shape[0], rows, *shape[2:]))
    by_hand = applied(jnp.concatenate([x, below, black], 1))[:, :height]
    found = jax.jit(lambda x: network.apply(params, x, False))(x)
    np.testing.assert_allclose(found, by_hand, atol=1e-5)
    assert float(jnp.abs(by_hand - applied(x)).max()) > 1e-3


def test_grain_is_laid_on_the_picture_again_and_again():
    x = jnp.asarray(RNG.uniform(-1, 1, (2, 72, 136, 3)), jnp.float32)
    network = StyleNetwork(width=2, blocks=0, grain=0.02)
    grain = np.asarray(network.prepared(x) - x, np.float64)
    assert 0.019 < grain.std() < 0.021
    assert abs(grain.mean()) < 1e-3
    np.testing.assert_allclose(grain[0, :64, :64, 0], 0.02 * GRAIN, atol=1e-6)
    np.testing.assert_allclose(grain[1, :8, 128:, 2], grain[0, 64:, :8, 1], atol=1e-6)
    params = jax.jit(network.init, static_argnums=2)(jax.random.key(0), x, False)
    applied = jax.jit(lambda net, x: net.apply(params, x, False), static_argnums=0)
    by_hand = applied(network.clone(grain=0.0), x + grain.astype(np.float32))
    np.testing.assert_allclose(applied(network, x), by_hand, atol=1e-5)


def test_a_white_picture_can_be_learned_from_with_a_register():
    network = StyleNetwork(width=2, blocks=2, register=0.125)
    white = jnp.ones((1, 32, 32, 3))
    params = jax.jit(network.init, static_argnums=2)(jax.random.key(0), white, True)
    params = jax.tree.map(lambda p: 3 * p, params)  # as trained ones are

    def loss(params):
        return jnp.sum(white * network.apply(params, white, True) ** 3)

    gradient = jax.jit(jax.grad(loss))(params)
    largest = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(gradient))
    assert 0 < largest < 1e8


@pytest.mark.parametrize(
    ("network", "shape", "sentence"),
    [
        (StyleNetwork(width=0), (1, 16, 16, 3), "width=0"),
        (StyleNetwork(looks=0), (1, 16, 16, 3), "looks=0"),
        (StyleNetwork(register=1.5), (1, 16, 16, 3), "register=1.5"),
        (StyleNetwork(grain=-0.1), (1, 16, 16, 3), "grain=-0.1"),
        (StyleNetwork(), (1, 18, 16, 3), "16x18|18x16"),
        (StyleNetwork(), (1, 16, 16, 1), "channels"),
    ],
)
def test_what_it_cannot_take_is_refused(network, shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        network.init(jax.random.key(0), jnp.zeros(shape), False)
