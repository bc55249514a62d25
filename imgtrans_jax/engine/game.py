"""A two-player game as a value: what makes CycleGAN CycleGAN, for the one training step that all
methods share.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Literal, TypeAlias

from flax import linen as nn
from flax import struct
from jaxtyping import PyTree

from imgtrans_jax.types import BatchStats, Named, Objective, Params, RandomKey

Order: TypeAlias = Literal["algorithm_1", "critics_first", "critics_last"]


@dataclasses.dataclass(frozen=True)
class Game:
    """The two modules, what the critics are shown, the two objectives, and who moves when.

    Attributes:
        generator: (batch, train) -> named float samples; holds all of the method's generators.
        critic: (views, train) -> logits under the views' names; None for a method without one.
        fakes: (batch, samples) -> generated views, by the critic's name; they pass through the
            pools.
        reals: batch -> real views, by the critic's name; {} where all that the critics are to tell
            apart is made (BiGAN).
        g_objective: (batch, samples, logits of the fakes, frozen) -> terms; `frozen` are weights
            that are never trained.
        d_objective: (real logits, fake logits) -> terms.
        order: Of the moves in a step. `critics_last` (CycleGAN): both players answer the other as
            it was, on the same samples. `critics_first` (pix2pix): the generators answer critics
            that have just moved, on the samples that moved them. `algorithm_1` (Goodfellow et al.
            2014): `critic_steps` turns of the critics, each with a minibatch and samples of its
            own, then the generators' with its own.
        critic_steps: The turns of the critics in a step; other than 1 with `algorithm_1` alone.
        critic_clip: The critics' weights are kept within this limit (WGAN), 0 for none.
        penalty: (critic function, real views, shown fake views, key) -> terms that are added to the
            critics' (WGAN-GP), or None; the function maps views to logits at the critics' present
            parameters.
        pool_size: Images kept for each critic, 0 for none.
        pool_groups: In how many independent groups.
        ema: Decay of the smoothed generator parameters, in [0, 1), 0 for none.
        learned: The generators' parameters -> the same, those that stay as they are without a
            gradient; None for learning all.

    Raises:
        ValueError: For numbers that make no game.
    """

    generator: nn.Module
    critic: nn.Module | None
    fakes: Callable[[Named, Named], Named]
    reals: Callable[[Named], Named]
    g_objective: Objective
    d_objective: Objective
    order: Order = "critics_last"
    critic_steps: int = 1
    critic_clip: float = 0.0
    penalty: Objective | None = None
    pool_size: int = 0
    pool_groups: int = 1
    ema: float = 0.0
    learned: Callable[[Params], Params] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema={self.ema} must be 0 (none) or a decay under 1, such as 0.999.")
        if self.order not in typing.get_args(Order):
            raise ValueError(
                f"order={self.order!r} is none of {', '.join(typing.get_args(Order))}."
            )
        if self.critic_steps != 1 and self.order != "algorithm_1":
            raise ValueError(
                f"critic_steps={self.critic_steps} belongs to the order algorithm_1; with "
                f"{self.order} the critics have one turn a step."
            )

    @property
    def minibatches(self) -> int:
        """How many a step takes: the rows of its batch are those of all, interleaved, so that each
        device has its share of each.
        """
        return self.critic_steps + 1 if self.order == "algorithm_1" else 1


@typing.no_type_check  # jax.tree.map puts other things than arrays in the fields
class Networks(struct.PyTreeNode):
    """What applying one side takes.

    Attributes:
        params: The parameters.
        stats: The batch statistics, {} without batch norm.
    """

    params: Params
    stats: BatchStats


def apply(
    module: nn.Module,
    params: Params,
    stats: BatchStats,
    inputs: PyTree,
    key: RandomKey | None,
    train: bool = True,
) -> tuple[PyTree, BatchStats]:
    """The module's output and its new batch statistics.

    Args:
        module: (inputs, train) -> outputs.
        params: Its parameters.
        stats: Its batch statistics.
        inputs: What it takes.
        key: Drives dropout and draws latents; it may be None where the module has neither.
        train: Whether batch norm uses the batch's own statistics and dropout drops.

    Returns:
        The outputs, and the batch statistics: the new ones in training, else `stats`.
    """
    rngs = {} if key is None else {"dropout": key, "latent": key}
    variables = {"params": params, "batch_stats": stats}
    if not train:
        return module.apply(variables, inputs, train=False, rngs=rngs), stats
    outputs, updated = module.apply(
        variables, inputs, train=True, rngs=rngs, mutable=["batch_stats"]
    )
    return outputs, updated.get("batch_stats", {})
