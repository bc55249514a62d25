"""The shared training step against an update written out by hand with stop_gradient and two forward
passes.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from imgtrans_jax.engine.game import Networks, Order, apply
from imgtrans_jax.engine.state import init_state
from imgtrans_jax.engine.step import gan_step
from imgtrans_jax.losses.adversarial import hinge, vanilla
from imgtrans_jax.losses.pixel import l1, l1_sum
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.models.layers import Conv, Norm, Normal, NormKind
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim.adam import Transformations

TINY = CycleGAN(
    generator=ResNetGenerator(width=2, blocks=1, kernel_init=Normal(0.3)),
    critic=PatchGAN(width=2, layers=1, kernel_init=Normal(0.3)),
    pool_size=0,
)
SGD, FASTER = optax.sgd(0.1), optax.sgd(0.4)
TX = Transformations(SGD, SGD)


class Light(nn.Module):
    """Two convolutions and a norm: what a step does with its networks does not depend on them."""

    norm: NormKind = "instance"

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y = Conv(2, 3, padding=1, reflect=True, kernel_init=Normal(0.3), name="head")(x)
        y = nn.relu(Norm(self.norm, name="head_norm")(y, train))
        return jnp.tanh(Conv(3, 3, padding=1, kernel_init=Normal(0.3), name="tail")(y))


LIGHT = dataclasses.replace(TINY, generator=Light())


def new_batch(seed: int, n: int = 2, side: int = 16) -> dict[str, jax.Array]:
    keys = jax.random.split(jax.random.key(seed))
    return {
        s: jax.random.uniform(k, (n, side, side, 3), minval=-1)
        for s, k in zip("ab", keys, strict=True)
    }


@functools.cache
def started(recipe: CycleGAN, order: Order, tx):
    """The state before the first step, and the compiled step."""
    game = dataclasses.replace(recipe.game(), order=order)
    state = jax.jit(lambda key: init_state(game, tx, new_batch(0), key))(jax.random.key(0))
    return state, jax.jit(
        lambda state, batch: gan_step(game, tx, state, batch, None, jax.random.key(7))
    )


def run(recipe: CycleGAN, batches, order: Order = "critics_last", tx=TX):
    state, step = started(recipe, order, tx)
    states, logs = [state], []
    for batch in batches:
        state, metrics = step(state, batch)
        states.append(state)
        logs.append({name: float(value) for name, value in metrics.items()})
    return states, logs


def by_hand(recipe: CycleGAN, state, batch, order: Order):
    """The paper's updates, one after the other, as one would write them from section 3 and 7.1; the
    critics at four times the generators' rate.
    """
    a, b = batch["a"], batch["b"]
    net, critic, gan = recipe.generator.clone(), recipe.critic.clone(), recipe.gan

    def g(params, x):
        return net.apply({"params": params}, x, train=True)

    def d(params, x):
        return critic.apply({"params": params}, x, train=True)

    def critics(params):
        fake_b = jax.lax.stop_gradient(g(state.g.params["g_ab"], a))
        fake_a = jax.lax.stop_gradient(g(state.g.params["g_ba"], b))
        d_a = gan.real(d(params["d_a"], a)) + gan.fake(d(params["d_a"], fake_a))
        d_b = gan.real(d(params["d_b"], b)) + gan.fake(d(params["d_b"], fake_b))
        return (d_a + d_b) / 2

    def generators(params, critic_params):
        ab, ba = params["g_ab"], params["g_ba"]
        fake_b, fake_a = g(ab, a), g(ba, b)
        fool = gan.generator(d(critic_params["d_b"], fake_b)) + gan.generator(
            d(critic_params["d_a"], fake_a)
        )
        cycle = jnp.mean(jnp.abs(g(ba, fake_b) - a)) + jnp.mean(jnp.abs(g(ab, fake_a) - b))
        identity = jnp.mean(jnp.abs(g(ab, b) - b)) + jnp.mean(jnp.abs(g(ba, a) - a))
        return fool + 10 * cycle + 5 * identity

    def moved(params, grads, rate):
        return jax.tree.map(lambda p, g: p - rate * g, params, grads)

    d_params = moved(state.d.params, jax.grad(critics)(state.d.params), 0.4)
    judged_by = d_params if order == "critics_first" else state.d.params
    g_params = moved(state.g.params, jax.grad(generators)(state.g.params, judged_by), 0.1)
    return g_params, d_params


# lsgan: test_trajectories.py
@pytest.mark.parametrize(
    ("nets", "gan", "order"), [(LIGHT, vanilla, "critics_last"), (LIGHT, hinge, "critics_first")]
)
def test_both_orders_are_the_update_written_by_hand(nets, gan, order):
    recipe = dataclasses.replace(nets, gan=gan)
    batch = new_batch(0)
    (before, after), _ = run(recipe, [batch], order, Transformations(SGD, FASTER))
    g_params, d_params = jax.jit(lambda state: by_hand(recipe, state, batch, order))(before)
    for got, want in ((after.g.params, g_params), (after.d.params, d_params)):
        for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(x, y, atol=2e-5)


def test_the_orders_differ_in_the_generators_alone():
    batch = new_batch(0)
    (_, g_first), _ = run(LIGHT, [batch], order="critics_last")
    (_, d_first), _ = run(LIGHT, [batch], order="critics_first")
    assert not same(g_first.g.params, d_first.g.params)
    for x, y in zip(jax.tree.leaves(g_first.d), jax.tree.leaves(d_first.d), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7)  # two programs: not to the bit


def same(x, y) -> bool:
    return all(
        np.array_equal(p, q) for p, q in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
    )


def test_terms_carry_their_weights_and_zero_leaves_images_out():
    batch = new_batch(1)
    logs = run(
        dataclasses.replace(LIGHT, cycle=(10.0, 4.0), identity=(0.5, 0.25), adversarial=(1.0, 3.0)),
        [batch],
    )[1][0]
    plain = run(dataclasses.replace(LIGHT, cycle=1.0, identity=1.0, halve_critic=False), [batch])[
        1
    ][0]
    weights = {
        "cycle_a": 10,
        "cycle_b": 4,
        "identity_a": 5,
        "identity_b": 1,
        "gan_ab": 1,
        "gan_ba": 3,
        "d_a_real": 0.5,
    }
    for name, weight in weights.items():
        np.testing.assert_allclose(logs[name], weight * plain[name], rtol=1e-5)
    summed = run(dataclasses.replace(LIGHT, distance=l1_sum, cycle=1.0), [batch])[1][0]
    np.testing.assert_allclose(summed["cycle_a"], plain["cycle_a"] * 16 * 16 * 3, rtol=1e-5)


def test_partners_are_compared_where_there_are_some():
    recipe = dataclasses.replace(LIGHT, paired=(4.0, 2.0))
    batch = new_batch(1, n=3)
    samples = {f"fake_{s}": new_batch(2, n=3)[s] for s in "ab"}
    mask = jnp.array([1.0, 0.0, 1.0])
    terms = recipe._partners(batch | {"paired": mask}, samples, {}, None)
    for name, weight in {"b": 4.0, "a": 2.0}.items():
        apart = np.abs(np.float64(samples[f"fake_{name}"]) - np.float64(batch[name]))
        expected = weight * (apart[0].mean() + apart[2].mean()) / 3
        np.testing.assert_allclose(terms[f"paired_{name}"], expected, rtol=1e-5)
    assert LIGHT._partners(batch, samples, {}, None) == {}
    with pytest.raises(ValueError, match="must be Mixed"):
        recipe._partners(batch, samples, {}, None)


@pytest.mark.parametrize(
    ("changes", "terms", "images"),
    [
        (
            {"adversarial": 0.0, "identity": 0.0},
            {"cycle_a", "cycle_b"},
            {"fake_a", "fake_b", "rec_a", "rec_b"},
        ),
        ({"cycle": 0.0}, {"gan_ab", "gan_ba"}, {"fake_a", "fake_b"}),
        (
            {"cycle": (10.0, 0.0), "identity": 0.0},
            {"gan_ab", "gan_ba", "cycle_a"},
            {"fake_a", "fake_b", "rec_a"},
        ),
        (
            {"cycle": (0.0, 10.0), "identity": 0.0},
            {"gan_ab", "gan_ba", "cycle_b"},
            {"fake_a", "fake_b", "rec_b"},
        ),
        ({"adversarial": (1.0, 0.0), "cycle": 0.0}, {"gan_ab"}, {"fake_a", "fake_b"}),
    ],
)
def test_ablations_compute_only_what_their_terms_need(changes, terms, images):
    recipe, batch = dataclasses.replace(TINY, **changes), new_batch(0)
    game = recipe.game()
    state = jax.eval_shape(lambda key: init_state(game, TX, batch, key), jax.random.key(0))
    _, metrics = jax.eval_shape(
        lambda state: gan_step(game, TX, state, batch, None, jax.random.key(0)), state
    )
    assert {name for name in metrics if not name.startswith(("d_", "norm/"))} == terms
    samples = jax.eval_shape(
        lambda p: game.generator.apply({"params": p}, batch, train=False), state.g.params
    )
    assert set(samples) == images
    shown = jax.eval_shape(lambda p: recipe.samples(p, {}, batch), state.g.params)
    assert set(shown) == {"fake_a", "fake_b", "rec_a", "rec_b"}


def test_nothing_is_shared_between_the_two_directions():
    (state,), _ = run(LIGHT, [new_batch(0)], tx=TX)[0][:1], None
    count = sum(leaf.size for leaf in jax.tree.leaves(state.g.params))
    one = sum(leaf.size for leaf in jax.tree.leaves(state.g.params["g_ab"]))
    assert count == 2 * one
    assert not np.array_equal(
        state.g.params["g_ab"]["head"]["kernel"], state.g.params["g_ba"]["head"]["kernel"]
    )
    assert not np.array_equal(
        state.d.params["d_a"]["conv_0"]["kernel"], state.d.params["d_b"]["conv_0"]["kernel"]
    )


def test_every_leaf_has_a_buffer_of_its_own():
    recipe = dataclasses.replace(TINY, ema=0.9, pool_size=4)
    game, tx = recipe.game(), Transformations(optax.adam(1e-3), optax.adam(1e-3))
    state = jax.jit(lambda key: init_state(game, tx, new_batch(0), key))(jax.random.key(0))
    pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)]
    assert len(set(pointers)) == len(pointers)


def test_the_smoothed_generators_follow():
    recipe = dataclasses.replace(LIGHT, generator=LIGHT.generator.clone(norm="batch"), ema=0.75)
    states, _ = run(recipe, [new_batch(0), new_batch(1)])
    decay = 2 / 11  # (1 + step) / (10 + step) until it is 0.75
    now = [Networks(state.g.params, state.g.stats) for state in states]
    assert same(states[0].ema, now[0])
    assert now[2].stats  # the batch statistics are smoothed too
    want = jax.tree.map(lambda s, p: decay * s + (1 - decay) * p, states[1].ema, now[2])
    for x, y in zip(jax.tree.leaves(states[2].ema), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-7)


def test_the_critics_are_shown_the_history():
    with_pool, _ = run(dataclasses.replace(LIGHT, pool_size=2), [new_batch(i) for i in range(4)])
    without, _ = run(LIGHT, [new_batch(i) for i in range(4)])
    assert [int(s.pool["d_a"].count[0]) for s in with_pool] == [0, 2, 2, 2, 2]
    assert same(with_pool[1].d.params, without[1].d.params)  # a filling pool shows what comes
    assert not same(with_pool[4].d.params, without[4].d.params)


def test_a_loss_that_is_not_finite_leaves_the_state_and_says_when():
    bad = new_batch(2)
    bad["a"] = bad["a"].at[0, 0, 0, 0].set(jnp.nan)
    states, logs = run(
        dataclasses.replace(LIGHT, ema=0.9, pool_size=2), [new_batch(0), bad, new_batch(3)]
    )
    assert [int(s.failed) for s in states] == [-1, -1, 1, 1]
    assert same(states[2].replace(failed=0), states[1].replace(failed=0))
    assert same(states[3], states[2])
    assert np.isnan(logs[1]["cycle_a"])


def test_a_loss_of_ones_own_is_logged_and_moves_the_generator():
    def darker(batch, samples, logits, frozen):
        return {"darker": 3 * l1(samples["fake_b"], jnp.full_like(samples["fake_b"], -1))}

    states, logs = run(dataclasses.replace(LIGHT, extra=(darker,)), [new_batch(0)])
    plain, _ = run(LIGHT, [new_batch(0)])
    assert logs[0]["darker"] > 0
    assert not same(states[1].g.params["g_ab"], plain[1].g.params["g_ab"])
    assert same(states[1].g.params["g_ba"], plain[1].g.params["g_ba"])
    clash = dataclasses.replace(LIGHT, extra=(lambda *_: {"cycle_a": jnp.zeros(())},))
    with pytest.raises(ValueError, match="'cycle_a' is defined twice"):
        run(clash, [new_batch(0)])


def test_batch_norm_keeps_the_statistics_of_real_then_fake():
    norm = dataclasses.replace(
        LIGHT,
        generator=LIGHT.generator.clone(norm="batch"),
        critic=PatchGAN(width=2, layers=1, norm="batch"),
    )
    (before, after), _ = run(norm, [new_batch(0)])
    critic, batch = norm.critic.clone(), new_batch(0)

    def run_once(net, params, stats, x):
        variables = {"params": params, "batch_stats": stats}
        return jax.jit(lambda: net.apply(variables, x, True, mutable=["batch_stats"]))()

    generator = norm.generator.clone()
    fake_a, _ = run_once(generator, before.g.params["g_ba"], before.g.stats["g_ba"], batch["b"])
    stats = before.d.stats["d_a"]
    for view in (batch["a"], fake_a):
        stats = run_once(critic, before.d.params["d_a"], stats, view)[1]["batch_stats"]
    for x, y in zip(jax.tree.leaves(after.d.stats["d_a"]), jax.tree.leaves(stats), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
    assert after.g.stats["g_ab"]


@pytest.mark.slow  # XLA:CPU takes long to compile it
def test_bfloat16_trains_with_float32_parameters_and_losses():
    half = dataclasses.replace(
        TINY,
        generator=TINY.generator.clone(dtype="bfloat16"),
        critic=TINY.critic.clone(dtype="bfloat16"),
    )
    states, logs = run(half, [new_batch(0)])
    _, exact = run(TINY, [new_batch(0)])
    assert {leaf.dtype for leaf in jax.tree.leaves((states[1].g, states[1].d, states[1].pool))} == {
        jnp.dtype("float32")
    }
    for name, value in exact[0].items():
        np.testing.assert_allclose(logs[0][name], value, rtol=0.1, err_msg=name)


@pytest.mark.parametrize(
    "order", [pytest.param("critics_last", marks=pytest.mark.slow), "critics_first"]
)
def test_a_batch_in_parts_is_the_batch(order):
    """Without batch statistics, pools and dropout, gradients and terms are means of those of the
    parts.
    """
    batch = new_batch(0, n=4)
    game = dataclasses.replace(LIGHT.game(), order=order)
    state = jax.jit(lambda key: init_state(game, TX, batch, key))(jax.random.key(0))
    step = jax.jit(gan_step, static_argnums=(0, 1, 6))
    whole, wanted = step(game, TX, state, batch, None, jax.random.key(7), 1)
    found, metrics = step(game, TX, state, batch, None, jax.random.key(7), 2)
    assert metrics.keys() == wanted.keys()
    for name, value in metrics.items():
        np.testing.assert_allclose(value, wanted[name], rtol=2e-5, err_msg=name)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(x, y, atol=2e-6)


@pytest.mark.slow  # half a minute
def test_the_parts_of_a_batch_pass_on_their_statistics_and_pools():
    batch = new_batch(0, n=4)
    recipe = dataclasses.replace(LIGHT, generator=Light(norm="batch"), pool_size=4)
    game = recipe.game()
    state = jax.jit(lambda key: init_state(game, TX, batch, key))(jax.random.key(0))
    moved, _ = jax.jit(gan_step, static_argnums=(0, 1, 6))(
        game, TX, state, batch, None, jax.random.key(7), 2
    )
    stats, fakes = state.g.stats, []
    for part in (0, 1):  # row i is of part i modulo 2
        samples, stats = apply(
            game.generator,
            state.g.params,
            stats,
            {side: x[part::2] for side, x in batch.items()},
            None,
        )
        fakes.append(samples["fake_b"])
    for x, y in zip(jax.tree.leaves(moved.g.stats), jax.tree.leaves(stats), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
    assert int(moved.pool["d_b"].count[0]) == 4
    np.testing.assert_allclose(moved.pool["d_b"].images[0], np.concatenate(fakes), atol=1e-5)
