"""A two-player game as a value: what makes CycleGAN CycleGAN, for the one training step that all
methods share.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import optax
from flax import linen as nn
from flax import struct

from imgtrans_jax.types import Named, Objective, Params


@dataclasses.dataclass(frozen=True)
class Game:
    """The two modules, what the critics are shown, the two objectives and optimisers.

    generator: (batch, train) -> named float samples; holds all of the method's generators.
    critic: (views, train) -> logits under the views' names; None for a method without one.
    fakes: (batch, samples) -> generated views, by the critic's name; they pass through the pools.
    reals: batch -> real views, by the critic's name.
    g_objective: (batch, samples, logits of the fakes, frozen) -> terms; `frozen` are weights that
    are never trained. d_objective: (real logits, fake logits) -> terms.
    penalty: (critic function, real views, shown fake views, key) -> terms that are added to the
    critics' (WGAN-GP), or None; the function maps views to logits at the critics' present
    parameters.
    pool_size, pool_groups: images kept for each critic (0: none), and in how many independent
    groups. critic_first: whether the critic moves before the generator (pix2pix, GAN) or after it
    (CycleGAN). fresh: Goodfellow et al.'s Algorithm 1: `critic_steps` turns of the critic, each
    with a minibatch and samples of its own, then the generator's with its own. Without it the
    critic has one turn, on the samples that the generator is judged by. ema: decay of the smoothed
    generator parameters, 0 for none.
    """

    generator: nn.Module
    critic: nn.Module | None
    fakes: Callable[[Named, Named], Named]
    reals: Callable[[Named], Named]
    g_objective: Objective
    d_objective: Objective
    g_tx: optax.GradientTransformation
    d_tx: optax.GradientTransformation
    pool_size: int = 0
    pool_groups: int = 1
    critic_first: bool = False
    fresh: bool = False
    critic_steps: int = 1
    penalty: Objective | None = None
    ema: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema={self.ema} must be 0 (none) or a decay under 1, such as 0.999.")

    @property
    def minibatches(self) -> int:
        """How many a step takes: the rows of its batch are those of all, interleaved, so that each
        device has its share of each.
        """
        return self.critic_steps + 1 if self.fresh else 1


class Networks(struct.PyTreeNode):
    """What applying one side takes: params and stats."""

    params: Params
    stats: Any


def apply(
    module: nn.Module,
    params: Params,
    stats: Any,
    inputs: Any,
    key: jax.Array | None,
    train: bool = True,
) -> tuple[Any, Any]:
    """The module's output and its new batch statistics. `key` drives dropout and draws latents; it
    may be None where the module has neither.
    """
    rngs = {} if key is None else {"dropout": key, "latent": key}
    variables = {"params": params, "batch_stats": stats}
    if not train:
        return module.apply(variables, inputs, train=False, rngs=rngs), stats
    outputs, updated = module.apply(
        variables, inputs, train=True, rngs=rngs, mutable=["batch_stats"]
    )
    return outputs, updated.get("batch_stats", {})
