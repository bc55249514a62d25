"""optimize_image: the pixels of an image against an objective, with the networks frozen. Gatys and
Deep Dream share it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from imgtrans_jax.losses.compose import total
from imgtrans_jax.optim.pixels import PixelOptimizer
from imgtrans_jax.types import Objective, Terms, UnitImages

# of the range, root mean square: the first step of a searching optimiser, which knows no scale yet
FIRST_STEP = 0.01
ARMIJO_C1 = 1e-4  # Armijo's constant (Nocedal and Wright 2006, equation 3.4)
DIVERGED_FACTOR = 10.0  # times the best loss, at CHECK_EVERY checks: diverged
CHECK_EVERY = 10

Watch = Callable[[int, dict[str, float], UnitImages], None]
Each = Callable[[int], bool]


class LineSearchState(struct.PyTreeNode):
    """Where an optimisation stands: at `image`, about to try `image + scale * direction`.

    Attributes:
        image: (N, H, W, 3).
        loss: () at `image`.
        direction: (N, H, W, 3).
        slope: () gradient times direction.
        scale: ().
        opt: State of the optimizer's transformation.
        tried: () int32, evaluations so far.
        best: (N, H, W, 3), the image of the least loss.
        best_loss: () at `best`.
        best_at: () int32, which evaluation gave `best`, from 0.
    """

    image: jax.Array
    loss: jax.Array  # () at image
    direction: jax.Array
    slope: jax.Array  # () gradient times direction
    scale: jax.Array  # ()
    opt: Any
    tried: jax.Array  # () int32, evaluations so far
    best: jax.Array
    best_loss: jax.Array
    best_at: jax.Array  # () int32, which evaluation


@dataclasses.dataclass(frozen=True)
class Optimized:
    """What an optimisation came to.

    Attributes:
        image: The best that was seen, (N, H, W, 3).
        last: Where the run stopped, (N, H, W, 3).
        history: Every term and the `total` at each evaluation, (evaluations,).
        best_at: Which evaluation gave the best, from 0.
        diverged: The evaluation, from 1, at which the loss had exploded and the run was ended; None
            if it never did.
    """

    image: UnitImages
    last: UnitImages
    history: dict[str, np.ndarray]
    best_at: int
    diverged: int | None


def start(image: UnitImages, optimizer: PixelOptimizer, steps: int) -> LineSearchState:
    """The state at `image`, before the first evaluation, which will be of the image itself.

    Args:
        image: (N, H, W, 3), float in [0, 1].
        optimizer: Of the pixels.
        steps: The run's length, for the optimizer's schedule.

    Returns:
        The state, with infinite losses.
    """
    infinite = jnp.full((), jnp.inf, image.dtype)
    zero = jnp.zeros((), image.dtype)
    return LineSearchState(
        image=image,
        loss=infinite,
        direction=jnp.zeros_like(image),
        slope=zero,
        scale=zero,
        opt=optimizer.transformation(steps).init(image),
        tried=jnp.zeros((), jnp.int32),
        best=image,
        best_loss=infinite,
        best_at=jnp.zeros((), jnp.int32),
    )


def step(
    objective: Objective,
    optimizer: PixelOptimizer,
    steps: int,
    clip: bool,
    walk: LineSearchState,
    frozen: Any,
) -> tuple[LineSearchState, Terms]:
    """One evaluation of the objective and its gradient; and one step, unless a line search refuses
    it.

    The line search backtracks over evaluations rather than within one: nothing is computed twice,
    there is one program for all, and no convolution inside a `while`, which XLA:CPU would run
    several times slower.

    Args:
        objective: (image, frozen, key) -> terms.
        optimizer: Of the pixels.
        steps: The run's length, for the optimizer's schedule.
        clip: Keeps the pixels in [0, 1].
        walk: The state.
        frozen: What the objective needs besides.

    Returns:
        The next state; and the terms and their `total` at this evaluation.
    """

    def loss(image: jax.Array) -> tuple[jax.Array, Terms]:
        terms = objective(image, frozen, jax.random.fold_in(jax.random.key(0), walk.tried))
        return total(terms), terms

    # At first both factors are 0: the image itself is evaluated.
    candidate = walk.image + walk.scale * walk.direction
    if clip:
        candidate = jnp.clip(candidate, 0, 1)
    (value, terms), gradient = jax.value_and_grad(loss, has_aux=True)(candidate)
    better = value < walk.best_loss
    walk = walk.replace(
        tried=walk.tried + 1,
        best=jnp.where(better, candidate, walk.best),
        best_loss=jnp.where(better, value, walk.best_loss),
        best_at=jnp.where(better, walk.tried, walk.best_at),
    )
    take = functools.partial(_accept, optimizer, steps, candidate, value, gradient)
    if optimizer.searches:
        enough = value <= walk.loss + ARMIJO_C1 * walk.scale * walk.slope
        walk = jax.lax.cond(enough, take, functools.partial(_backtrack, value), walk)
    else:
        walk = take(walk)
    return walk, terms | {"total": value}


def _accept(
    optimizer: PixelOptimizer,
    steps: int,
    candidate: jax.Array,
    value: jax.Array,
    gradient: jax.Array,
    walk: LineSearchState,
) -> LineSearchState:
    direction: Any
    direction, opt = optimizer.transformation(steps).update(gradient, walk.opt, candidate)
    scale = jnp.ones_like(walk.scale)
    slope = jnp.vdot(gradient, direction)
    if optimizer.searches:
        # Where the curvature was negative the direction may point up; then, and at first, straight
        # down by a known length.
        blind = (slope >= 0) | jnp.isinf(walk.loss) | ~jnp.isfinite(slope)
        direction = jnp.where(blind, -gradient, direction)
        slope = jnp.where(blind, -jnp.vdot(gradient, gradient), slope)
        length = jnp.sqrt(jnp.mean(jnp.square(direction)))
        scale = jnp.where(
            blind, FIRST_STEP / jnp.maximum(length, jnp.finfo(length.dtype).tiny), scale
        )
    return walk.replace(
        image=candidate, loss=value, direction=direction, slope=slope, scale=scale, opt=opt
    )


def _backtrack(value: jax.Array, walk: LineSearchState) -> LineSearchState:
    """The minimum of the parabola through both losses and the slope, between a tenth and a half of
    the scale.
    """
    # An infinite loss makes the fraction 0, one that is not a number a tenth: a tenth, both.
    curvature = value - walk.loss - walk.scale * walk.slope
    fraction = jnp.nan_to_num(-walk.scale * walk.slope / (2 * curvature), nan=0.1)
    return walk.replace(scale=walk.scale * jnp.clip(fraction, 0.1, 0.5))


def lower_step(
    objective: Objective,
    image: Any,
    frozen: Any,
    optimizer: PixelOptimizer,
    steps: int,
    clip: bool = True,
) -> jax.stages.Lowered:
    """The traced step for images and frozen arrays of these shapes, which compiles to
    (walk, frozen) -> (next walk, terms); the memory of its first argument is taken over.

    Args:
        objective: As for `step`.
        image: (N, H, W, 3), or its shape and type.
        frozen: What the objective needs besides, or its shapes and types.
        optimizer: As for `step`.
        steps: As for `step`.
        clip: As for `step`.

    Returns:
        To be compiled, in any thread.
    """
    one = functools.partial(step, objective, optimizer, steps, clip)
    like = jax.eval_shape(functools.partial(start, optimizer=optimizer, steps=steps), image)
    return jax.jit(one, donate_argnums=0).lower(like, frozen)


def optimize_many(
    objective: Objective,
    image: jax.typing.ArrayLike,
    frozen: Mapping[str, Any],
    varied: Mapping[str, Any],
    optimizer: PixelOptimizer,
    steps: int,
    *,
    clip: bool = True,
    watch: Callable[[int], object] | None = None,
) -> tuple[UnitImages, dict[str, np.ndarray]]:
    """The same optimisation many times side by side, in one program.

    Args:
        objective: As for `step`.
        image: (N, H, W, 3), where all begin.
        frozen: What all share of that which the objective needs.
        varied: The entries of it that differ, with a leading axis of R.
        optimizer: As for `step`.
        steps: Gradient evaluations.
        clip: Keeps the pixels in [0, 1].
        watch: Is told the number of the evaluation after every CHECK_EVERY of them.

    Returns:
        The best images (R, N, H, W, 3), and the terms of each evaluation, (steps, R).
    """
    one = functools.partial(step, objective, optimizer, steps, clip)
    everything = {**frozen, **varied}
    axes = {name: 0 if name in varied else None for name in everything}
    count = jax.tree.leaves(varied)[0].shape[0]
    program = jax.jit(jax.vmap(one, in_axes=(0, axes)), donate_argnums=0)
    begin = jax.vmap(lambda _: start(jnp.asarray(image), optimizer, steps))
    walks = jax.jit(begin)(jnp.arange(count))
    history: list[Terms] = []
    for number in range(1, steps + 1):
        walks, terms = program(walks, everything)
        history.append(terms)
        if watch and number % CHECK_EVERY == 0:
            jax.block_until_ready(terms)
            watch(number)
    rows = jax.device_get(history)
    return walks.best, {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def optimize_image(
    objective: Objective,
    image: jax.typing.ArrayLike,
    frozen: Any,
    optimizer: PixelOptimizer,
    steps: int,
    *,
    clip: bool = True,
    watch: Watch | None = None,
    each: Each | None = None,
    compiled: Callable[[LineSearchState, Any], tuple[LineSearchState, Terms]] | None = None,
    tolerance: float = 0.0,
) -> Optimized:
    """Minimises an objective over pixels; ends early where the loss has exploded or is not finite,
    and where nothing more is gained.

    Args:
        objective: (image, frozen, key) -> terms; another key each time, to shift or crop at random.
        image: (N, H, W, 3), where it begins.
        frozen: All else that the objective needs: parameters, targets, weights. It is an argument
            of the program, which serves for other values of the same shapes.
        optimizer: As for `step`.
        steps: Gradient evaluations.
        clip: Keeps the pixels in [0, 1].
        watch: (evaluation, terms, image), called after every CHECK_EVERY evaluations.
        each: Called with the evaluation when the one before is done and this one is under way, so
            that the device never waits; True ends the run after this one.
        compiled: From `lower_step`, compiled, to use it again; None to compile it here.
        tolerance: It ends when 2 CHECK_EVERY evaluations have lowered the best loss by less than
            this share.

    Returns:
        The best image, and how it was reached.
    """
    compiled = compiled or lower_step(objective, image, frozen, optimizer, steps, clip).compile()
    # buffers of their own, to be donated
    walk = jax.jit(functools.partial(start, optimizer=optimizer, steps=steps))(image)
    history: list[Terms] = []
    diverged = None
    far = 0
    bests = [np.inf, np.inf]  # at the checks before
    ending = False
    for number in range(1, steps + 1):
        walk, terms = compiled(walk, frozen)
        if each:
            jax.block_until_ready(history[-1:])
            ending = each(number)
        history.append(terms)
        if ending:
            break
        if number % CHECK_EVERY and number != steps:
            continue
        now = {name: float(value) for name, value in jax.device_get(terms).items()}
        if watch:
            watch(number, now, walk.best)
        best = float(walk.best_loss)
        # A line search tries far and infinite places too, and comes back from them, if it ever saw
        # a finite one.
        far = 0 if optimizer.searches or now["total"] <= DIVERGED_FACTOR * abs(best) else far + 1
        # One check alone may have met a step that went too far and comes back.
        if far >= 2 or not np.isfinite(best if optimizer.searches else now["total"]):
            diverged = number
            break
        if best > (1 - tolerance) * bests[-2]:
            break
        bests.append(best)
    rows = jax.device_get(history)
    joined = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Optimized(walk.best, walk.image, joined, int(walk.best_at), diverged)
