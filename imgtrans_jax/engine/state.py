"""The train state: arrays and nothing else, so that it can be donated, sharded, saved and compared
bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from flax.errors import ScopeParamShapeError

from imgtrans_jax.engine.game import Game, Networks
from imgtrans_jax.engine.pool import ImagePool, empty_pool
from imgtrans_jax.types import Params


class Player(struct.PyTreeNode):
    """All networks of one side. params, stats (batch statistics, {} without batch norm) and the
    optimiser's state.
    """

    params: Params
    stats: Any
    opt: Any


class TrainState(struct.PyTreeNode):
    """step: () int32, completed updates. failed: () int32, the step whose loss or gradient was not
    finite, or -1; from then on updates leave the state as it is. pool: by the critics' names, {}
    for methods without one. ema: the smoothed generators, or None. There is no random key: it
    follows from the seed and the step.
    """

    step: jax.Array
    failed: jax.Array
    g: Player
    d: Player
    pool: Mapping[str, ImagePool]
    ema: Networks | None

    @property
    def generators(self) -> Networks:
        """Those to be used: the smoothed ones if there are any."""
        return self.ema or Networks(self.g.params, self.g.stats)


def _new_player(
    module: nn.Module | None, inputs: Any, key: jax.Array, tx: Any
) -> tuple[Any, Player]:
    if module is None:
        return {}, Player({}, {}, tx.init({}))
    params_key, dropout_key = jax.random.split(key)
    rngs = {"params": params_key, "dropout": dropout_key, "latent": dropout_key}
    outputs, variables = module.init_with_output(rngs, inputs, train=True)
    params = variables.get("params", {})
    return outputs, Player(params, variables.get("batch_stats", {}), tx.init(params))


def _minibatch(game: Game, batch: Mapping[str, Any]) -> dict[str, jax.Array]:
    return {
        name: jnp.zeros((x.shape[0] // game.minibatches, *x.shape[1:]), x.dtype)
        for name, x in batch.items()
    }


def generator_shapes(game: Game, batch: Mapping[str, Any]) -> Networks:
    """The generators' parameters and statistics as jax.ShapeDtypeStruct; `batch` as for
    `init_state`.
    """
    g = jax.eval_shape(
        lambda: _new_player(game.generator, _minibatch(game, batch), jax.random.key(0), game.g_tx)[
            1
        ]
    )
    return Networks(g.params, g.stats)


def init_state(game: Game, batch: Mapping[str, Any], key: jax.Array) -> TrainState:
    """The state before the first update. `batch` gives the shapes alone, of all minibatches
    together, as arrays or jax.ShapeDtypeStruct.

    Call it under `jax.jit`: every leaf then has a buffer of its own and can be donated, and the
    networks' outputs are never computed. Raises ValueError if what the generators make and the data
    differ in shape.
    """
    g_key, d_key = jax.random.split(key)
    batch = _minibatch(game, batch)
    try:
        samples, g = _new_player(game.generator, batch, g_key, game.g_tx)
    except ScopeParamShapeError:  # a network that is applied to pictures and to what another made
        channels = " and ".join(
            str(c) for c in sorted({x.shape[-1] for x in batch.values() if x.ndim == 4})
        )
        raise ValueError(
            f"The pictures have {channels} channels, and the generators make pictures of others: "
            f"make config.recipe.generator.channels ({channels}) and config.data agree."
        ) from None
    fakes, reals = game.fakes(batch, samples), game.reals(batch)
    for name, fake in fakes.items():
        if fake.shape != reals[name].shape:
            made, real = ("x".join(map(str, x.shape[1:])) for x in (fake, reals[name]))
            raise ValueError(
                f"The critic {name} would see {made} of the generator and {real} of the data: "
                "make config.recipe.generator (size, channels) and config.data (cut, channels) "
                "agree."
            )
    _, d = _new_player(game.critic, fakes, d_key, game.d_tx)
    pool = {}
    if game.pool_size and game.critic is not None:
        pool = {
            name: empty_pool(game.pool_size, game.pool_groups, fake.shape[1:])
            for name, fake in fakes.items()
        }
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        failed=jnp.full((), -1, jnp.int32),
        g=g,
        d=d,
        pool=pool,
        ema=jax.tree.map(jnp.copy, Networks(g.params, g.stats)) if game.ema else None,
    )
