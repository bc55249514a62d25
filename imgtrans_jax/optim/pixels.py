"""The optimisers of pixels. Imports nothing here."""

from __future__ import annotations

import dataclasses
import math
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jax import lax


@runtime_checkable
class PixelOptimizer(Protocol):
    """How an image is optimised. Where `searches` is set a step that would raise the loss is
    shortened instead of taken.
    """

    @property
    def searches(self) -> bool: ...

    def transformation(self, steps: int) -> optax.GradientTransformation:
        """For a run of `steps` gradient evaluations."""
        ...


@dataclasses.dataclass(frozen=True)
class PixelAdam(PixelOptimizer):
    """Kingma and Ba 2015, on pixels.

    Attributes:
        rate: About how far a value in [0, 1] moves a step.
        b1: Decay of the mean of the gradients.
        b2: Decay of the mean of their squares.
        cooling: The share of the run, in [0, 1] and at its end, over which the rate falls along
            half a cosine to a hundredth, which settles the noise.
    """

    rate: float = 0.02
    b1: float = 0.9
    b2: float = 0.99
    cooling: float = 0.5

    @property
    def searches(self) -> bool:
        return False

    def transformation(self, steps: int) -> optax.GradientTransformation:
        last = max(round(steps * self.cooling), 1)
        schedule = optax.join_schedules(
            [
                optax.constant_schedule(self.rate),
                optax.cosine_decay_schedule(self.rate, last, 0.01),
            ],
            [steps - last],
        )
        return optax.adam(schedule, b1=self.b1, b2=self.b2, eps=1e-8)


@dataclasses.dataclass(frozen=True)
class LBFGS(PixelOptimizer):
    """Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.4).

    Attributes:
        memory: How many pairs are kept.
    """

    memory: int = 20

    @property
    def searches(self) -> bool:
        return True

    def transformation(self, steps: int) -> optax.GradientTransformation:
        return optax.lbfgs(1.0, memory_size=self.memory, linesearch=None)


@dataclasses.dataclass(frozen=True)
class GradientDescent(PixelOptimizer):
    """The image minus `rate` times the gradient.

    Attributes:
        rate: The factor, above 0.
    """

    rate: float = 1.0

    @property
    def searches(self) -> bool:
        return False

    def transformation(self, steps: int) -> optax.GradientTransformation:
        return optax.sgd(self.rate)


@dataclasses.dataclass(frozen=True)
class SmoothedDescent(PixelOptimizer):
    """Deep Dream's step: the gradient, smoothed by Gaussians that are summed, by its mean absolute
    value.

    Attributes:
        rate: How far a step moves a value in [0, 1] on average, however steep the objective is.
        sigmas: Standard deviations of the Gaussians, in pixels.
    """

    rate: float = 0.01
    sigmas: tuple[float, ...] = (0.5, 1.0, 2.0)

    @property
    def searches(self) -> bool:
        return False

    def transformation(self, steps: int) -> optax.GradientTransformation:
        def smoothed(gradient: jax.Array) -> jax.Array:
            total = sum(
                (blur(gradient, sigma) for sigma in self.sigmas), start=jnp.zeros_like(gradient)
            )
            return total / jnp.maximum(jnp.mean(jnp.abs(total)), jnp.finfo(total.dtype).tiny)

        return optax.chain(
            optax.stateless(lambda gradients, _: jax.tree.map(smoothed, gradients)),
            optax.scale(-self.rate),
        )


def blur(images: jax.Array, sigma: float) -> jax.Array:
    """Images smoothed by a Gaussian, their edges repeated outwards.

    Args:
        images: (N, H, W, C).
        sigma: The standard deviation in pixels, above 0. The window reaches 3 sigma.

    Returns:
        Images of the same shape.
    """
    reach = max(1, round(3 * sigma))
    taps = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(-reach, reach + 1)]
    for axis in (1, 2):
        width = [(reach, reach) if a == axis else (0, 0) for a in range(4)]
        padded = jnp.pad(images, width, mode="edge")
        parts = (
            tap / sum(taps) * lax.slice_in_dim(padded, i, i + images.shape[axis], axis=axis)
            for i, tap in enumerate(taps)
        )
        images = sum(parts, start=jnp.zeros_like(images))
    return images
