"""Adam, the steps of a training, and the smoothed parameters. Imports `schedules`; optax is called
in optim/ alone."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from imgtrans_jax.optim.schedules import LinearDecay, Schedule
from imgtrans_jax.types import Params


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

    def transformation(self, steps_per_epoch: int, ahead: int = 0) -> SkippableTransformation:
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
            mu, nu = lax.optimization_barrier(tree_where(sound, (mu, nu), (adam.mu, adam.nu)))
            first, second = (
                -jnp.expm1(count * math.log(b)) if b else 1.0 for b in (self.b1, self.b2)
            )
            now = schedule.count if step is None else step
            rate, root = -self.rate(now, steps_per_epoch, ahead) / first, jnp.sqrt(second)
            updates = jax.tree.map(lambda m, v: rate * m / (jnp.sqrt(v) / root + 1e-8), mu, nu)
            counts = tree_where(
                sound, (count, optax.safe_increment(schedule.count)), (adam.count, schedule.count)
            )
            return updates, (
                optax.ScaleByAdamState(counts[0], mu, nu),
                optax.ScaleByScheduleState(counts[1]),
            )

        return SkippableTransformation(init, update)


class SkippableTransformation(optax.GradientTransformationExtraArgs):
    """One whose `update` takes `step`, and `sound`, a () bool: where that is false it returns the
    state unchanged."""


def tree_where(sound: jax.typing.ArrayLike, new: Any, old: Any) -> Any:
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
    if isinstance(tx, SkippableTransformation):
        updates, moved = tx.update(grads, opt, params, sound=sound, step=step)
    else:
        updates, moved = optax.with_extra_args_support(tx).update(grads, opt, params, step=step)
        moved = tree_where(sound, moved, opt)
    return (
        tree_where(sound, optax.apply_updates(params, updates), params),
        moved,
        global_norm(updates),
    )


def global_norm(tree: Params) -> jax.Array:
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


def ema_update(smoothed: Params, params: Params, decay: jax.typing.ArrayLike) -> Params:
    """Exponential moving average of parameters (Yazici et al. 2019): decay * smoothed + (1 - decay)
    * params.
    """
    return jax.tree.map(lambda s, p: decay * s + (1 - decay) * p, smoothed, params)
