"""Losses against float64 NumPy written from the papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imgtrans_jax.losses.adversarial import hinge, lsgan, vanilla
from imgtrans_jax.losses.compose import join, plus, total
from imgtrans_jax.losses.pixel import l1, l1_sum, l2

Z = np.random.default_rng(0).normal(scale=3, size=(2, 5, 6, 1))


def log_sigmoid(z: np.ndarray) -> np.ndarray:
    return -np.log1p(np.exp(-z))


@pytest.mark.parametrize(
    ("loss", "real", "fake", "fool"),
    [
        (lsgan, np.mean((Z - 1) ** 2), np.mean(Z**2), np.mean((Z - 1) ** 2)),
        (vanilla, -np.mean(log_sigmoid(Z)), -np.mean(log_sigmoid(-Z)), -np.mean(log_sigmoid(Z))),
        (hinge, np.mean(np.maximum(0, 1 - Z)), np.mean(np.maximum(0, 1 + Z)), -np.mean(Z)),
    ],
)
def test_adversarial_losses(loss, real, fake, fool):
    logits = jnp.asarray(Z, jnp.float32)
    np.testing.assert_allclose(loss.real(logits), real, rtol=1e-6)
    np.testing.assert_allclose(loss.fake(logits), fake, rtol=1e-6)
    np.testing.assert_allclose(loss.fool(logits), fool, rtol=1e-6)


@pytest.mark.parametrize("loss", [lsgan, vanilla, hinge])
@pytest.mark.parametrize("z", [-200.0, 200.0])
def test_adversarial_losses_are_stable_far_out(loss, z):
    for part in (loss.real, loss.fake, loss.fool):
        value, grad = jax.value_and_grad(part)(jnp.full((1, 2, 2, 1), z))
        assert np.isfinite(value)
        assert np.isfinite(grad).all()
    assert vanilla.real(jnp.full((1, 1, 1, 1), -200.0)) == 200


def test_losses_of_bfloat16_logits_are_float32():
    assert lsgan.real(jnp.asarray(Z, jnp.bfloat16)).dtype == jnp.float32


def test_pixel_losses():
    x, y = np.random.default_rng(1).normal(size=(2, 3, 4, 5, 3))
    np.testing.assert_allclose(l1(jnp.float32(x), jnp.float32(y)), np.abs(x - y).mean(), rtol=1e-6)
    np.testing.assert_allclose(l2(jnp.float32(x), jnp.float32(y)), ((x - y) ** 2).mean(), rtol=1e-6)
    by_image = [np.abs(x[i] - y[i]).sum() for i in range(3)]
    np.testing.assert_allclose(l1_sum(jnp.float32(x), jnp.float32(y)), np.mean(by_image), rtol=1e-6)


def test_pixel_losses_refuse_to_broadcast():
    with pytest.raises(ValueError, match="one shape"):
        l1(jnp.zeros((2, 4, 4, 3)), jnp.zeros((1, 4, 4, 3)))


def test_objectives_join_and_refuse_a_name_twice():
    both = plus(lambda x: {"a": x}, lambda x: {"b": 2 * x})
    assert both(3) == {"a": 3, "b": 6}
    assert total({"a": jnp.float32(1), "b": jnp.float32(2)}) == 3
    assert total({}) == 0
    with pytest.raises(ValueError, match="'a' is defined twice"):
        join({"a": jnp.zeros(())}, {"a": jnp.zeros(())})
