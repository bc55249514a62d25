"""One update of both players, shared by every GAN here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from imgtrans_jax.engine.game import Game, Networks, apply
from imgtrans_jax.engine.pool import swap
from imgtrans_jax.engine.state import Player, TrainState
from imgtrans_jax.losses.compose import join, total
from imgtrans_jax.optim.adam import ema_update, global_norm, tree_where, update
from imgtrans_jax.types import Named, Params, Terms


class Keys(NamedTuple):
    """One random key for each purpose."""

    gen: jax.Array
    pool: jax.Array
    real: jax.Array
    fake: jax.Array
    fool: jax.Array
    penalty: jax.Array

    def folded(self, number: jax.typing.ArrayLike) -> Keys:
        return Keys(*(jax.random.fold_in(key, number) for key in self))


def gan_step(
    game: Game, state: TrainState, batch: Named, frozen: Any, key: jax.Array, parts: int = 1
) -> tuple[TrainState, dict[str, jax.Array]]:
    """One update of both players on one batch, and its metrics.

    The generators run forward once. Their objective is differentiated with respect to the samples
    and pulled back; the critics' objective with respect to the critics' parameters: while one
    player moves the other is a constant, without a stop_gradient. With `game.fresh` the critics
    move first, `game.critic_steps` times, each time on samples of its own (Goodfellow et al. 2014,
    Algorithm 1). `key` is the run's root key; the step's own randomness is folded in here.

    With several `parts` the batch is computed in as many, one after the other, and gradients and
    terms are the means of theirs; each part is normalised by its own batch statistics and draws its
    own random numbers. Critics that move first then need a pass of the generators of their own.

    Metrics are () arrays: every loss term, and the global norms of gradients and updates; of
    several turns of the critics those of the last. If a term or a gradient's norm is not finite the
    state comes back unchanged but for `failed`, and so from every later step.
    """
    keys = Keys(*jax.random.split(jax.random.fold_in(key, state.step), 6))
    *own, batch = _interleaved(batch, game.minibatches)
    d, pools, d_metrics = state.d, state.pool, {}

    def draw(part: Named, keys: Keys) -> Named:
        return apply(game.generator, state.g.params, state.g.stats, part, keys.gen)[0]

    turns = [(minibatch, keys.folded(turn)) for turn, minibatch in enumerate(own, 1)]
    if game.critic_first and not game.fresh and parts > 1:
        turns = [(batch, keys)]
    for minibatch, own_keys in turns:
        d, pools, d_metrics = _critics_turn(
            game, state.step, d, pools, minibatch, draw, own_keys, parts
        )
    waiting = game.critic is not None and not turns

    def turn(carry: tuple[Any, Player, Any], part: Named, keys: Keys):
        g_stats, d, pools = carry
        critics: Any = d_metrics

        def objective(samples: Named):
            logits = {}
            if game.critic is not None:
                # The statistics of this pass are dropped: the critic is a constant here.
                logits, _ = apply(
                    game.critic, d.params, d.stats, game.fakes(part, samples), keys.fool
                )
            terms = game.g_objective(part, samples, logits, frozen)
            return total(terms), terms

        samples, pull, g_stats = jax.vjp(
            lambda params: apply(game.generator, params, g_stats, part, keys.gen),
            state.g.params,
            has_aux=True,
        )
        if waiting and game.critic_first:
            d, pools, critics = _critics_turn(
                game, state.step, d, pools, part, lambda *_: samples, keys
            )
        cotangent, terms = jax.grad(objective, has_aux=True)(samples)
        grads = pull(cotangent)[0]
        if waiting and not game.critic_first:
            (d, pools), critics = _critics_gradient(game, d, pools, part, samples, keys)
        return (g_stats, d, pools), (grads, terms, critics)

    (g_stats, d, pools), (grads, terms, critics) = _over_parts(
        turn, (state.g.stats, d, pools), batch, keys, parts
    )
    d, d_metrics = (
        _moved_critics(game, state.step, d, *critics)
        if waiting and not game.critic_first
        else (d, critics)
    )

    metrics = join(terms, {"norm/g_grad": global_norm(grads)}, d_metrics)
    # The barrier: without it XLA would compute this again in each of the hundreds of choices
    # between new and old.
    finite = lax.optimization_barrier(
        jnp.all(jnp.stack([jnp.isfinite(value) for value in metrics.values()]))
    )
    sound = finite & (state.failed < 0)
    failed = jnp.where(finite | (state.failed >= 0), state.failed, state.step)
    # The critics, which are small, have moved and are taken back; a generator's large state is
    # written once.
    d, pools = tree_where(sound, (d, pools), (state.d, state.pool))
    g, metrics["norm/g_update"] = _move(state.g, grads, g_stats, game.g_tx, state.step, sound)
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


def _interleaved(batch: Named, count: int) -> list[Named]:
    """Row i of the batch belongs to minibatch i modulo their number, so that no row leaves its
    device.
    """
    grouped = {
        name: x.reshape(x.shape[0] // count, count, *x.shape[1:]) for name, x in batch.items()
    }
    return [{name: x[:, i] for name, x in grouped.items()} for i in range(count)]


def _over_parts(
    turn: Callable[[Any, Named, Keys], tuple[Any, Any]],
    carry: Any,
    batch: Named,
    keys: Keys,
    count: int,
) -> tuple[Any, Any]:
    """What `turn(carry, part, keys) -> (carry, found)` carries through the parts of a batch, and
    the mean of what it found.
    """
    if count == 1:
        return turn(carry, batch, keys)
    parts = {name: jnp.stack([part[name] for part in _interleaved(batch, count)]) for name in batch}
    found = jax.eval_shape(turn, carry, {name: x[0] for name, x in parts.items()}, keys)[1]

    def one(so_far: Any, numbered: Any) -> tuple[Any, None]:
        # One after the other, also where the loop is unrolled: that is what saves memory.
        (carry, sums), (number, part) = lax.optimization_barrier((so_far, numbered))
        carry, found = turn(carry, part, keys.folded(number))
        return (carry, jax.tree.map(jnp.add, sums, found)), None

    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), found)
    # whose convolutions are several times slower in a loop
    unrolled = jax.default_backend() == "cpu"
    (carry, sums), _ = lax.scan(
        one, (carry, zeros), (jnp.arange(count), parts), unroll=count if unrolled else 1
    )
    return carry, jax.tree.map(lambda x: x / count, sums)


def _critics_turn(
    game: Game,
    step: jax.Array,
    d: Player,
    pools: Any,
    batch: Named,
    draw: Callable[[Named, Keys], Named],
    keys: Keys,
    parts: int = 1,
) -> tuple[Player, Any, Terms]:
    """The critics' update on the samples that are drawn for each part, the pools after it, and its
    metrics.
    """
    if game.critic is None:
        return d, pools, {}

    def turn(carry: tuple[Player, Any], part: Named, keys: Keys):
        return _critics_gradient(game, *carry, part, draw(part, keys), keys)

    (d, pools), found = _over_parts(turn, (d, pools), batch, keys, parts)
    d, metrics = _moved_critics(game, step, d, *found)
    return d, pools, metrics


def _critics_gradient(
    game: Game, d: Player, pools: Any, batch: Named, samples: Named, keys: Keys
) -> tuple[tuple[Player, Any], tuple[Params, Terms]]:
    """The critics with the batch's statistics and the pools with its samples; the critics' gradient
    and terms.
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
    return (d.replace(stats=stats), pools), (grads, terms)


def _moved_critics(
    game: Game, step: jax.Array, d: Player, grads: Params, terms: Terms
) -> tuple[Player, Terms]:
    moved, update_norm = _move(d, grads, d.stats, game.d_tx, step)
    return moved, join(terms, {"norm/d_grad": global_norm(grads), "norm/d_update": update_norm})


def _through_the_pools(pools: Any, key: jax.Array, fakes: Named):
    if not pools:
        return fakes, pools
    pool, shown = {}, {}
    for name, pool_key in zip(sorted(fakes), jax.random.split(key, len(fakes)), strict=True):
        pool[name], shown[name] = swap(pools[name], pool_key, fakes[name])
    return shown, pool


def _move(
    player: Player,
    grads: Params,
    stats: Any,
    tx: optax.GradientTransformation,
    step: jax.Array,
    sound: jax.typing.ArrayLike = True,
) -> tuple[Player, jax.Array]:
    params, opt, update_norm = update(tx, player.params, player.opt, grads, sound, step)
    return Player(params, tree_where(sound, stats, player.stats), opt), update_norm
