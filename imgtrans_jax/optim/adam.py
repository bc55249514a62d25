"""Adam, the steps of a training, and the smoothed parameters. Imports `schedules`; optax is called
in optim/ alone."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.interpreters.partial_eval import dce_jaxpr

from imgtrans_jax.optim.schedules import Constant, LinearDecay, Schedule
from imgtrans_jax.types import Params

# -------------------------------------------------------------------------------------- optimizers


@runtime_checkable
class Optimizer(Protocol):
    """How the networks of one player move in training: a rule and its learning rate. Frozen
    dataclasses that name this class as their base have all but `transformation`.

    Attributes:
        schedule: The learning rate by the position in training.
    """

    schedule: Schedule

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def by_steps(self) -> bool:
        """Whether the schedule counts steps; a schedule of one's own without a `unit` counts
        epochs.
        """
        return getattr(self.schedule, "unit", "epochs") == "steps"

    def rate(self, step: jax.typing.ArrayLike, steps_per_epoch: int, ahead: int = 0) -> jax.Array:
        """The rate that step number `step` is made with.

        Args:
            step: () integer, from 0.
            steps_per_epoch: The length of an epoch; without effect where the schedule counts steps.
            ahead: How many steps more than `step` the epochs that are done would have taken, had
                all been of the present length: not 0 for a run that began with longer or shorter
                ones.

        Returns:
            () float32.
        """
        step = jnp.asarray(step, jnp.int32)
        if self.by_steps:
            return self.schedule.at(step, jnp.zeros(()))
        step = step + ahead
        part = (step % steps_per_epoch) / jnp.float32(steps_per_epoch)
        return self.schedule.at(step // steps_per_epoch, part)

    def transformation(
        self, steps_per_epoch: int, ahead: int = 0
    ) -> optax.GradientTransformationExtraArgs:
        """Gradients to updates, for `update` below.

        The rate is that of the `step` that its update is given: the same for all moves of a critic
        within one. Without it its own updates are counted.

        Args:
            steps_per_epoch: As for `rate`.
            ahead: As for `rate`.

        Returns:
            The transformation, whose update takes `step`.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Adam(Optimizer):
    """Kingma and Ba 2015, with the momentum of 0.5 that GANs like (Radford et al. 2016).

    Attributes:
        schedule: The learning rate; by default CycleGAN's, constant and then linear towards zero.
        b1: Decay of the mean of the gradients.
        b2: Decay of the mean of their squares.
        weight_decay: Beside the gradient, as in AdamW (Loshchilov and Hutter 2019, Algorithm 2):
            each step takes rate * weight_decay of every parameter from it. 0: none.
        clip_norm: Gradients whose global L2 norm is larger are scaled down to it (Pascanu et al.
            2013, Algorithm 1). 0: none.

    Raises:
        ValueError: For a negative weight_decay or clip_norm.
    """

    schedule: Schedule = LinearDecay()
    b1: float = 0.5
    b2: float = 0.999
    weight_decay: float = 0.0
    clip_norm: float = 0.0

    def __post_init__(self) -> None:
        if min(self.weight_decay, self.clip_norm) < 0:
            raise ValueError("weight_decay and clip_norm must not be negative; 0 is none.")

    def transformation(self, steps_per_epoch: int, ahead: int = 0) -> SkippableTransformation:
        """Kingma and Ba 2015, Algorithm 1. optax's computes 1 - 0.999^t as it stands, which in
        float32 makes the first updates wrong in the fifth digit; PyTorch's and these are right in
        the seventh.

        Args:
            steps_per_epoch: As for `rate`.
            ahead: As for `rate`.

        Returns:
            The transformation, whose update takes `step` and `sound`.
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
            if self.clip_norm:
                updates = _shortened(updates, self.clip_norm)
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
            # epsilon is added behind the correction of v, as in the paper and in PyTorch
            updates = jax.tree.map(lambda m, v: rate * m / (jnp.sqrt(v) / root + 1e-8), mu, nu)
            if self.weight_decay:
                shrink = self.weight_decay * self.rate(now, steps_per_epoch, ahead)
                updates = jax.tree.map(lambda u, p: u - shrink * p, updates, params)
            # a step that is not taken is not counted either
            counts = tree_where(
                sound, (count, optax.safe_increment(schedule.count)), (adam.count, schedule.count)
            )
            return updates, (
                optax.ScaleByAdamState(counts[0], mu, nu),
                optax.ScaleByScheduleState(counts[1]),
            )

        return SkippableTransformation(init, update)


@dataclasses.dataclass(frozen=True)
class RMSProp(Optimizer):
    """Gradients by the root of their mean square (Tieleman and Hinton 2012), at the rate of WGAN
    (Arjovsky et al. 2017, Algorithm 1).

    Attributes:
        schedule: The learning rate; WGAN's 5e-5 by default.
        decay: Of the mean; 0.99 is PyTorch's, with which the authors of WGAN trained.
        clip_norm: As for Adam.

    Raises:
        ValueError: For a negative clip_norm.
    """

    schedule: Schedule = Constant(5e-5)
    decay: float = 0.99
    clip_norm: float = 0.0

    def __post_init__(self) -> None:
        if self.clip_norm < 0:
            raise ValueError("clip_norm must not be negative; 0 is none.")

    def transformation(
        self, steps_per_epoch: int, ahead: int = 0
    ) -> optax.GradientTransformationExtraArgs:
        def made(rate: jax.Array) -> optax.GradientTransformation:
            scaled = optax.rmsprop(rate, self.decay, eps=1e-8, eps_in_sqrt=False)
            clip = optax.stateless(lambda grads, _: _shortened(grads, self.clip_norm))
            return optax.chain(clip, scaled) if self.clip_norm else scaled

        return _by_rate(
            made, functools.partial(self.rate, steps_per_epoch=steps_per_epoch, ahead=ahead)
        )


Option: TypeAlias = float | bool | str | None


@dataclasses.dataclass(frozen=True)
class Optax(Optimizer):
    """Any other optimizer: one of optax by its name, such as `lion`, or what a function of one's
    own makes (learning_rate, **options) -> optax.GradientTransformation, for example a chain.

    A stored run names it as it is written here: of a name only optax's own functions are called,
    and a function of one's own is code, which is not run unasked.

    Attributes:
        factory: The name, or the function.
        schedule: The learning rate.
        options: The factory's other arguments, as pairs (name, value).

    Raises:
        ValueError: For a name that optax does not have, and for a factory that does not take these
            options or makes what no training step can use.
    """

    factory: str | Callable[..., optax.GradientTransformation] = "sgd"
    schedule: Schedule = LinearDecay()
    options: tuple[tuple[str, Option], ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for a name that optax does not have, and for a factory that does not
        take these options or makes what no training step can use.
        """
        name = getattr(self.factory, "__name__", "")
        if not isinstance(self.factory, str) and optax_factories().get(name) is self.factory:
            object.__setattr__(self, "factory", name)  # optax.lion is stored as "lion"
        if isinstance(self.factory, str) and self.factory not in optax_factories():
            near = difflib.get_close_matches(self.factory, optax_factories(), 3, 0.5)
            raise ValueError(
                f"optax has no optimizer '{self.factory}'; "
                + (f"did you mean {' or '.join(near)}?" if near else "see its documentation.")
            )
        try:
            # shapes alone: a config is made before the devices are asked for
            params = {"w": jax.ShapeDtypeStruct((2, 2), jnp.float32)}
            leaves = jax.tree.leaves(jax.eval_shape(self._tried, params))
            keeps_rate = self._keeps_its_rate(params)
        # whatever a function of others can raise for arguments that it does not take
        except Exception as error:
            raise ValueError(
                f"{self.factory} makes no optimizer of the options {dict(self.options)} here: "
                f"{type(error).__name__}: {str(error)[:200]}"
            ) from None
        if any(jnp.issubdtype(leaf.dtype, jax.dtypes.extended) for leaf in leaves):
            raise ValueError(f"The state of {self.factory} has random keys, which cannot be saved.")
        if keeps_rate:
            raise ValueError(f"{self.factory} keeps its first rate, and follows no schedule.")

    def transformation(
        self, steps_per_epoch: int, ahead: int = 0
    ) -> optax.GradientTransformationExtraArgs:
        return _by_rate(
            self._made, functools.partial(self.rate, steps_per_epoch=steps_per_epoch, ahead=ahead)
        )

    def _made(self, rate: jax.Array) -> optax.GradientTransformation:
        known = optax_factories()
        factory = known[self.factory] if isinstance(self.factory, str) else self.factory
        return factory(learning_rate=rate, **dict(self.options))

    def _keeps_its_rate(self, params: Params) -> bool:
        """Whether the state that it begins with is made of the rate."""
        rate = jax.ShapeDtypeStruct((), jnp.float32)
        begun = jax.make_jaxpr(lambda rate, params: self._made(rate).init(params))(rate, params)
        # Which inputs are left when all is taken out that the state does not come from.
        _, used = dce_jaxpr(begun.jaxpr, [True] * len(begun.jaxpr.outvars))
        return used[0]

    def _tried(self, params: Params) -> Any:
        tx = self.transformation(1)
        return tx.update(params, tx.init(params), params, step=0)[1]


@functools.cache
def optax_factories() -> dict[str, Callable[..., optax.GradientTransformation]]:
    """The functions of optax that make a whole optimizer of a learning rate, by name."""
    found = {name: getattr(optax, name) for name in dir(optax) if not name.startswith("_")}
    whole = optax.GradientTransformationExtraArgs
    return {
        name: function
        for name, function in found.items()
        if inspect.isfunction(function)
        and "learning_rate" in inspect.signature(function).parameters
        and inspect.signature(function).return_annotation in (whole, whole.__name__)
    }


def _by_rate(
    made: Callable[[jax.Array], optax.GradientTransformation],
    rate_at: Callable[[jax.typing.ArrayLike], jax.Array],
) -> optax.GradientTransformationExtraArgs:
    """What `made` makes of a rate, made anew for each update with the rate of its step: whatever
    its rule does with a rate, it does with the right one, and its state does not hold it.
    """

    def init(params: Params) -> optax.OptState:
        count = jnp.zeros((), jnp.int32)
        return made(rate_at(0)).init(params), optax.ScaleByScheduleState(count)

    def update(
        updates: Params,
        state: Any,
        params: Params | None = None,
        *,
        step: jax.typing.ArrayLike | None = None,
        **_: Any,
    ) -> tuple[Params, optax.OptState]:
        inner, schedule = state
        tx = made(rate_at(schedule.count if step is None else step))
        updates, inner = tx.update(updates, inner, params)
        return updates, (inner, optax.ScaleByScheduleState(optax.safe_increment(schedule.count)))

    return optax.GradientTransformationExtraArgs(init, update)


def _shortened(grads: Params, limit: float) -> Params:
    """Gradients whose global norm is at most `limit`."""
    scale = jnp.minimum(1.0, limit / jnp.maximum(global_norm(grads), jnp.finfo(jnp.float32).tiny))
    return jax.tree.map(lambda g: scale * g, grads)


class Transformations(NamedTuple):
    """What moves the two players.

    Attributes:
        g: What moves the generators.
        d: What moves the critics.
    """

    g: optax.GradientTransformation
    d: optax.GradientTransformation


class SkippableTransformation(optax.GradientTransformationExtraArgs):
    """One whose `update` takes `step`, and `sound`, a () bool: where that is false it returns the
    state unchanged."""


def tree_where(sound: jax.typing.ArrayLike, new: Any, old: Any) -> Any:
    """A tree's new values where `sound`, else its old.

    Args:
        sound: A () bool.
        new: A pytree of arrays.
        old: One of the same structure and shapes.

    Returns:
        A tree like both.
    """
    return jax.tree.map(lambda n, o: jnp.where(sound, n, o), new, old)


def update(
    tx: optax.GradientTransformation,
    params: Params,
    opt: optax.OptState,
    grads: Params,
    sound: jax.typing.ArrayLike = True,
    step: jax.typing.ArrayLike | None = None,
) -> tuple[Params, optax.OptState, jax.Array]:
    """One step of an optimiser, if `sound`.

    Args:
        tx: The optimiser.
        params: Its parameters.
        opt: Its state.
        grads: The gradients, a tree like `params`.
        sound: A () bool; where it is false parameters and state stay as they are.
        step: The number, from 0, of the training's step, by which a schedule goes. None: the
            optimiser's own updates are counted.

    Returns:
        The new parameters, the new state, and the update's global L2 norm, ().
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

    Args:
        tx: What moves the parameters.
        limit: From 0; 0 for none.

    Returns:
        The transformation; `tx` itself for a limit of 0.
    """
    if not limit:
        return tx

    def to_the_limits(updates: Params, params: Params) -> Params:
        return jax.tree.map(lambda u, p: jnp.clip(p + u, -limit, limit) - p, updates, params)

    return optax.chain(tx, optax.stateless(to_the_limits))


def ema_update(smoothed: Params, params: Params, decay: jax.typing.ArrayLike) -> Params:
    """Exponential moving average of parameters (Yazici et al. 2019): decay * smoothed + (1 - decay)
    * params.

    Args:
        smoothed: The average so far.
        params: The newest parameters, a tree like it.
        decay: In [0, 1): how much of the old average is kept.

    Returns:
        The new average.
    """
    return jax.tree.map(lambda s, p: decay * s + (1 - decay) * p, smoothed, params)
