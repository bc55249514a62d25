"""A trained generator as a value. Imports config and engine."""

from __future__ import annotations

import dataclasses
from typing import Any

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.engine.game import Networks
from imgtrans_jax.types import Params


@dataclasses.dataclass(frozen=True)
class TrainedGenerator:
    """The generator player of a training: its experiment, parameters (the smoothed ones if it has
    them), batch statistics.

    batch: the shapes that it was trained on, by name. critics: those of its training, and step: how
    far it had come, where the source has them.
    """

    experiment: Experiment
    params: Params
    stats: Any
    batch: dict[str, list[int]]
    critics: Networks | None = None
    step: int | None = None
