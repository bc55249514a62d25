"""optimize_image on objectives whose answers are known."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imgtrans_jax.optim import LBFGS, GradientDescent, PixelAdam, SmoothedDescent
from imgtrans_jax.optim.pixels import blur
from imgtrans_jax.style.optimize import lower_step, optimize_image, optimize_many, start

RNG = np.random.default_rng(0)
TARGET = jnp.float32(RNG.uniform(0.2, 0.8, (1, 4, 5, 3)))
SCALES = jnp.float32(np.logspace(0, 2, 60).reshape(1, 4, 5, 3))  # of condition 100


def quadratic(image, frozen, key):
    return {"bowl": 0.5 * jnp.sum(frozen["scales"] * jnp.square(image - frozen["target"]))}


def rosenbrock(image, frozen, key):
    x, y = image[..., 0], image[..., 1]
    return {"valley": jnp.sum(100 * jnp.square(y - jnp.square(x)) + jnp.square(1 - x))}


FROZEN = {"target": TARGET, "scales": SCALES}
ZEROS = jnp.zeros_like(TARGET)


def test_lbfgs_finds_the_minimum_of_a_badly_scaled_bowl():
    found = optimize_image(quadratic, ZEROS, FROZEN, LBFGS(), 60)
    np.testing.assert_allclose(found.image, TARGET, atol=1e-3)
    slow = optimize_image(quadratic, ZEROS, FROZEN, GradientDescent(0.009), 60)
    assert found.history["total"].min() < 1e-3 * slow.history["total"].min()


def test_lbfgs_goes_through_a_curved_valley():
    image = jnp.zeros((1, 2, 2, 2)).at[..., 0].set(-1.2).at[..., 1].set(1.0)
    found = optimize_image(rosenbrock, image, {}, LBFGS(), 150, clip=False)
    np.testing.assert_allclose(found.image, 1.0, atol=0.02)
    assert found.diverged is None


def test_what_the_line_search_refuses_is_not_walked_on_from():
    """The loss at the place where the walk stands never rises, whatever is tried."""
    compiled = lower_step(rosenbrock, ZEROS[..., :2] - 1.5, {}, LBFGS(), 80, clip=False).compile()
    walk = start(ZEROS[..., :2] - 1.5, LBFGS(), 80)
    walk = jax.tree.map(jnp.array, walk)
    losses, tried = [], []
    for _ in range(80):
        walk, terms = compiled(walk, {})
        losses.append(float(walk.loss))
        tried.append(float(terms["total"]))
    assert all(b <= a for a, b in itertools.pairwise(losses))
    assert any(t > a for a, t in zip(losses, tried[1:], strict=False))  # something was refused


def test_gradient_descent_is_its_formula():
    found = optimize_image(quadratic, ZEROS, FROZEN, GradientDescent(0.005), 4)
    image = np.zeros_like(TARGET)
    for _ in range(3):
        image = np.clip(image - 0.005 * SCALES * (image - TARGET), 0, 1)
    np.testing.assert_allclose(found.image, image, rtol=1e-5)
    assert found.best_at == 3


def test_adam_is_optaxs_without_cooling():
    steps = 20
    found = optimize_image(
        quadratic, ZEROS, FROZEN, PixelAdam(0.01, cooling=0.0), steps, clip=False
    )
    tx = optax.adam(0.01, 0.9, 0.99)
    image, opt = ZEROS, tx.init(ZEROS)
    for _ in range(steps - 1):
        updates, opt = tx.update(SCALES * (image - TARGET), opt, image)
        image = optax.apply_updates(image, updates)
    np.testing.assert_allclose(
        found.last if found.best_at == steps - 2 else found.image, image, atol=1e-5
    )


def test_adam_cools():
    schedule_end = PixelAdam(1.0, b1=0.0, b2=0.0, cooling=0.5).transformation(100)
    state = schedule_end.init(jnp.zeros(()))
    moves = []
    for _ in range(100):
        update, state = schedule_end.update(jnp.ones(()), state)
        moves.append(-float(update))
    assert moves[49] == pytest.approx(1)
    assert moves[75] == pytest.approx(0.505, abs=0.02)
    assert moves[-1] < 0.02


def test_an_explosion_is_found_and_the_best_image_kept():
    """A rate above 2 / curvature: the loss falls in the flat directions and explodes in the steep
    one.
    """
    found = optimize_image(quadratic, ZEROS, FROZEN, GradientDescent(0.0205), 2000, clip=False)
    assert found.diverged is not None
    assert found.diverged < 2000
    history = found.history["total"]
    assert len(history) == found.diverged
    assert history[found.best_at] == history.min()
    assert history[-1] > 10 * history.min()
    again = quadratic(found.image, FROZEN, None)["bowl"]
    np.testing.assert_allclose(again, history.min(), rtol=1e-5)


def test_a_loss_that_is_not_finite_ends_the_run():
    def breaks(image, frozen, key):
        return {"log": jnp.sum(jnp.log(0.5 - image))}

    found = optimize_image(breaks, ZEROS, {}, GradientDescent(0.1), 100, clip=False)
    assert found.diverged is not None
    assert np.isfinite(found.image).all()


def test_a_loss_that_never_was_finite_ends_the_run_of_any_optimizer():
    def nothing(image, frozen, key):
        return {"root": jnp.sum(jnp.sqrt(image - 2))}

    for optimizer in (LBFGS(), PixelAdam()):
        found = optimize_image(nothing, ZEROS, {}, optimizer, 50)
        assert found.diverged == 10
        np.testing.assert_array_equal(found.image, ZEROS)


def test_lbfgs_backs_out_of_what_is_not_finite():
    def walled(image, frozen, key):
        return {"barrier": -jnp.sum(jnp.log(image)) + 5 * jnp.sum(image)}

    found = optimize_image(walled, ZEROS + 0.9, {}, LBFGS(), 60, clip=False)
    np.testing.assert_allclose(found.image, 0.2, atol=1e-2)


def test_pixels_stay_in_range_and_every_evaluation_is_watched():
    seen = []
    found = optimize_image(
        quadratic,
        ZEROS,
        {"target": TARGET + 1, "scales": SCALES},
        LBFGS(),
        25,
        watch=lambda n, t, i: seen.append((n, t["bowl"])),
    )
    assert float(found.image.max()) <= 1
    assert [n for n, _ in seen] == [10, 20, 25]
    assert len(found.history["bowl"]) == 25


def test_the_same_program_serves_other_values():
    compiled = lower_step(quadratic, ZEROS, FROZEN, LBFGS(), 40).compile()
    for target in (TARGET, 1 - TARGET):
        found = optimize_image(
            quadratic, ZEROS, {"target": target, "scales": SCALES}, LBFGS(), 40, compiled=compiled
        )
        np.testing.assert_allclose(found.image, target, atol=5e-3)


@pytest.mark.parametrize("optimizer", [LBFGS(), PixelAdam()])
def test_side_by_side_is_one_after_the_other(optimizer):
    targets = jnp.stack([TARGET, 1 - TARGET, TARGET**2])
    best, history = optimize_many(
        quadratic, ZEROS, {"scales": SCALES}, {"target": targets}, optimizer, 30
    )
    for i in range(3):
        alone = optimize_image(
            quadratic, ZEROS, {"target": targets[i], "scales": SCALES}, optimizer, 30
        )
        np.testing.assert_allclose(best[i], alone.image, atol=2e-4)
        np.testing.assert_allclose(history["bowl"][:10, i], alone.history["bowl"][:10], rtol=1e-3)


def test_every_evaluation_has_a_key_of_its_own():
    def noisy(image, frozen, key):
        return {"noise": jax.random.uniform(key) + 0 * jnp.sum(image)}

    history = optimize_image(noisy, ZEROS, {}, GradientDescent(), 12).history["noise"]
    assert len(np.unique(history)) == 12


def test_smoothed_descent_moves_by_its_rate_whatever_the_slope():
    tx = SmoothedDescent(0.02).transformation(1)
    gradient = jnp.float32(RNG.normal(size=(1, 16, 16, 3)))
    for factor in (1e-6, 1.0, 1e6):
        update, _ = tx.update(factor * gradient, tx.init(gradient))
        np.testing.assert_allclose(jnp.mean(jnp.abs(update)), 0.02, rtol=1e-4)
    assert float(jnp.vdot(update, gradient)) < 0
    assert np.isfinite(tx.update(0 * gradient, tx.init(gradient))[0]).all()


def test_blur_keeps_the_mean_of_a_flat_image_and_is_symmetric():
    np.testing.assert_allclose(blur(jnp.full((1, 9, 9, 1), 0.3), 2.0), 0.3, rtol=1e-5)
    dot = jnp.zeros((1, 31, 31, 1)).at[0, 15, 15].set(1.0)
    spread = np.asarray(blur(dot, 1.5))[0, :, :, 0]
    np.testing.assert_allclose(spread, spread.T, atol=1e-7)
    _, x = np.indices(spread.shape) - 15
    np.testing.assert_allclose(np.sum(spread * x**2), 1.5**2, rtol=0.05)
    np.testing.assert_allclose(spread.sum(), 1, rtol=1e-5)


def test_a_run_can_be_ended_after_any_step():
    seen = []

    def third(number):
        seen.append(number)
        return number == 3

    found = optimize_image(quadratic, ZEROS, FROZEN, GradientDescent(0.005), 50, each=third)
    assert seen == [1, 2, 3]
    assert len(found.history["total"]) == 3
    alone = optimize_image(quadratic, ZEROS, FROZEN, GradientDescent(0.005), 3)
    np.testing.assert_allclose(found.image, alone.image, rtol=1e-6)


def test_a_run_ends_where_nothing_more_is_gained():
    def evaluations(tolerance: float) -> int:
        found = optimize_image(
            plateau, ZEROS, FROZEN, GradientDescent(0.005), 200, tolerance=tolerance
        )
        return len(found.history["total"])

    def plateau(image, frozen, key):
        return quadratic(image, frozen, key) | {"floor": jnp.float32(1.0)}

    # the bowl falls by half or more in each 20 evaluations until the floor is most of the loss
    assert evaluations(0.0) == 200
    ended = evaluations(0.05)
    assert 30 <= ended < 200
    assert ended % 10 == 0
