"""One update of both players, shared by every GAN here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from imgtrans_jax.game import Game
from imgtrans_jax.losses.compose import join, total
from imgtrans_jax.optim import chosen, norm, smooth, update
from imgtrans_jax.pool import swap
from imgtrans_jax.state import Networks, Player, TrainState, apply
from imgtrans_jax.types import Named, Params, Terms


def gan_step(
    game: Game, state: TrainState, batch: Named, frozen: Any, key: jax.Array
) -> tuple[TrainState, dict[str, jax.Array]]:
    """One update of both players on one batch, and its metrics.

    The generators run forward once. Their objective is differentiated with respect to the samples and pulled back; the
    critics' objective with respect to the critics' parameters: while one player moves the other is a constant, without a
    stop_gradient. With `game.fresh` the critics move first, `game.critic_steps` times, each time on samples of its own
    (Goodfellow et al. 2014, Algorithm 1). `key` is the run's root key; the step's own randomness is folded in here.

    Metrics are () arrays: every loss term, and the global norms of gradients and updates; of several turns of the critics
    those of the last. If a term or a gradient's norm is not finite the state comes back unchanged but for `failed`, and so
    from every later step.
    """
    k_gen, k_pool, k_real, k_fake, k_fool, k_penalty = jax.random.split(jax.random.fold_in(key, state.step), 6)
    *own, batch = _minibatches(game, batch)
    d, pools, d_metrics = state.d, state.pool, {}

    for turn, minibatch in enumerate(own, 1):
        drawn, _ = apply(game.generator, state.g.params, state.g.stats, minibatch, jax.random.fold_in(k_gen, turn))
        keys = [jax.random.fold_in(k, turn) for k in (k_pool, k_real, k_fake, k_penalty)]
        d, pools, d_metrics = _critics_turn(game, d, pools, minibatch, drawn, keys)

    def generate(params: Params):
        return apply(game.generator, params, state.g.stats, batch, k_gen)

    def objective(samples: Named):
        logits = {}
        if game.critic is not None:
            # The statistics of this pass are dropped: the critic is a constant here.
            logits, _ = apply(game.critic, d.params, d.stats, game.fakes(batch, samples), k_fool)
        terms = game.g_objective(batch, samples, logits, frozen)
        return total(terms), terms

    samples, pull, g_stats = jax.vjp(generate, state.g.params, has_aux=True)
    shared = (k_pool, k_real, k_fake, k_penalty)
    if game.critic_first and not game.fresh:
        d, pools, d_metrics = _critics_turn(game, d, pools, batch, samples, shared)
    cotangent, terms = jax.grad(objective, has_aux=True)(samples)
    grads = pull(cotangent)[0]
    if not game.critic_first and not game.fresh:
        d, pools, d_metrics = _critics_turn(game, d, pools, batch, samples, shared)

    metrics = join(terms, {"norm/g_grad": norm(grads)}, d_metrics)
    # The barrier: without it XLA would compute this again in each of the hundreds of choices between new and old.
    finite = lax.optimization_barrier(jnp.all(jnp.stack([jnp.isfinite(value) for value in metrics.values()])))
    sound = finite & (state.failed < 0)
    failed = jnp.where(finite | (state.failed >= 0), state.failed, state.step)
    # The critics, which are small, have moved and are taken back; a generator's large state is written once.
    d, pools = chosen(sound, (d, pools), (state.d, state.pool))
    g, metrics["norm/g_update"] = _move(state.g, grads, g_stats, game.g_tx, sound)
    # Smoothed parameters need statistics as smooth: the running ones are those of the last ten steps. The decay grows to its
    # value, so that a short training is not an average with the initial networks.
    decay = jnp.minimum(game.ema, (1 + state.step) / (10 + state.step))
    ema = smooth(state.ema, Networks(g.params, g.stats), decay) if game.ema else None
    return TrainState(step=state.step + sound, failed=failed, g=g, d=d, pool=pools, ema=chosen(sound, ema, state.ema)), metrics


def _minibatches(game: Game, batch: Named) -> list[Named]:
    """Row i of the batch belongs to minibatch i modulo their number, so that no row leaves its device."""
    count = game.minibatches
    grouped = {name: x.reshape(x.shape[0] // count, count, *x.shape[1:]) for name, x in batch.items()}
    return [{name: x[:, i] for name, x in grouped.items()} for i in range(count)]


def _critics_turn(
    game: Game, d: Player, pools: Any, batch: Named, samples: Named, keys: Sequence[jax.Array]
) -> tuple[Player, Any, Terms]:
    critic = game.critic
    if critic is None:
        return d, pools, {}
    pool_key, real_key, fake_key, penalty_key = keys
    shown, pools = _through_the_pools(pools, pool_key, game.fakes(batch, samples))

    def objective(params: Params):
        real, stats = apply(critic, params, d.stats, game.reals(batch), real_key)
        fake, stats = apply(critic, params, stats, shown, fake_key)
        terms = game.d_objective(real, fake)
        if game.penalty is not None:

            def judge(views: Named):
                return apply(critic, params, d.stats, views, real_key)[0]

            terms = join(terms, game.penalty(judge, game.reals(batch), shown, penalty_key))
        return total(terms), (terms, stats)

    grads, (terms, stats) = jax.grad(objective, has_aux=True)(d.params)
    moved, update_norm = _move(d, grads, stats, game.d_tx)
    return moved, pools, join(terms, {"norm/d_grad": norm(grads), "norm/d_update": update_norm})


def _through_the_pools(pools: Any, key: jax.Array, fakes: Named):
    if not pools:
        return fakes, pools
    pool, shown = {}, {}
    for name, pool_key in zip(sorted(fakes), jax.random.split(key, len(fakes)), strict=True):
        pool[name], shown[name] = swap(pools[name], pool_key, fakes[name])
    return shown, pool


def _move(
    player: Player, grads: Params, stats: Any, tx: optax.GradientTransformation, sound: jax.typing.ArrayLike = True
) -> tuple[Player, jax.Array]:
    params, opt, update_norm = update(tx, player.params, player.opt, grads, sound)
    return Player(params, chosen(sound, stats, player.stats), opt), update_norm
