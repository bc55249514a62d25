"""Schedules at their corners, exactly."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imgtrans_jax.optim import Adam, Constant, Cosine, Exponential, LinearDecay, StepDecay
from imgtrans_jax.optim.adam import clipped, ema_update, update

PER_EPOCH = 1334  # horse2zebra at batch 1


def rate(schedule, epoch: int, step: int = 0, per_epoch: int = PER_EPOCH) -> float:
    return float(Adam(schedule).rate(epoch * per_epoch + step, per_epoch))


@pytest.mark.parametrize(
    ("epoch", "step", "factor"),
    [
        (0, 0, 1),
        (98, 0, 1),
        (99, PER_EPOCH - 1, 1),
        (100, 0, 1 - 1 / 101),
        (100, PER_EPOCH - 1, 1 - 1 / 101),
        (101, 0, 1 - 2 / 101),
        (150, 7, 1 - 51 / 101),
        (199, 0, 1 - 100 / 101),
        (199, PER_EPOCH - 1, 1 - 100 / 101),
        (200, 0, 0),
        (500, 0, 0),
    ],
)
def test_the_papers_schedule_is_exact_at_its_corners(epoch, step, factor):
    # SPEC of the authors' code: 2e-4 (1 - max(0, e + 1 - 100) / 101)
    np.testing.assert_allclose(
        rate(LinearDecay(), epoch, step), 2e-4 * factor, rtol=2e-6, atol=1e-12
    )


def test_the_form_that_reaches_zero():
    schedule = LinearDecay(to_zero=True)
    for epoch, factor in ((0, 1), (100, 1), (101, 0.99), (150, 0.5), (199, 0.01), (200, 0)):
        np.testing.assert_allclose(rate(schedule, epoch), 2e-4 * factor, rtol=2e-6, atol=1e-12)
    assert schedule.epochs == 200


def test_an_epoch_begins_with_its_first_step_however_long_it_is():
    for per_epoch in (1, 3, 99_991, 1_000_003):
        schedule = LinearDecay(1.0, 1, 100)
        np.testing.assert_allclose(
            rate(schedule, 9, per_epoch - 1, per_epoch), 1 - 9 / 101, rtol=1e-6
        )
        np.testing.assert_allclose(rate(schedule, 10, 0, per_epoch), 1 - 10 / 101, rtol=1e-6)


def test_step_exponential_cosine_and_constant():
    np.testing.assert_allclose(rate(StepDecay(1.0, 0.1, 50), 49, PER_EPOCH - 1), 1)
    np.testing.assert_allclose(rate(StepDecay(1.0, 0.1, 50), 100), 0.01, rtol=1e-6)
    np.testing.assert_allclose(rate(StepDecay(2e-3, 0.99, 2), 198), 2e-3 * 0.99**99, rtol=1e-5)
    np.testing.assert_allclose(rate(Exponential(1.0, 0.5), 3), 0.125, rtol=1e-6)
    np.testing.assert_allclose(rate(Exponential(1.0, 0.5), 0, PER_EPOCH // 2), 0.5**0.5, rtol=1e-6)
    for epoch, part in (
        (0, 1.0),
        (50, 0.75 + 0.25 * 2**0.5 - 0.25),
        (100, 0.5),
        (200, 0.0),
        (300, 0.0),
    ):
        want = 0.1 + 0.9 * (
            0.5 * (1 + np.cos(np.pi * min(epoch / 200, 1))) if epoch == 50 else part
        )
        np.testing.assert_allclose(rate(Cosine(1.0, 200, final=0.1), epoch), want, rtol=1e-5)
    assert rate(Constant(3e-4), 1000) == pytest.approx(3e-4)


def test_adam_takes_the_papers_first_step():
    tx = Adam(LinearDecay(2e-4)).transformation(10)
    params = {"w": jnp.array([1.0, -2.0])}
    updates, _ = tx.update({"w": jnp.array([0.3, -5.0])}, tx.init(params), params)
    # The first bias-corrected step of Adam is -rate * sign(gradient), to within epsilon.
    np.testing.assert_allclose(updates["w"], [-2e-4, 2e-4], rtol=1e-5)


def test_smoothing():
    np.testing.assert_allclose(ema_update({"w": jnp.ones(2)}, {"w": jnp.zeros(2)}, 0.9)["w"], 0.9)


def test_the_van_gogh_report_s_falling_rate():
    schedule = StepDecay(2e-3, factor=0.99, every=2, length=200)
    assert schedule.epochs == 200
    np.testing.assert_allclose(rate(schedule, 199, 391, 392), 7.394592753e-4, rtol=2e-6)
    np.testing.assert_allclose(rate(schedule, 200, 0, 392), 7.320646825e-4, rtol=2e-6)
    np.testing.assert_allclose(
        [rate(schedule, 0), rate(schedule, 1), rate(schedule, 2)],
        [2e-3, 2e-3, 2e-3 * 0.99],
        rtol=1e-6,
    )
    assert Constant(1e-3, length=200).epochs == 200


def test_clipped_weights_stay_in_their_limits():
    tx = clipped(Adam(Constant(1.0)).transformation(1), 0.01)
    params = {"w": jnp.array([0.5, -0.5, 0.001])}
    state = tx.init(params)
    params, _, _ = update(tx, params, state, {"w": jnp.array([1.0, -1.0, 0.0])})
    np.testing.assert_allclose(params["w"], [-0.01, 0.01, 0.001], atol=1e-8)


@pytest.mark.parametrize("guarded", [True, False])
def test_nothing_moves_that_is_not_sound(guarded: bool):
    tx = Adam(Constant(0.1)).transformation(1) if guarded else optax.adam(0.1)
    params, grads = {"w": jnp.array([1.0, -2.0])}, {"w": jnp.array([0.5, jnp.nan])}
    state = update(tx, params, tx.init(params), {"w": jnp.array([0.3, 0.2])})[1]
    kept, opt, _ = jax.jit(functools.partial(update, tx))(params, state, grads, jnp.array(False))
    for before, after in zip(
        jax.tree.leaves((params, state)), jax.tree.leaves((kept, opt)), strict=True
    ):
        np.testing.assert_array_equal(before, after)
    moved, opt, norm = jax.jit(functools.partial(update, tx))(
        params, state, {"w": jnp.array([0.3, 0.2])}, jnp.array(True)
    )
    assert int(jax.tree.leaves(opt)[0]) == 2
    np.testing.assert_allclose(norm, np.linalg.norm(moved["w"] - params["w"]), rtol=1e-5)
