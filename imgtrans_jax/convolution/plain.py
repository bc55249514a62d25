"""Convolutions as lax has them, which all other forms are tested against, and padding. Imports
nothing here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

Border: TypeAlias = Literal["zero", "reflect"]


def separate_call(*static: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For functions that XLA is to leave a call: it computes what is within when it is its turn and
    not long before, which saves a third of a training step's memory.

    Args:
        *static: The names of arguments that are no arrays.

    Returns:
        The decorator.
    """

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.partial(jax.jit, static_argnames=static)
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with set_xla_metadata(inlineable="true"):  # calls within this one may be inlined
                return function(*args, **kwargs)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with set_xla_metadata(inlineable="false"):
                return inside(*args, **kwargs)

        return call

    return decorated


# -------------------------------------------------------------------------------------------- plain


def plain(
    x: jax.Array,
    kernel: jax.Array,
    stride: int = 1,
    padding: Sequence[tuple[int, int]] | str = "VALID",
) -> jax.Array:
    """lax's convolution (correlation), with its automatic gradients.

    Args:
        x: (N, H, W, I).
        kernel: (k, k, I, O).
        stride: Of both axes.
        padding: Pixels of zeros before and after, for height and width; or lax's `VALID`, without
            any, or `SAME`.

    Returns:
        (N, H', W', O).
    """
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def pad(x: jax.Array, size: int, border: Border = "zero") -> jax.Array:
    """A map with pixels around it.

    Args:
        x: (N, H, W, C).
        size: Pixels on every side.
        border: `zero`: zeros; `reflect`: mirrored without repeating the edge, which needs H, W >
            size.

    Returns:
        (N, H + 2 size, W + 2 size, C).

    Raises:
        ValueError: For a map too small to be mirrored.
    """
    if border == "reflect":
        check_mirrored(x, size)
    width = ((0, 0), (size, size), (size, size), (0, 0))
    return jnp.pad(x, width, mode="reflect" if border == "reflect" else "constant")


def check_mirrored(x: jax.Array, size: int) -> None:
    """Raises ValueError for a map (N, H, W, C) too small for so many mirrored pixels around it."""
    if any(side <= size for side in x.shape[1:3]):
        raise ValueError(
            f"Reflection padding of {size} needs more than {size} pixels a side; the map is "
            f"{x.shape[1:3]}."
        )


def fold(x: jax.Array, size: int, border: Border) -> jax.Array:
    """The adjoint of `pad`, with an operation or two an axis.

    Args:
        x: (N, H + 2 size, W + 2 size, C).
        size: As for `pad`.
        border: As for `pad`.

    Returns:
        (N, H, W, C).
    """
    for axis in (1, 2) if size else ():
        length = x.shape[axis] - 2 * size
        inner = lax.slice_in_dim(x, size, size + length, axis=axis)
        if border == "reflect":
            before, after = (
                lax.rev(lax.slice_in_dim(x, i, i + size, axis=axis), (axis,))
                for i in (0, size + length)
            )
            rest = length - size - 1
            inner = inner + pad_axis(before, axis, 1, rest) + pad_axis(after, axis, rest, 1)
        x = inner
    return x


def extend(x: jax.Array, height: int, width: int) -> jax.Array:
    """With zeros below and to the right where it is smaller.

    Args:
        x: (N, H, W, C).
        height: What it is to have at least.
        width: What it is to have at least.

    Returns:
        (N, max(H, height), max(W, width), C).
    """
    return jnp.pad(
        x, ((0, 0), (0, max(height - x.shape[1], 0)), (0, max(width - x.shape[2], 0)), (0, 0))
    )


def pad_axis(x: jax.Array, axis: int, before: int, after: int) -> jax.Array:
    """Zeros before and after along one axis.

    Args:
        x: Any array.
        axis: From 0.
        before: How many, from 0.
        after: As `before`.

    Returns:
        The array, longer by both.
    """
    return jnp.pad(x, [(before, after) if a == axis else (0, 0) for a in range(x.ndim)])


def plain_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`convolve_transposed` by lax, with its automatic gradients.

    Args:
        x: As for `convolve_transposed`.
        kernel: As for `convolve_transposed`.

    Returns:
        As `convolve_transposed`.
    """
    before = kernel.shape[0] - 2
    padding = ((before, 2), (before, 2))
    return lax.conv_general_dilated(
        x,
        kernel[::-1, ::-1],
        (1, 1),
        padding,
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def padding_around(cotangent: jax.Array, side: int) -> jax.Array:
    """The result of `convolve_transposed` with as many pixels around it as its products had.

    Args:
        cotangent: (N, 2H, 2W, O).
        side: k, pixels a side of the kernel, 3 or 4.

    Returns:
        (N, 2H + k - 2, 2W + k - 2, O), with zeros around.
    """
    return jnp.pad(cotangent, ((0, 0), (1, side - 3), (1, side - 3), (0, 0)))
