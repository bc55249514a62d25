"""One update of both players, shared by every GAN here."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from imgtrans_jax.game import Game
from imgtrans_jax.losses.compose import join, total
from imgtrans_jax.optim import smooth, update
from imgtrans_jax.pool import swap
from imgtrans_jax.state import Player, TrainState, apply
from imgtrans_jax.types import Named, Params, Terms


def gan_step(
    game: Game, state: TrainState, batch: Named, frozen: Any, key: jax.Array
) -> tuple[TrainState, dict[str, jax.Array]]:
    """One update of both players on one batch, and its metrics.

    The generators run forward once. Their objective is differentiated with respect to the samples and pulled back; the
    critics' objective with respect to the critics' parameters: while one player moves the other is a constant, without a
    stop_gradient. `key` is the run's root key; the step's own randomness is folded in here.

    Metrics are () arrays: every loss term, and the global norms of gradients and updates. If one of them is not finite
    the state comes back unchanged but for `failed`, and so from every later step.
    """
    k_gen, k_pool, k_real, k_fake, k_fool = jax.random.split(jax.random.fold_in(key, state.step), 5)

    def generate(params: Params):
        return apply(game.generator, params, state.g.stats, batch, k_gen)

    samples, pull, g_stats = jax.vjp(generate, state.g.params, has_aux=True)
    shown, pool = _through_the_pools(state, k_pool, game.fakes(batch, samples))

    def critic_turn(d: Player) -> tuple[Player, Terms]:
        critic = game.critic
        if critic is None:
            return d, {}

        def objective(params: Params):
            real, stats = apply(critic, params, d.stats, game.reals(batch), k_real)
            fake, stats = apply(critic, params, stats, shown, k_fake)
            terms = game.d_objective(real, fake)
            return total(terms), (terms, stats)

        grads, (terms, stats) = jax.grad(objective, has_aux=True)(d.params)
        return _move(d, grads, stats, game.d_tx, terms, "d")

    def generator_turn(d: Player) -> tuple[Player, Terms]:
        def objective(samples: Named):
            logits = {}
            if game.critic is not None:
                # The statistics of this pass are dropped: the critic is a constant here.
                logits, _ = apply(game.critic, d.params, d.stats, game.fakes(batch, samples), k_fool)
            terms = game.g_objective(batch, samples, logits, frozen)
            return total(terms), terms

        cotangent, terms = jax.grad(objective, has_aux=True)(samples)
        return _move(state.g, pull(cotangent)[0], g_stats, game.g_tx, terms, "g")

    if game.critic_first:
        d, d_metrics = critic_turn(state.d)
        g, g_metrics = generator_turn(d)
    else:
        g, g_metrics = generator_turn(state.d)
        d, d_metrics = critic_turn(state.d)

    metrics = join(g_metrics, d_metrics)
    ema = smooth(state.ema, g.params, game.ema) if game.ema else None
    moved = TrainState(step=state.step + 1, failed=state.failed, g=g, d=d, pool=pool, ema=ema)
    return _unless_failed(state, moved, metrics), metrics


def _through_the_pools(state: TrainState, key: jax.Array, fakes: Named):
    if not state.pool:
        return fakes, state.pool
    pool, shown = {}, {}
    for name, pool_key in zip(sorted(fakes), jax.random.split(key, len(fakes)), strict=True):
        pool[name], shown[name] = swap(state.pool[name], pool_key, fakes[name])
    return shown, pool


def _move(player: Player, grads: Params, stats: Any, tx: Any, terms: Terms, name: str) -> tuple[Player, Terms]:
    params, opt, grad_norm, update_norm = update(tx, player.params, player.opt, grads)
    return Player(params, stats, opt), join(terms, {f"norm/{name}_grad": grad_norm, f"norm/{name}_update": update_norm})


def _unless_failed(before: TrainState, after: TrainState, metrics: Terms) -> TrainState:
    finite = jnp.all(jnp.stack([jnp.isfinite(value) for value in metrics.values()]))
    sound = finite & (before.failed < 0)
    chosen = jax.tree.map(lambda new, old: jnp.where(sound, new, old), after, before)
    return chosen.replace(failed=jnp.where(finite | (before.failed >= 0), before.failed, before.step))
