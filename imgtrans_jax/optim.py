"""Learning-rate schedules, optimisers and the smoothed parameters. The only file that knows optax's
calls.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jax import lax

from imgtrans_jax.types import Params

__all__ = [
    "LBFGS", "Adam", "Constant", "Cosine", "Exponential", "GradientDescent", "LinearDecay",
    "PixelAdam", "PixelOptimizer", "Schedule", "SmoothedDescent", "StepDecay",
]  # fmt: skip


@runtime_checkable
class Schedule(Protocol):
    """A learning rate as a function of the position in training."""

    @property
    def epochs(self) -> int | None:
        """The length that the schedule is made for, in its unit, or None if it has none."""
        ...

    def at(self, epoch: jax.Array, part: jax.Array) -> jax.Array:
        """epoch: () int32, whole epochs (or steps) done. part: () float32 in [0, 1), how much of
        the next. Returns a () float32."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counted(Schedule):
    """unit: what the numbers of a schedule count: epochs, or steps, where a paper counts these
    whatever the pictures are."""

    unit: Literal["epochs", "steps"] = "epochs"


@dataclasses.dataclass(frozen=True)
class Constant(Counted):
    """The same rate throughout, for `length` epochs if that is given."""

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
    authors' code, which never gets to zero; with `to_zero` rate * (1 - max(0, e - constant_epochs)
    / decay_epochs): the first decay epoch has the full rate, and zero is where the last one ends.
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
    """The rate is multiplied by `factor` after every `every` epochs; `length` epochs if that is
    given.
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
    """The rate falls smoothly by `factor` an epoch."""

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


@dataclasses.dataclass(frozen=True)
class Adam:
    """Kingma and Ba 2015, with the momentum of 0.5 that GANs like (Radford et al. 2016)."""

    schedule: Schedule = LinearDecay()
    b1: float = 0.5
    b2: float = 0.999

    @property
    def by_steps(self) -> bool:
        """Whether the schedule counts steps; a schedule of one's own without a `unit` counts
        epochs.
        """
        return getattr(self.schedule, "unit", "epochs") == "steps"

    def rate(self, step: jax.typing.ArrayLike, steps_per_epoch: int, ahead: int = 0) -> jax.Array:
        """The rate that step number `step`, from 0, is made with: () float32.

        ahead: how many steps more than `step` the epochs that are done would have taken, had all
        been of the present length: not 0 for a run that began with longer or shorter ones.
        """
        step = jnp.asarray(step, jnp.int32)
        if self.by_steps:
            return self.schedule.at(step, jnp.zeros(()))
        step = step + ahead
        part = (step % steps_per_epoch) / jnp.float32(steps_per_epoch)
        return self.schedule.at(step // steps_per_epoch, part)

    def transformation(self, steps_per_epoch: int, ahead: int = 0) -> Guarded:
        """Kingma and Ba 2015, Algorithm 1. optax's computes 1 - 0.999^t as it stands, which in
        float32 makes the first updates wrong in the fifth digit; PyTorch's and these are right in
        the seventh.

        The rate is that of the `step` that its update is given: the same for all moves of a critic
        within one. Without it its own updates are counted. ahead: as for `rate`.
        """

        def init(params: Params) -> optax.OptState:
            return optax.scale_by_adam(self.b1, self.b2).init(params), optax.ScaleByScheduleState(
                jnp.zeros((), jnp.int32)
            )

        def update(
            updates: Params,
            state: Any,
            params: Params | None = None,
            *,
            sound: jax.typing.ArrayLike = True,
            step: jax.typing.ArrayLike | None = None,
            **_: Any,
        ) -> tuple[Params, optax.OptState]:
            adam, schedule = state
            count = optax.safe_increment(adam.count)
            mu = jax.tree.map(lambda g, m: self.b1 * m + (1 - self.b1) * g, updates, adam.mu)
            nu = jax.tree.map(lambda g, v: self.b2 * v + (1 - self.b2) * g * g, updates, adam.nu)
            # What the updates are made from is what is stored, in place: without the barrier a CPU
            # computes it twice and copies the old.
            mu, nu = lax.optimization_barrier(chosen(sound, (mu, nu), (adam.mu, adam.nu)))
            first, second = (
                -jnp.expm1(count * math.log(b)) if b else 1.0 for b in (self.b1, self.b2)
            )
            now = schedule.count if step is None else step
            rate, root = -self.rate(now, steps_per_epoch, ahead) / first, jnp.sqrt(second)
            updates = jax.tree.map(lambda m, v: rate * m / (jnp.sqrt(v) / root + 1e-8), mu, nu)
            counts = chosen(
                sound, (count, optax.safe_increment(schedule.count)), (adam.count, schedule.count)
            )
            return updates, (
                optax.ScaleByAdamState(counts[0], mu, nu),
                optax.ScaleByScheduleState(counts[1]),
            )

        return Guarded(init, update)


class Guarded(optax.GradientTransformationExtraArgs):
    """One whose `update` takes `step`, and `sound`, a () bool: where that is false it returns the
    state unchanged."""


def chosen(sound: jax.typing.ArrayLike, new: Any, old: Any) -> Any:
    """A tree's new values where `sound`, a () bool, else its old."""
    return jax.tree.map(lambda n, o: jnp.where(sound, n, o), new, old)


def update(
    tx: optax.GradientTransformation,
    params: Params,
    opt: optax.OptState,
    grads: Params,
    sound: jax.typing.ArrayLike = True,
    step: jax.typing.ArrayLike | None = None,
) -> tuple[Params, optax.OptState, jax.Array]:
    """One step of an optimiser, if `sound`: the new parameters and state, and the update's global
    L2 norm. step: the number, from 0, of the training's step, by which a schedule goes.
    """
    if isinstance(tx, Guarded):
        updates, moved = tx.update(grads, opt, params, sound=sound, step=step)
    else:
        updates, moved = optax.with_extra_args_support(tx).update(grads, opt, params, step=step)
        moved = chosen(sound, moved, opt)
    return chosen(sound, optax.apply_updates(params, updates), params), moved, norm(updates)


def norm(tree: Params) -> jax.Array:
    """The L2 norm of all leaves together, as one product each: a sum of squares is four operations
    to compile.
    """
    leaves = (x.ravel() for x in jax.tree.leaves(tree))
    return jnp.sqrt(sum((jnp.vdot(x, x, precision="highest") for x in leaves), start=jnp.zeros(())))


def clipped(tx: optax.GradientTransformation, limit: float) -> optax.GradientTransformation:
    """`tx`, after which every parameter lies in [-limit, limit] (Arjovsky et al. 2017, Algorithm
    1).
    """

    def to_the_limits(updates: Params, params: Params) -> Params:
        return jax.tree.map(lambda u, p: jnp.clip(p + u, -limit, limit) - p, updates, params)

    return optax.chain(tx, optax.stateless(to_the_limits))


def smooth(smoothed: Params, params: Params, decay: jax.typing.ArrayLike) -> Params:
    """Exponential moving average of parameters (Yazici et al. 2019): decay * smoothed + (1 - decay)
    * params.
    """
    return jax.tree.map(lambda s, p: decay * s + (1 - decay) * p, smoothed, params)


# ------------------------------------------------------------------------------------------- pixels


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
    """Kingma and Ba 2015, on pixels: `rate` is about how far a value in [0, 1] moves a step.

    Over the last `cooling` of the run the rate falls along half a cosine to a hundredth, which
    settles the noise.
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
    """Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.4) with `memory` pairs kept."""

    memory: int = 20

    @property
    def searches(self) -> bool:
        return True

    def transformation(self, steps: int) -> optax.GradientTransformation:
        return optax.lbfgs(1.0, memory_size=self.memory, linesearch=None)


@dataclasses.dataclass(frozen=True)
class GradientDescent(PixelOptimizer):
    """The image minus `rate` times the gradient."""

    rate: float = 1.0

    @property
    def searches(self) -> bool:
        return False

    def transformation(self, steps: int) -> optax.GradientTransformation:
        return optax.sgd(self.rate)


@dataclasses.dataclass(frozen=True)
class SmoothedDescent(PixelOptimizer):
    """Deep Dream's step: the gradient, smoothed by Gaussians of `sigmas` pixels that are summed, by
    its mean absolute value.

    A step moves a value in [0, 1] by `rate` on average, however steep the objective is.
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
    """(N, H, W, C) smoothed by a Gaussian, its edges repeated outwards."""
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
