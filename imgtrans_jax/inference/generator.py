"""A trained generator as a value. Imports config and engine."""

from __future__ import annotations

import dataclasses
from typing import Any

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.engine.game import Networks
from imgtrans_jax.types import Params


@dataclasses.dataclass(frozen=True)
class TrainedGenerator:
    """The generator player of a training.

    Attributes:
        experiment: That it was trained by.
        params: Its parameters, the smoothed ones if it has them.
        stats: Its batch statistics.
        batch: The shapes that it was trained on, by name.
        critics: Those of its training, where the source has them.
        step: How far its training had come, where the source knows it.
        best_size: Pixels of the shorter side that a much larger picture is worked at; None for its
            own.
    """

    experiment: Experiment
    params: Params
    stats: Any
    batch: dict[str, list[int]]
    critics: Networks | None = None
    step: int | None = None
    best_size: int | None = None
