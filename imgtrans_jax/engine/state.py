"""The train state: arrays and nothing else, so that it can be donated, sharded, saved and compared
bit by bit.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import TypeAlias

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from flax.errors import ScopeParamShapeError
from jaxtyping import Array, Int32, PyTree

from imgtrans_jax.engine.game import Game, Networks
from imgtrans_jax.engine.pool import ImagePool, empty_pool
from imgtrans_jax.optim.adam import Transformations, clipped
from imgtrans_jax.types import BatchStats, Named, OptState, Params, RandomKey

Pools: TypeAlias = Mapping[str, ImagePool]
"""By the critics' names; {} for methods without one."""

Shapes: TypeAlias = Mapping[str, jax.Array | jax.ShapeDtypeStruct]
"""A batch of which the shapes and types alone matter."""


@typing.no_type_check  # jax.tree.map puts other things than arrays in the fields
class Player(struct.PyTreeNode):
    """All networks of one side.

    Attributes:
        params: Their parameters.
        stats: Their batch statistics, {} without batch norm.
        opt: The optimiser's state.
    """

    params: Params
    stats: BatchStats
    opt: OptState


@typing.no_type_check  # as `Player`
class TrainState(struct.PyTreeNode):
    """All that training changes. There is no random key: it follows from the seed and the step.

    Attributes:
        step: Completed updates.
        failed: The step whose loss or gradient was not finite, or -1; from then on
            updates leave the state as it is.
        g: The generators.
        d: The critics; their parameters are {} for a method without one.
        pool: What the critics were shown.
        ema: The smoothed generators, or None.
    """

    step: Int32[Array, ""]
    failed: Int32[Array, ""]
    g: Player
    d: Player
    pool: Pools
    ema: Networks | None

    @property
    def generators(self) -> Networks:
        """Those to be used: the smoothed ones if there are any."""
        return self.ema or Networks(self.g.params, self.g.stats)


def _new_networks(
    module: nn.Module | None, inputs: PyTree, key: RandomKey
) -> tuple[PyTree, Networks]:
    if module is None:
        return {}, Networks({}, {})
    params_key, dropout_key = jax.random.split(key)
    rngs = {"params": params_key, "dropout": dropout_key, "latent": dropout_key}
    outputs, variables = module.init_with_output(rngs, inputs, train=True)
    return outputs, Networks(variables.get("params", {}), variables.get("batch_stats", {}))


def _minibatch(game: Game, batch: Shapes) -> Named:
    return {
        name: jnp.zeros((x.shape[0] // game.minibatches, *x.shape[1:]), x.dtype)
        for name, x in batch.items()
    }


def network_shapes(game: Game, batch: Shapes, critics: bool = True) -> tuple[Networks, Networks]:
    """The generators' and the critics' parameters and statistics.

    Args:
        game: The game.
        batch: As for `init_state`.
        critics: Whether theirs are wanted; else they are {}, and are not traced.

    Returns:
        Networks of jax.ShapeDtypeStruct: the generators', the critics'.
    """

    def both() -> tuple[Networks, Networks]:
        key, part = jax.random.key(0), _minibatch(game, batch)
        samples, g = _new_networks(game.generator, part, key)
        fakes = game.fakes(part, samples) if critics else {}
        return g, _new_networks(game.critic if critics else None, fakes, key)[1]

    return jax.eval_shape(both)


def init_state(game: Game, tx: Transformations, batch: Shapes, key: RandomKey) -> TrainState:
    """The state before the first update of a game.

    Call it under `jax.jit`: every leaf then has a buffer of its own and can be donated, and the
    networks' outputs are never computed.

    Args:
        game: The game.
        tx: What moves the players.
        batch: Gives the shapes alone, of all minibatches together, as arrays or
            jax.ShapeDtypeStruct.
        key: Draws the first weights.

    Returns:
        The state at step 0.

    Raises:
        ValueError: If what the generators make and the data differ in shape.
    """
    g_key, d_key = jax.random.split(key)
    batch = _minibatch(game, batch)
    try:
        samples, g = _new_networks(game.generator, batch, g_key)
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
        if name in reals and fake.shape != reals[name].shape:
            made, real = ("x".join(map(str, x.shape[1:])) for x in (fake, reals[name]))
            raise ValueError(
                f"The critic {name} would see {made} of the generator and {real} of the data: "
                "make config.recipe.generator (size, channels) and config.data (cut, channels) "
                "agree."
            )
    _, d = _new_networks(game.critic, fakes, d_key)
    d_tx = clipped(tx.d, game.critic_clip)
    pool = {}
    if game.pool_size and game.critic is not None:
        pool = {
            name: empty_pool(game.pool_size, game.pool_groups, fake.shape[1:])
            for name, fake in fakes.items()
        }
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        failed=jnp.full((), -1, jnp.int32),
        g=Player(g.params, g.stats, tx.g.init(g.params)),
        d=Player(d.params, d.stats, d_tx.init(d.params)),
        pool=pool,
        ema=jax.tree.map(jnp.copy, Networks(g.params, g.stats)) if game.ema else None,
    )
