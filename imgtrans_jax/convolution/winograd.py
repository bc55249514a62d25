"""Convolutions by Winograd's algorithm (Lavin and Gray 2016). Imports `plain`."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from imgtrans_jax.convolution.plain import Border, extend, fold, pad, pad_axis, separate_call

# bytes of transformed tiles worked on at once, which are to stay in a CPU's cache
BAND = 20 * 2**20


# ----------------------------------------------------------------------------------------- Winograd

# Lavin and Gray 2016, section 4.2: m outputs of an r-tap filter from m + r - 1 inputs by as many
# products, which here are 6: F(4x4, 3x3), and F(3x3, 4x4) by the same points, 0, 1, -1, 2, -2 and
# infinity.
INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
FILTERS = {
    3: np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24,
    4: np.array(
        [
            [6, 0, 0, 0],
            [-4, -4, -4, -4],
            [-4, 4, -4, 4],
            [1, 2, 4, 8],
            [1, -2, 4, -8],
            [0, 0, 0, 24],
        ]
    )
    / 24,
}
OUTPUTS = {
    3: np.array(
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
    ),
    4: np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 1]]),
}


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def winograd(x: jax.Array, kernel: jax.Array, padding: int, border: Border) -> jax.Array:
    """The 3x3 or 4x4 convolution of stride 1 by a quarter of its multiplications (Lavin and Gray
    2016, algorithm 1).

    Its error in float32 is some 1e-5 of the largest value. The maps go through it a band of tiles
    at a time.

    Args:
        x: (N, H, W, I).
        kernel: (k, k, I, O), k 3 or 4.
        padding: Pixels on every side.
        border: As for `pad`.

    Returns:
        (N, H', W', O).

    Raises:
        ValueError: As `pad` does.
    """
    return _winograd(x, kernel, padding=padding, border=border)


def _winograd_forward(x, kernel, padding, border):
    # Each is kept for the other's gradient; where that is not wanted, None.
    kept = (x.value if kernel.perturbed else None, kernel.value if x.perturbed else None)
    return winograd(x.value, kernel.value, padding, border), kept


def _winograd_backward(padding, border, kept, cotangent):
    if isinstance(cotangent, SymbolicZero):
        return None, None
    # The transforms are computed again rather than kept: they would be the largest arrays of a
    # training step.
    (x, kernel), cotangent = kept, cotangent = lax.optimization_barrier((kept, cotangent))
    side = (
        kernel.shape[0] if kernel is not None else x.shape[1] + 2 * padding - cotangent.shape[1] + 1
    )
    return winograd_gradients(*kept, cotangent, side=side, padding=padding, border=border)


winograd.defvjp(_winograd_forward, _winograd_backward, symbolic_zeros=True)


@separate_call("padding", "border")
def _winograd(x: jax.Array, kernel: jax.Array, padding: int, border: Border) -> jax.Array:
    side = kernel.shape[0]
    step, overlap = 7 - side, side - 1
    x = pad(x, padding, border)
    n, height, width = x.shape[0], x.shape[1] - overlap, x.shape[2] - overlap
    rows, columns, band = _tiling(n, height, width, side, sum(kernel.shape[2:]))
    transformed = _transformed(kernel)
    x = lax.optimization_barrier(extend(x, step * rows + overlap, step * columns + overlap))

    def one(first: Any) -> jax.Array:
        # t: the 36 points of a tile, p: the tiles. Between the transforms the convolution is
        # nothing but a matrix product at each point.
        part = lax.dynamic_slice_in_dim(x, step * first, step * band + overlap, 1)
        products = jnp.einsum(
            "tpi,tio->tpo", _to_tiles(part, INPUT, step, band, columns), transformed
        )
        return _from_tiles(products.reshape(6, 6, n, band, columns, -1), OUTPUTS[side])

    if band == rows:  # all of it fits into the cache
        y = one(0)
    else:
        y = lax.map(one, jnp.arange(0, rows, band))
        y = jnp.moveaxis(y, 0, 1).reshape(n, step * rows, step * columns, -1)
    return y[:, :height, :width]


@separate_call("side", "padding", "border")
def winograd_gradients(
    x: jax.Array | None,
    kernel: jax.Array | None,
    cotangent: jax.Array,
    side: int,
    padding: int,
    border: Border,
) -> tuple[jax.Array | None, jax.Array | None]:
    """Of sum(winograd(x, kernel) * cotangent) by the image and by the kernel.

    Args:
        x: (N, H, W, I), which the kernel's gradient needs; None leaves that out.
        kernel: (k, k, I, O), which the image's needs; None leaves that out.
        cotangent: (N, H', W', O).
        side: k, 3 or 4.
        padding: As for `winograd`.
        border: As for `pad`.

    Returns:
        Both gradients, None where it is left out.
    """
    n, height, width, o = cotangent.shape
    step, overlap = 7 - side, side - 1
    i = kernel.shape[2] if kernel is not None else x.shape[-1] if x is not None else 0
    rows, columns, band = _tiling(n, height, width, side, i + o)
    cotangent = lax.optimization_barrier(extend(cotangent, step * rows, step * columns))
    if x is not None:
        x = lax.optimization_barrier(
            extend(pad(x, padding, border), step * rows + overlap, step * columns + overlap)
        )
    transformed = None if kernel is None else _transformed(kernel)

    def one(carried: tuple[Any, Any], first: Any) -> tuple[tuple[Any, Any], Any]:
        """A band. Carried: what the bands above add to the first rows of this one, and the kernel's
        gradient so far.
        """
        above, total = carried
        part = lax.dynamic_slice_in_dim(cotangent, step * first, step * band, 1)
        spread = _to_tiles(part, OUTPUTS[side].T, step, band, columns)
        own = None
        if transformed is not None:
            products = jnp.einsum("tpo,tio->tpi", spread, transformed)
            found = _from_overlapping_tiles(products.reshape(6, 6, n, band, columns, i), step)
            own = jnp.concatenate([found[:, :overlap] + above, found[:, overlap : step * band]], 1)
            above = found[:, step * band :]  # tiles overlap: the next band adds to these rows
        if x is not None:
            part = lax.dynamic_slice_in_dim(x, step * first, step * band + overlap, 1)
            total = total + jnp.einsum(
                "tpi,tpo->tio", _to_tiles(part, INPUT, step, band, columns), spread
            )
        return (above, total), own

    edge = (n, overlap, step * columns + overlap, i)
    nothing = jnp.zeros(edge, cotangent.dtype), jnp.zeros((36, i, o), cotangent.dtype)
    if band == rows:
        (below, total), own = one(nothing, 0)
    else:
        (below, total), own = lax.scan(one, nothing, jnp.arange(0, rows, band))
        own = (
            None
            if own is None
            else jnp.moveaxis(own, 0, 1).reshape(n, step * rows, step * columns + overlap, i)
        )
    of_image = of_kernel = None
    if own is not None:
        padded = jnp.concatenate([own, below], 1)[:, : height + overlap, : width + overlap]
        of_image = fold(padded, padding, border)
    if x is not None:
        both_ways = np.kron(FILTERS[side], FILTERS[side]).T
        of_kernel = _dense(both_ways, total.reshape(36, -1)).reshape(side, side, i, o)
    return of_image, of_kernel


def _transformed(kernel: jax.Array) -> jax.Array:
    """(k, k, I, O) -> (36, I, O)."""
    side = kernel.shape[0]
    # Both axes at once: G k G^T is the Kronecker product of G with itself on k's weights.
    return _dense(np.kron(FILTERS[side], FILTERS[side]), kernel.reshape(side**2, -1)).reshape(
        36, *kernel.shape[2:]
    )


def _tiling(n: int, height: int, width: int, side: int, channels: int) -> tuple[int, int, int]:
    """Rows and columns of tiles, and how many rows make a band."""
    rows, columns = math.ceil(height / (7 - side)), math.ceil(width / (7 - side))
    # A divisor of the rows, so that all bands have one shape and one program.
    most = max(1, BAND // (36 * 4 * n * columns * channels))
    return rows, columns, next(b for b in range(min(most, rows), 0, -1) if rows % b == 0)


def _dense(matrix: np.ndarray, x: jax.Array) -> jax.Array:
    return jnp.asarray(matrix, x.dtype) @ x


def _to_tiles(x: jax.Array, matrix: np.ndarray, step: int, rows: int, columns: int) -> jax.Array:
    """(N, H, W, C) -> (36, N * rows * columns, C): matrix @ tile @ matrix.T of the tiles that begin
    every `step` pixels.
    """

    def along(x: jax.Array, count: int, axis: int) -> list[jax.Array]:
        parts = [
            lax.slice_in_dim(x, i, i + step * (count - 1) + 1, step, axis)
            for i in range(matrix.shape[1])
        ]
        return _at_points(matrix, parts)

    # else the second sum would compute the first six times
    x = lax.optimization_barrier(jnp.stack(along(x, rows, 1)))
    return jnp.stack(along(x, columns, 3), 1).reshape(36, -1, x.shape[-1])


def _from_tiles(products: jax.Array, matrix: np.ndarray) -> jax.Array:
    """(6, 6, N, rows, columns, C) -> (N, m rows, m columns, C): matrix, (m, 6), @ tile @
    matrix.T.
    """
    _, _, n, rows, columns, channels = products.shape
    half = lax.optimization_barrier(
        jnp.stack(_from_points(matrix, [products[:, b] for b in range(6)]), 4)
    )
    whole = jnp.stack(_from_points(matrix, list(half)), 2)
    return whole.reshape(n, len(matrix) * rows, len(matrix) * columns, channels)


def _from_overlapping_tiles(products: jax.Array, step: int) -> jax.Array:
    """(6, 6, N, rows, columns, C) -> (N, step rows + 6 - step, step columns + 6 - step, C): the
    adjoint of `_to_tiles` by INPUT, which sums what neighbouring 6x6 tiles share.
    """

    def along(parts: Sequence[jax.Array], axis: int) -> jax.Array:
        """Six parts (..., count, ...) -> (..., count + 1, step, ...)."""
        sums = _from_points(INPUT.T, parts)
        padded = [pad_axis(x, axis, 0, 1) for x in sums[:step]]
        shared = [pad_axis(x, axis, 1, 0) for x in sums[step:]]
        return jnp.stack(
            [a + b for a, b in zip(padded, shared, strict=False)] + padded[len(shared) :], axis + 1
        )

    _, _, n, rows, columns, channels = products.shape
    half = lax.optimization_barrier(along([products[:, b] for b in range(6)], 3))
    whole = along(list(half), 1).reshape(n, step * (rows + 1), step * (columns + 1), channels)
    return whole[:, : step * rows + 6 - step, : step * columns + 6 - step]


def _at_points(matrix: np.ndarray, parts: Sequence[jax.Array]) -> list[jax.Array]:
    """matrix @ parts, where row i of (6, r) belongs to point i: of 1 and -1, and of 2 and -2, even
    and odd terms are summed once.
    """
    results = [_weighted(matrix[0], parts)]
    for row in matrix[1], matrix[3]:
        even, odd = (_weighted(row[first::2], parts[first::2]) for first in (0, 1))
        results += [even + odd, even - odd]
    return [*results, _weighted(matrix[5], parts)]


def _from_points(matrix: np.ndarray, parts: Sequence[jax.Array]) -> list[jax.Array]:
    """matrix @ parts, where column i of (r, 6) belongs to point i."""
    zero, one, minus_one, two, minus_two, infinity = parts
    even = zero, one + minus_one, two + minus_two, infinity
    odd = zero, one - minus_one, two - minus_two, infinity
    return [_weighted(row[[0, 1, 3, 5]], odd if i % 2 else even) for i, row in enumerate(matrix)]


def _weighted(weights: np.ndarray, parts: Sequence[jax.Array]) -> jax.Array:
    """The sum of weights[i] parts[i], without the zeros."""
    total: Any = 0
    # a positive one first
    for weight, part in sorted(zip(weights, parts, strict=True), key=lambda term: -term[0]):
        if weight:
            term = part if abs(weight) == 1 else part * float(abs(weight))
            total = total - term if weight < 0 else total + term
    return total
