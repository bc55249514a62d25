"""One update of both players, shared by every GAN here."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Bool, Int32, PyTree

from imgtrans_jax.engine.game import Game, Networks, apply
from imgtrans_jax.engine.pool import swap
from imgtrans_jax.engine.state import Player, Pools, TrainState
from imgtrans_jax.losses.compose import join, total
from imgtrans_jax.optim.adam import (
    Transformations,
    clipped,
    ema_update,
    global_norm,
    tree_where,
    update,
)
from imgtrans_jax.runtime.target import platform
from imgtrans_jax.types import BatchStats, Frozen, Named, Params, RandomKey, Scalar, Terms

Carry = TypeVar("Carry")
Found = TypeVar("Found")


class Keys(NamedTuple):
    """One random key for each purpose.

    Attributes:
        gen: The generators' dropout and latents.
        pool: The pools' draws.
        real: The critics' pass over real views.
        fake: The critics' pass over shown fake views.
        fool: The critics' pass that the generators answer.
        penalty: The penalty's.
    """

    gen: RandomKey
    pool: RandomKey
    real: RandomKey
    fake: RandomKey
    fool: RandomKey
    penalty: RandomKey

    def folded(self, number: jax.typing.ArrayLike) -> Keys:
        return Keys(*(jax.random.fold_in(key, number) for key in self))


class Critics(NamedTuple):
    """The critics on their way through a step.

    Attributes:
        player: They as they are now.
        pools: Those of what they were shown.
        metrics: Of their last move, {} before it.
    """

    player: Player
    pools: Pools
    metrics: Terms


class Pass(NamedTuple):
    """The generators' forward pass over a part of a batch.

    Attributes:
        samples: What they made, by name.
        pull: Pulls a gradient by the samples back to the parameters.
        stats: The batch statistics after it.
    """

    samples: Named
    pull: Callable[[Named], tuple[Params]]
    stats: BatchStats


class Gradient(NamedTuple):
    """Of a player's objective.

    Attributes:
        params: By its parameters.
        terms: The objective's terms.
    """

    params: Params
    terms: Terms


def gan_step(
    game: Game,
    tx: Transformations,
    state: TrainState,
    batch: Named,
    frozen: Frozen,
    key: RandomKey,
    parts: int = 1,
) -> tuple[TrainState, Terms]:
    """One update of both players on one batch, in the order of `game.order`, and its metrics.

    The generators' objective is differentiated with respect to the samples and pulled back; the
    critics' objective with respect to the critics' parameters: while one player moves the other is
    a constant, without a stop_gradient.

    Args:
        game: What is played.
        tx: What moves the players.
        state: The state before.
        batch: Arrays by name, with the rows of all minibatches, interleaved.
        frozen: Weights that are never trained, for the objectives.
        key: The run's root key; the step's own randomness is folded in here.
        parts: In how many parts the batch is computed, one after the other. Gradients and terms are
            the means of theirs; each part is normalised by its own batch statistics and draws its
            own random numbers.

    Returns:
        The state after, and metrics, () arrays by name: every loss term, and the global norms of
        gradients and updates; of several turns of the critics those of the last. If a term or a
        gradient's norm is not finite the state comes back unchanged but for `failed`, and so from
        every later step.
    """
    keys = Keys(*jax.random.split(jax.random.fold_in(key, state.step), 6))
    critics = Critics(state.d, state.pool, {})
    *own, batch = _interleaved(batch, game.minibatches)
    match game.order:
        case _ if game.critic is None:  # an ablation, or SRResNet: nobody to play against
            g, stats = _generators_gradient(game, state, critics, batch, frozen, keys, parts)
        case "algorithm_1":
            # Every turn has a minibatch and samples of its own: what the critics see in one is
            # independent of what made them what they are.
            for turn, minibatch in enumerate(own, 1):
                critics = _critics_turn(
                    game, tx, state, critics, minibatch, keys.folded(turn), parts
                )
            g, stats = _generators_gradient(game, state, critics, batch, frozen, keys, parts)
        case "critics_first":
            # The samples that move the critics are then judged by them: one forward pass serves
            # both. In parts it would have to be kept for all of them, and is made twice instead.
            made = _pass(game, state, state.g.stats, batch, keys) if parts == 1 else None
            critics = _critics_turn(game, tx, state, critics, batch, keys, parts, made)
            g, stats = _generators_gradient(game, state, critics, batch, frozen, keys, parts, made)
        case "critics_last":
            # Each player answers the other as it was, so that one forward pass serves both, in
            # parts too: the critics' gradients are summed beside the generators'.
            g, stats, critics = _gradients_of_both(
                game, tx, state, critics, batch, frozen, keys, parts
            )
    return _moved_if_finite(game, tx, state, critics, g, stats)


# --------------------------------------------------------------------------------- the generators


def _pass(game: Game, state: TrainState, stats: BatchStats, batch: Named, keys: Keys) -> Pass:
    learned = game.learned or (lambda params: params)
    # vjp and not grad: the samples are there, for both players, before there is a loss of them.
    return Pass(
        *jax.vjp(
            lambda params: apply(game.generator, learned(params), stats, batch, keys.gen),
            state.g.params,
            has_aux=True,
        )
    )


def _answer(
    game: Game, made: Pass, d: Player, batch: Named, frozen: Frozen, keys: Keys
) -> Gradient:
    """The generators' gradient against the critics `d`."""

    def objective(samples: Named):
        logits = {}
        if game.critic is not None:
            # The statistics of this pass are dropped: the critic is a constant here.
            logits, _ = apply(game.critic, d.params, d.stats, game.fakes(batch, samples), keys.fool)
        terms = game.g_objective(batch, samples, logits, frozen)
        return total(terms), terms

    # First by the samples, then through the generators, whose forward pass is not made again.
    cotangent, terms = jax.grad(objective, has_aux=True)(made.samples)
    return Gradient(made.pull(cotangent)[0], terms)


def _generators_gradient(
    game: Game,
    state: TrainState,
    critics: Critics,
    batch: Named,
    frozen: Frozen,
    keys: Keys,
    parts: int,
    made: Pass | None = None,
) -> tuple[Gradient, BatchStats]:
    """The generators' gradient and their batch statistics after it; `made`: the forward pass over
    the whole batch, if there was one.
    """

    def turn(carry: tuple[BatchStats, Player], part: Named, keys: Keys):
        stats, d = carry
        forward = made or _pass(game, state, stats, part, keys)
        return (forward.stats, d), _answer(game, forward, d, part, frozen, keys)

    # The critics are carried though they stay as they are: so their own turn is over, and its
    # memory free, before the first part begins.
    carry = state.g.stats, critics.player
    (stats, _), gradient = _over_parts(turn, carry, batch, keys, parts)
    return gradient, stats


# ------------------------------------------------------------------------------------- the critics


def _critics_turn(
    game: Game,
    tx: Transformations,
    state: TrainState,
    critics: Critics,
    batch: Named,
    keys: Keys,
    parts: int,
    made: Pass | None = None,
) -> Critics:
    """The critics after a turn of their own, on samples that are drawn for it, or on those that are
    `made`.
    """

    def turn(carry: tuple[Player, Pools], part: Named, keys: Keys):
        samples = (
            made.samples
            if made
            else apply(game.generator, state.g.params, state.g.stats, part, keys.gen)[0]
        )
        return _critics_gradient(game, *carry, part, samples, keys)

    (d, pools), gradient = _over_parts(turn, (critics.player, critics.pools), batch, keys, parts)
    return _moved_critics(game, tx, state, Critics(d, pools, {}), gradient)


def _critics_gradient(
    game: Game, d: Player, pools: Pools, batch: Named, samples: Named, keys: Keys
) -> tuple[tuple[Player, Pools], Gradient]:
    """The critics with the batch's statistics, the pools with its samples, and the critics'
    gradient.
    """
    critic = game.critic
    assert critic is not None
    shown, pools = _through_the_pools(pools, keys.pool, game.fakes(batch, samples))

    def objective(params: Params):
        real, stats = apply(critic, params, d.stats, game.reals(batch), keys.real)
        fake, stats = apply(critic, params, stats, shown, keys.fake)
        terms = game.d_objective(real, fake)
        if game.penalty is not None:

            def judge(views: Named):
                return apply(critic, params, d.stats, views, keys.real)[0]

            terms = join(terms, game.penalty(judge, game.reals(batch), shown, keys.penalty))
        return total(terms), (terms, stats)

    grads, (terms, stats) = jax.grad(objective, has_aux=True)(d.params)
    return (d.replace(stats=stats), pools), Gradient(grads, terms)


def _moved_critics(
    game: Game, tx: Transformations, state: TrainState, critics: Critics, gradient: Gradient
) -> Critics:
    d, d_tx = critics.player, clipped(tx.d, game.critic_clip)
    moved, update_norm = _move(d, gradient.params, d.stats, d_tx, state.step)
    norms = {"norm/d_grad": global_norm(gradient.params), "norm/d_update": update_norm}
    return Critics(moved, critics.pools, join(gradient.terms, norms))


def _gradients_of_both(
    game: Game,
    tx: Transformations,
    state: TrainState,
    critics: Critics,
    batch: Named,
    frozen: Frozen,
    keys: Keys,
    parts: int,
) -> tuple[Gradient, BatchStats, Critics]:
    """The generators' gradient against the critics as they were, their statistics, and the critics,
    moved on the same samples.
    """

    def turn(carry: tuple[BatchStats, Player, Pools], part: Named, keys: Keys):
        stats, d, pools = carry
        made = _pass(game, state, stats, part, keys)
        of_generators = _answer(game, made, d, part, frozen, keys)
        (d, pools), of_critics = _critics_gradient(game, d, pools, part, made.samples, keys)
        return (made.stats, d, pools), (of_generators, of_critics)

    carry = state.g.stats, critics.player, critics.pools
    (stats, d, pools), (of_generators, of_critics) = _over_parts(turn, carry, batch, keys, parts)
    moved = _moved_critics(game, tx, state, Critics(d, pools, {}), of_critics)
    return of_generators, stats, moved


# ------------------------------------------------------------------------------------- both players


def _moved_if_finite(
    game: Game,
    tx: Transformations,
    state: TrainState,
    critics: Critics,
    g_gradient: Gradient,
    g_stats: BatchStats,
) -> tuple[TrainState, Terms]:
    """The next state and the step's metrics; the state as it was, but for `failed`, if a metric is
    not finite or ever was.
    """
    metrics = join(
        g_gradient.terms, {"norm/g_grad": global_norm(g_gradient.params)}, critics.metrics
    )
    # The barrier: without it XLA would compute this again in each of the hundreds of choices
    # between new and old.
    finite = lax.optimization_barrier(
        jnp.all(jnp.stack([jnp.isfinite(value) for value in metrics.values()]))
    )
    sound = finite & (state.failed < 0)
    failed = jnp.where(finite | (state.failed >= 0), state.failed, state.step)
    # The critics, which are small, have moved and are taken back; a generator's large state is
    # written once.
    d, pools = tree_where(sound, (critics.player, critics.pools), (state.d, state.pool))
    g, metrics["norm/g_update"] = _move(
        state.g, g_gradient.params, g_stats, tx.g, state.step, sound
    )
    # Smoothed parameters need statistics as smooth: the running ones are those of the last ten
    # steps. The decay grows to its value, so that a short training is not an average with the
    # initial networks.
    decay = jnp.minimum(game.ema, (1 + state.step) / (10 + state.step))
    ema = ema_update(state.ema, Networks(g.params, g.stats), decay) if game.ema else None
    return TrainState(
        step=state.step + sound,
        failed=failed,
        g=g,
        d=d,
        pool=pools,
        ema=tree_where(sound, ema, state.ema),
    ), metrics


# ------------------------------------------------------------------------------------- small things


def _interleaved(batch: Named, count: int) -> list[Named]:
    """Row i of the batch belongs to minibatch i modulo their number, so that no row leaves its
    device.
    """
    grouped = {
        name: x.reshape(x.shape[0] // count, count, *x.shape[1:]) for name, x in batch.items()
    }
    return [{name: x[:, i] for name, x in grouped.items()} for i in range(count)]


def _over_parts(
    turn: Callable[[Carry, Named, Keys], tuple[Carry, Found]],
    carry: Carry,
    batch: Named,
    keys: Keys,
    count: int,
) -> tuple[Carry, Found]:
    """What `turn(carry, part, keys) -> (carry, found)` carries through the parts of a batch, and
    the mean of what it found.
    """
    if count == 1:
        return turn(carry, batch, keys)
    parts = {name: jnp.stack([part[name] for part in _interleaved(batch, count)]) for name in batch}
    # Of what a part finds the shapes alone, for the zeros that its sums begin with.
    found = jax.eval_shape(turn, carry, {name: x[0] for name, x in parts.items()}, keys)[1]

    def one(so_far: PyTree, numbered: PyTree) -> tuple[PyTree, None]:
        # One after the other, also where the loop is unrolled: that is what saves memory.
        (carry, sums), (number, part) = lax.optimization_barrier((so_far, numbered))
        carry, found = turn(carry, part, keys.folded(number))
        return (carry, jax.tree.map(jnp.add, sums, found)), None

    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), found)
    # whose convolutions are several times slower in a loop
    unrolled = platform() == "cpu"
    (carry, sums), _ = lax.scan(
        one, (carry, zeros), (jnp.arange(count), parts), unroll=count if unrolled else 1
    )
    return carry, jax.tree.map(lambda x: x / count, sums)


def _through_the_pools(pools: Pools, key: RandomKey, fakes: Named) -> tuple[Named, Pools]:
    if not pools:
        return fakes, pools
    pool, shown = {}, {}
    for name, pool_key in zip(sorted(fakes), jax.random.split(key, len(fakes)), strict=True):
        pool[name], shown[name] = swap(pools[name], pool_key, fakes[name])
    return shown, pool


def _move(
    player: Player,
    grads: Params,
    stats: BatchStats,
    tx: optax.GradientTransformation,
    step: Int32[Array, ""],
    sound: Bool[Array, ""] | bool = True,
) -> tuple[Player, Scalar]:
    params, opt, update_norm = update(tx, player.params, player.opt, grads, sound, step)
    return Player(params, tree_where(sound, stats, player.stats), opt), update_norm
