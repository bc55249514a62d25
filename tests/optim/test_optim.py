"""Schedules at their corners, exactly."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imgtrans_jax.optim import (
    Adam,
    Constant,
    Cosine,
    Exponential,
    LinearDecay,
    Optax,
    RMSProp,
    StepDecay,
)
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


PARAMS, GRADS = {"w": np.array([1.0, -2.0], np.float32)}, {"w": np.array([3.0, -4.0], np.float32)}


def walked(optimizer, steps: int = 3, per_epoch: int = 1):
    """The parameters after steps with one gradient, each number of the training's given twice, as a
    critic that moves twice a step gives it.
    """
    tx = optimizer.transformation(per_epoch)
    params, state = PARAMS, tx.init(PARAMS)
    for step in range(steps):
        for _ in range(2):
            params, state, _ = update(tx, params, state, GRADS, step=step)
    return np.asarray(params["w"])


def test_rmsprop_is_algorithm_1_of_wgan():
    w, mean = PARAMS["w"], np.zeros(2)
    for step in range(3):
        for _ in range(2):
            mean = 0.99 * mean + 0.01 * GRADS["w"] ** 2
            w = w - 0.1 * 0.5**step * GRADS["w"] / (np.sqrt(mean) + 1e-8)
    np.testing.assert_allclose(walked(RMSProp(StepDecay(0.1, 0.5, 1))), w, rtol=1e-5)
    assert RMSProp().schedule == Constant(5e-5)


def test_weight_decay_is_beside_the_gradient_at_the_step_s_rate():
    """AdamW of optax, step by step, whose rate is set by hand."""
    params, state = PARAMS, optax.adamw(1.0).init(PARAMS)
    for step in range(3):
        tx = optax.adamw(0.1 * 0.5**step, b1=0.5, b2=0.999, weight_decay=0.3)
        for _ in range(2):
            updates, state = tx.update(GRADS, state, params)
            params = optax.apply_updates(params, updates)
    ours = walked(Adam(StepDecay(0.1, 0.5, 1), weight_decay=0.3))
    np.testing.assert_allclose(ours, params["w"], rtol=1e-4)
    np.testing.assert_array_equal(walked(Adam(Constant(0.1))), walked(Adam(Constant(0.1), 0.5)))
    assert np.abs(ours - walked(Adam(StepDecay(0.1, 0.5, 1)))).min() > 1e-3


@pytest.mark.parametrize("kind", [Adam, RMSProp])
def test_gradients_are_shortened_to_a_norm(kind):
    clip = kind(Constant(0.1), clip_norm=1.0).transformation(1)
    plain = kind(Constant(0.1)).transformation(1)
    for length, wanted in ((5.0, 1.0), (0.5, 0.5)):  # of GRADS, which have a norm of 5
        grads = {"w": GRADS["w"] * length / 5}
        short = {"w": GRADS["w"] * wanted / 5}
        got = update(clip, PARAMS, clip.init(PARAMS), grads, step=0)
        want = update(plain, PARAMS, plain.init(PARAMS), short, step=0)
        np.testing.assert_allclose(got[0]["w"], want[0]["w"], rtol=1e-6)
        moments = zip(jax.tree.leaves(got[1]), jax.tree.leaves(want[1]), strict=True)
        for x, y in moments:
            np.testing.assert_allclose(x, y, rtol=1e-5)
    for field in ("clip_norm", *(["weight_decay"] if kind is Adam else [])):
        with pytest.raises(ValueError, match="must not be negative"):
            kind(**{field: -1.0})


def chained(learning_rate, limit=1.0):
    return optax.chain(optax.clip(limit), optax.lion(learning_rate))


def test_any_optimizer_of_optax_and_one_s_own_has_the_step_s_rate():
    schedule = StepDecay(0.1, 0.5, 1)
    for optimizer, factory in (
        (Optax("lion", schedule, (("weight_decay", 0.1),)), optax.lion),
        (Optax(chained, schedule, (("limit", 0.5),)), chained),
        (Optax(optax.rmsprop, schedule, (("momentum", 0.9),)), optax.rmsprop),
    ):
        options = dict(optimizer.options)
        params, state = PARAMS, factory(1.0, **options).init(PARAMS)
        for step in range(3):
            tx = factory(0.1 * 0.5**step, **options)
            for _ in range(2):
                updates, state = tx.update(GRADS, state, params)
                params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(walked(optimizer), params["w"], rtol=1e-6)
    assert Optax(optax.lion) == Optax("lion")


@pytest.mark.filterwarnings("ignore:Specifying a key")  # optax's own, of noisy_sgd
@pytest.mark.parametrize(
    ("factory", "options", "words"),
    [
        ("loin", (), "did you mean lion"),
        ("inject_hyperparams", (), "has no optimizer"),
        ("apply_updates", (), "has no optimizer"),
        ("lion", (("b3", 1.0),), "makes no optimizer of the options"),
        ("lion", (("b1", "x"),), "makes no optimizer of the options"),
        ("lbfgs", (), "makes no optimizer of the options"),
        ("noisy_sgd", (), "random keys, which cannot be saved"),
        ("rprop", (), "keeps its first rate, and follows no schedule"),
        (print, (), "makes no optimizer"),
    ],
)
def test_what_makes_no_optimizer_is_refused_at_once(factory, options, words):
    with pytest.raises(ValueError, match=words):
        Optax(factory, options=options)
