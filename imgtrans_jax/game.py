"""A two-player game as a value: what makes CycleGAN CycleGAN, for the one training step that all methods share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import optax
from flax import linen as nn

from imgtrans_jax.types import Named, Objective


@dataclasses.dataclass(frozen=True)
class Game:
    """The two modules, what the critics are shown, the two objectives and optimisers.

    generator: (batch, train) -> named float samples; holds all of the method's generators.
    critic: (views, train) -> logits under the views' names; None for a method without one.
    fakes: (batch, samples) -> generated views, by the critic's name; they pass through the pools.
    reals: batch -> real views, by the critic's name.
    g_objective: (batch, samples, logits of the fakes, frozen) -> terms; `frozen` are weights that are never trained.
    d_objective: (real logits, fake logits) -> terms.
    pool_size, pool_groups: images kept for each critic (0: none), and in how many independent groups.
    critic_first: whether the critic moves before the generator (pix2pix, GAN) or after it (CycleGAN).
    ema: decay of the smoothed generator parameters, 0 for none.
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
    ema: float = 0.0
