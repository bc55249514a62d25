"""Learning-rate schedules by epochs or steps. Imports nothing here."""

from __future__ import annotations

import dataclasses
from typing import Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp


@runtime_checkable
class Schedule(Protocol):
    """A learning rate as a function of the position in training."""

    @property
    def epochs(self) -> int | None:
        """The length that the schedule is made for, in its unit, or None if it has none."""
        ...

    def at(self, epoch: jax.Array, part: jax.Array) -> jax.Array:
        """The rate at a position in training.

        Args:
            epoch: () int32, whole epochs (or steps) done.
            part: () float32 in [0, 1), how much of the next.

        Returns:
            () float32.
        """
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counted(Schedule):
    """The base of schedules that say what their numbers count.

    Attributes:
        unit: What these are: epochs, or steps, where a paper counts these whatever the pictures
            are.
    """

    unit: Literal["epochs", "steps"] = "epochs"


@dataclasses.dataclass(frozen=True)
class Constant(Counted):
    """The same rate throughout.

    Attributes:
        rate: The learning rate.
        length: For how many epochs; None if that is not given.
    """

    rate: float = 2e-4
    length: int | None = None

    @property
    def epochs(self) -> int | None:
        return self.length

    def at(self, epoch: jax.Array, part: jax.Array) -> jax.Array:
        return jnp.full((), self.rate)


@dataclasses.dataclass(frozen=True)
class LinearDecay(Counted):
    """Constant, then linear towards zero; the rate changes once an epoch (Zhu et al. 2017, section
    7.2).

    In epoch e, from 0: rate * (1 - max(0, e + 1 - constant_epochs) / (decay_epochs + 1)), the
    authors' code, which never gets to zero.

    Attributes:
        rate: The rate of the first epochs.
        constant_epochs: How many epochs have it.
        decay_epochs: Over how many it then falls.
        to_zero: Instead rate * (1 - max(0, e - constant_epochs) / decay_epochs): the first decay
            epoch has the full rate, and zero is where the last one ends.
    """

    rate: float = 2e-4
    constant_epochs: int = 100
    decay_epochs: int = 100
    to_zero: bool = False

    @property
    def epochs(self) -> int | None:
        return self.constant_epochs + self.decay_epochs

    def at(self, epoch: jax.Array, part: jax.Array) -> jax.Array:
        done = epoch - self.constant_epochs
        gone = (
            done / max(self.decay_epochs, 1)
            if self.to_zero
            else (done + 1) / (self.decay_epochs + 1)
        )
        return self.rate * (1 - jnp.clip(gone, 0, 1))


@dataclasses.dataclass(frozen=True)
class StepDecay(Counted):
    """The rate is multiplied by `factor` after every `every` epochs.

    Attributes:
        rate: The rate at the start.
        factor: What it is multiplied by.
        every: Epochs between two changes.
        length: Of the training, in epochs; None if that is not given.
    """

    rate: float = 2e-4
    factor: float = 0.1
    every: int = 50
    length: int | None = None

    @property
    def epochs(self) -> int | None:
        return self.length

    def at(self, epoch: jax.Array, part: jax.Array) -> jax.Array:
        return self.rate * jnp.float32(self.factor) ** (epoch // self.every)


@dataclasses.dataclass(frozen=True)
class Exponential(Counted):
    """The rate falls smoothly by `factor` an epoch.

    Attributes:
        rate: The rate at the start.
        factor: The rate after an epoch, by that before it.
    """

    rate: float = 2e-4
    factor: float = 0.99

    @property
    def epochs(self) -> int | None:
        return None

    def at(self, epoch: jax.Array, part: jax.Array) -> jax.Array:
        return self.rate * self.factor ** (epoch + part)


@dataclasses.dataclass(frozen=True)
class Cosine(Counted):
    """Half a cosine from `rate` to `final` over `length` epochs (Loshchilov and Hutter 2017,
    equation 5).

    Attributes:
        rate: The rate at the start.
        length: Epochs to the end.
        final: The rate at the end, and after it.
    """

    rate: float = 2e-4
    length: int = 200
    final: float = 0.0

    @property
    def epochs(self) -> int | None:
        return self.length

    def at(self, epoch: jax.Array, part: jax.Array) -> jax.Array:
        done = jnp.clip((epoch + part) / self.length, 0, 1)
        return self.final + (self.rate - self.final) * 0.5 * (1 + jnp.cos(jnp.pi * done))
