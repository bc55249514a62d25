"""Losses against float64 NumPy written from the papers."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from imgtrans_jax.losses.adversarial import (
    gradient_penalty,
    hinge,
    lsgan,
    saturating,
    vanilla,
    wgan,
)
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
        (saturating, -np.mean(log_sigmoid(Z)), -np.mean(log_sigmoid(-Z)), np.mean(log_sigmoid(-Z))),
        (wgan, -np.mean(Z), np.mean(Z), -np.mean(Z)),
        (hinge, np.mean(np.maximum(0, 1 - Z)), np.mean(np.maximum(0, 1 + Z)), -np.mean(Z)),
    ],
)
def test_adversarial_losses(loss, real, fake, fool):
    logits = jnp.asarray(Z, jnp.float32)
    np.testing.assert_allclose(loss.real(logits), real, rtol=1e-6)
    np.testing.assert_allclose(loss.fake(logits), fake, rtol=1e-6)
    np.testing.assert_allclose(loss.generator(logits), fool, rtol=1e-6)


@pytest.mark.parametrize("loss", [lsgan, vanilla, hinge, saturating, wgan])
@pytest.mark.parametrize("z", [-200.0, 200.0])
def test_adversarial_losses_are_stable_far_out(loss, z):
    for part in (loss.real, loss.fake, loss.generator):
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


@pytest.mark.usefixtures("unchecked")
def test_pixel_losses_refuse_to_broadcast():
    with pytest.raises(ValueError, match="one shape"):
        l1(jnp.zeros((2, 4, 4, 3)), jnp.zeros((1, 4, 4, 3)))


def test_shapes_are_checked_in_tests():
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'y'"):
        l1(jnp.zeros((2, 4, 4, 3)), jnp.zeros((1, 4, 4, 3)))


def test_objectives_join_and_refuse_a_name_twice():
    both = plus(lambda x: {"a": x}, lambda x: {"b": 2 * x})
    assert both(jnp.float32(3)) == {"a": 3, "b": 6}
    assert total({"a": jnp.float32(1), "b": jnp.float32(2)}) == 3
    assert total({}) == 0
    with pytest.raises(ValueError, match="'a' is defined twice"):
        join({"a": jnp.zeros(())}, {"a": jnp.zeros(())})


def test_the_saturating_generator_has_no_gradient_where_the_critic_is_sure():
    sure = jnp.full((1, 1, 1, 1), -20.0)  # that a sample is made
    assert abs(float(jax.grad(saturating.generator)(sure).sum())) < 1e-8
    assert abs(float(jax.grad(vanilla.generator)(sure).sum())) > 0.99


def test_the_gradient_penalty_of_a_linear_critic_is_known():
    weights = np.random.default_rng(1).normal(size=(4, 5, 2)).astype(np.float32)
    real, fake = (
        jnp.float32(np.random.default_rng(seed).normal(size=(3, 4, 5, 2))) for seed in (2, 3)
    )
    labels = jnp.eye(3)

    def judge(views):  # the condition has a gradient too, which does not count
        return {
            "d": jnp.einsum("nhwc,hwc->n", views["d"], weights)[:, None]
            + 100 * views["y"].sum(1, keepdims=True)
        }

    got = gradient_penalty(
        judge, {"d": real, "y": labels}, {"d": fake, "y": labels}, jax.random.key(0)
    )
    np.testing.assert_allclose(got, (np.linalg.norm(weights) - 1) ** 2, rtol=1e-5)


def test_the_gradient_penalty_looks_between_real_and_fake():
    real, fake = jnp.full((64, 1, 1, 1), 3.0), jnp.full((64, 1, 1, 1), 1.0)

    def judge(views):  # its gradient at x is x
        return {"d": 0.5 * views["d"] ** 2}

    values = [
        float(gradient_penalty(judge, {"d": real}, {"d": fake}, jax.random.key(seed)))
        for seed in range(8)
    ]
    # For x uniform in [1, 3] the mean of (x - 1)^2 is 4/3.
    np.testing.assert_allclose(np.mean(values), 4 / 3, rtol=0.1)
