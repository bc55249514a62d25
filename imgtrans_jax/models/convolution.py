"""Two-dimensional convolutions, and the forms of them that are fast on a CPU. Layout is NHWC,
kernels are HWIO.

There is one definition of each, `plain`, with lax's own gradients; every other form computes the
same to float32's rounding, gradients too, and is chosen here while a program is traced, by
platform, type and shape. Why each exists, and what it gains, is measured in docs/performance.md.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jax.experimental.xla_metadata import set_xla_metadata

from imgtrans_jax.types import UserError

Form: TypeAlias = Literal["auto", "direct", "plain"]
Border: TypeAlias = Literal["zero", "reflect"]

form = jax.make_user_context(os.environ.get("IMGTRANS_CONVOLUTIONS", "auto"))
"""`with form("plain"):` sets how convolutions are computed in programs that are traced inside; the
environment variable IMGTRANS_CONVOLUTIONS sets it for all. plain: lax's own. direct: lax's
convolutions in shapes that are fast, whose programs tell how far a pixel sees. auto: the fastest
that is known for the platform, which on a TPU is plain.
"""

# bytes of transformed tiles worked on at once, which are to stay in a CPU's cache
BAND = 20 * 2**20


def check_form() -> Form:
    """The form that is set. Raises UserError if there is no such."""
    if form.value not in get_args(Form):
        names = ", ".join(get_args(Form))
        raise UserError(
            f"There is no form of convolution '{form.value}' (IMGTRANS_CONVOLUTIONS); use one of "
            f"{names}."
        )
    return form.value


def _form() -> Form | Literal["gpu"]:
    chosen, platform = check_form(), jax.default_backend()
    if chosen == "auto" and platform == "gpu":
        return "gpu"
    return chosen if platform == "cpu" else "plain"


# -------------------------------------------------------------------------------------------- plain


def plain(
    x: jax.Array,
    kernel: jax.Array,
    stride: int = 1,
    padding: Sequence[tuple[int, int]] | str = "VALID",
) -> jax.Array:
    """lax's convolution (correlation), with its automatic gradients."""
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def pad(x: jax.Array, size: int, border: Border = "zero") -> jax.Array:
    """(N, H, W, C) -> (N, H + 2 size, W + 2 size, C): zeros around it, or mirrored without
    repeating the edge, which needs H, W > size.
    """
    if border == "reflect" and min(x.shape[1:3]) <= size:
        raise ValueError(
            f"Reflection padding of {size} needs more than {size} pixels a side; the map is "
            f"{x.shape[1:3]}."
        )
    width = ((0, 0), (size, size), (size, size), (0, 0))
    return jnp.pad(x, width, mode="reflect" if border == "reflect" else "constant")


def _folded(x: jax.Array, size: int, border: Border) -> jax.Array:
    """The adjoint of `pad`, with an operation or two an axis."""
    for axis in (1, 2) if size else ():
        length = x.shape[axis] - 2 * size
        inner = lax.slice_in_dim(x, size, size + length, axis=axis)
        if border == "reflect":
            before, after = (
                lax.rev(lax.slice_in_dim(x, i, i + size, axis=axis), (axis,))
                for i in (0, size + length)
            )
            rest = length - size - 1
            inner = inner + _padded(before, axis, 1, rest) + _padded(after, axis, rest, 1)
        x = inner
    return x


def convolve(
    x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int = 0, border: Border = "zero"
) -> jax.Array:
    """(N, H, W, I), (k, k, I, O) -> (N, H', W', O), with `padding` pixels on every side. Raises
    ValueError as `pad` does.
    """
    fits = min(x.shape[1:3]) + 2 * padding >= kernel.shape[0]  # else lax's result, which is empty
    if fits and _suits_patches(x, kernel, stride):
        return by_patches(pad(x, padding, border), kernel, stride)
    if fits and _suits_winograd(x, kernel, stride, padding):
        return winograd(x, kernel, padding, border)
    if border == "reflect":
        x, padding = pad(x, padding, "reflect"), 0
    if _form() in ("plain", "gpu") or kernel.shape[0] == 1:
        return plain(x, kernel, stride, ((padding, padding),) * 2)
    return direct(x, kernel, stride, padding)


def _apart(*static: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For functions that XLA is to leave a call: it computes what is within when it is its turn and
    not long before, which saves a third of a training step's memory. static: arguments that are no
    arrays.
    """

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.partial(jax.jit, static_argnames=static)
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with set_xla_metadata(inlineable="true"):
                return function(*args, **kwargs)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with set_xla_metadata(inlineable="false"):
                return inside(*args, **kwargs)

        return call

    return decorated


# ------------------------------------------------------------------------------------------- direct


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def direct(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """The convolution with zeros around the image, its three passes where XLA:CPU is fast.

    A VALID pass of stride 1 is 2 to 30 times slower there than a SAME one of the same size, so it
    is computed as SAME and cropped. Gradients of kernels are few large matrix products.
    """
    odd = kernel.shape[0] % 2 == 1
    return (
        _same_and_crop(x, kernel)
        if stride == 1 and not padding and odd
        else _padded_by_lax(x, kernel, stride, padding)
    )


def _direct_forward(x, kernel, stride, padding):
    return direct(x, kernel, stride, padding), (x, kernel)


def _direct_backward(stride, padding, saved, cotangent):
    (x, kernel), cotangent = lax.optimization_barrier((saved, cotangent))
    side = kernel.shape[0]
    if stride == 1 and not padding and side % 2:
        # The barrier keeps XLA from making it the convolution's own padding, which would be the
        # slow path again.
        around = lax.optimization_barrier(pad(cotangent, side - 1))
        of_image = _same_and_crop(around, kernel[::-1, ::-1].transpose(0, 1, 3, 2))
    else:
        of_image = jax.vjp(lambda x: _padded_by_lax(x, kernel, stride, padding), x)[1](cotangent)[0]
    return of_image, kernel_gradient(x, cotangent, side=side, stride=stride, padding=padding)


direct.defvjp(_direct_forward, _direct_backward)


def _same_and_crop(x: jax.Array, kernel: jax.Array) -> jax.Array:
    margin = kernel.shape[0] // 2
    return plain(x, kernel, 1, "SAME")[:, margin:-margin, margin:-margin]


def _padded_by_lax(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    return plain(x, kernel, stride, ((padding, padding),) * 2)


@_apart("side", "stride", "padding")
def kernel_gradient(
    x: jax.Array, cotangent: jax.Array, *, side: int, stride: int, padding: int = 0
) -> jax.Array:
    """Of sum(plain(pad(x, padding), kernel, stride) * cotangent) by the kernel, (side, side, I, O).

    Where one side has a few channels, it is copied once for each place of the kernel, and one
    matrix product does the rest; with many on both sides it is a product for each place.
    """
    x = lax.optimization_barrier(pad(x, padding))
    i, o = x.shape[-1], cotangent.shape[-1]
    if i <= 8:
        return _gradient_of_few(x, cotangent, side, stride)
    if o <= 8 and stride == 1:
        around = pad(cotangent, side - 1)
        return _gradient_of_few(around, x, side, 1)[::-1, ::-1].transpose(0, 1, 3, 2)
    if min(i, o) >= 64:
        seen = _places(x, cotangent.shape[1:3], side, stride).reshape(side**2, -1, i)
        return _product("tpi,po->tio", seen, cotangent.reshape(-1, o)).reshape(side, side, i, o)
    like = jax.ShapeDtypeStruct((side, side, i, o), x.dtype)
    height, width = (stride * (length - 1) + side for length in cotangent.shape[1:3])
    return jax.linear_transpose(lambda kernel: plain(x[:, :height, :width], kernel, stride), like)(
        cotangent
    )[0]


def _gradient_of_few(x: jax.Array, cotangent: jax.Array, side: int, stride: int) -> jax.Array:
    seen = _places(jnp.moveaxis(x, 3, 0), cotangent.shape[1:3], side, stride, axis=2)
    product = _product(
        "fp,po->fo",
        seen.reshape(side**2 * x.shape[3], -1),
        cotangent.reshape(-1, cotangent.shape[3]),
    )
    return product.reshape(side, side, x.shape[3], -1)


def _product(indices: str, a: jax.Array, b: jax.Array) -> jax.Array:
    """einsum, summed in at least float32: for bfloat16 on a CPU that is four times as fast, too."""
    return jnp.einsum(
        indices, a, b, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32)
    ).astype(a.dtype)


def _places(
    x: jax.Array, size: tuple[int, ...], side: int, stride: int, axis: int = 1
) -> jax.Array:
    """What each place of a kernel sees of x, whose height is `axis` and width the next: (side,
    side, ..., *size, ...).

    First along the rows, then down the columns: 2 side copies to compile instead of side^2.
    """
    height, width = (stride * (length - 1) + 1 for length in size)
    rows = jnp.stack([lax.slice_in_dim(x, v, v + width, stride, axis + 1) for v in range(side)])
    rows = lax.optimization_barrier(rows)
    return jnp.stack([lax.slice_in_dim(rows, u, u + height, stride, axis + 1) for u in range(side)])


# ------------------------------------------------------------------------------------------ patches

PLACES = 256  # pixels of a batch's map up to which a large kernel is read as it lies in memory


def _suits_patches(x: jax.Array, kernel: jax.Array, stride: int = 1) -> bool:
    """Whether a kernel outweighs its maps: reading it is what takes the time, and lax's form would
    reorder it first.
    """
    (side, _, i, o), places = kernel.shape, x.shape[0] * x.shape[1] * x.shape[2] // stride**2
    return _form() == "auto" and side > 1 and places <= PLACES and min(i, o) >= 64


def _patches(x: jax.Array, side: int, stride: int) -> jax.Array:
    """(N, H, W, C) -> (side^2, N, H', W', C): what each place of a kernel sees."""
    size = tuple((length - side) // stride + 1 for length in x.shape[1:3])
    return _places(x, size, side, stride).reshape(side**2, x.shape[0], *size, x.shape[3])


def by_patches(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """The convolution without padding as one matrix product; its automatic gradients are one
    each.
    """
    side, _, i, o = kernel.shape
    seen = jnp.moveaxis(_patches(x, side, stride), 0, 3)
    return _product("pf,fo->po", seen.reshape(-1, side**2 * i), kernel.reshape(-1, o)).reshape(
        *seen.shape[:3], o
    )


@jax.custom_vjp
def by_patches_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`plain_transposed` as a product for each place of the kernel, and the sum of what
    overlaps.
    """
    side, _, i, o = kernel.shape
    n, height, width, _ = x.shape
    each = jnp.broadcast_to(x.reshape(-1, i), (side**2, n * height * width, i))
    products = _product("tpi,tio->tpo", each, kernel.reshape(-1, i, o)).reshape(
        -1, n, height, width, o
    )
    around = jax.ShapeDtypeStruct((n, 2 * height + side - 2, 2 * width + side - 2, o), x.dtype)
    summed = jax.linear_transpose(lambda y: _patches(y, side, 2), around)(products)[0]
    return _extend(summed, 2 * height + 1, 2 * width + 1)[:, 1 : 2 * height + 1, 1 : 2 * width + 1]


def _by_patches_transposed_forward(x, kernel):
    return by_patches_transposed(x, kernel), (x, kernel)


def _by_patches_transposed_backward(saved, cotangent):
    x, kernel = saved
    side, _, i, o = kernel.shape
    x, kernel = x.reshape(-1, i), kernel.reshape(-1, i, o)
    seen = _patches(_around(cotangent, side), side, 2)
    if len(x) < 128:
        seen = seen.reshape(side**2, -1, o)
        of_image = functools.reduce(jnp.add, _product("tio,tpo->tip", kernel, seen))
        of_kernel = _product("tpi,tpo->tio", jnp.broadcast_to(x, (side**2, *x.shape)), seen)
    else:
        seen = jnp.moveaxis(seen, 0, 3).reshape(len(x), -1, o)
        of_image = _product("tio,pto->ip", kernel, seen)
        of_kernel = (
            _product("pi,pf->if", x, seen.reshape(len(x), -1)).reshape(i, -1, o).swapaxes(0, 1)
        )
    # The barrier keeps the transposes out of what uses the gradients, where they would be slow.
    of_image, of_kernel = lax.optimization_barrier((of_image, of_kernel))
    return of_image.T.reshape(saved[0].shape), of_kernel.reshape(saved[1].shape)


by_patches_transposed.defvjp(_by_patches_transposed_forward, _by_patches_transposed_backward)


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


def _suits_winograd(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> bool:
    """Whether it pays: with few channels, or few pixels to share a transformed kernel, the
    transforms cost more than they save.
    """
    (side, _, i, o), pixels = kernel.shape, x.shape[0] * x.shape[1] * x.shape[2]
    return (
        _form() == "auto"
        and side in FILTERS
        and stride == 1
        and padding <= 1
        and x.dtype == jnp.float32
        and min(i, o) >= 32
        and pixels >= max(PLACES, max(i, o) ** 2 / min(i, o))
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def winograd(x: jax.Array, kernel: jax.Array, padding: int, border: Border) -> jax.Array:
    """The 3x3 or 4x4 convolution of stride 1 by a quarter of its multiplications (Lavin and Gray
    2016, algorithm 1).

    Its error in float32 is some 1e-5 of the largest value. The maps go through it a band of tiles
    at a time.
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
    return _winograd_gradients(*kept, cotangent, side=side, padding=padding, border=border)


winograd.defvjp(_winograd_forward, _winograd_backward, symbolic_zeros=True)


@_apart("padding", "border")
def _winograd(x: jax.Array, kernel: jax.Array, padding: int, border: Border) -> jax.Array:
    side = kernel.shape[0]
    step, overlap = 7 - side, side - 1
    x = pad(x, padding, border)
    n, height, width = x.shape[0], x.shape[1] - overlap, x.shape[2] - overlap
    rows, columns, band = _tiling(n, height, width, side, sum(kernel.shape[2:]))
    transformed = _transformed(kernel)
    x = lax.optimization_barrier(_extend(x, step * rows + overlap, step * columns + overlap))

    def one(first: Any) -> jax.Array:
        part = lax.dynamic_slice_in_dim(x, step * first, step * band + overlap, 1)
        products = jnp.einsum(
            "tpi,tio->tpo", _to_tiles(part, INPUT, step, band, columns), transformed
        )
        return _from_tiles(products.reshape(6, 6, n, band, columns, -1), OUTPUTS[side])

    if band == rows:
        y = one(0)
    else:
        y = lax.map(one, jnp.arange(0, rows, band))
        y = jnp.moveaxis(y, 0, 1).reshape(n, step * rows, step * columns, -1)
    return y[:, :height, :width]


@_apart("side", "padding", "border")
def _winograd_gradients(
    x: jax.Array | None,
    kernel: jax.Array | None,
    cotangent: jax.Array,
    side: int,
    padding: int,
    border: Border,
) -> tuple[jax.Array | None, jax.Array | None]:
    """By the image, for which the kernel is needed, and by the kernel, for which the image is."""
    n, height, width, o = cotangent.shape
    step, overlap = 7 - side, side - 1
    i = kernel.shape[2] if kernel is not None else x.shape[-1] if x is not None else 0
    rows, columns, band = _tiling(n, height, width, side, i + o)
    cotangent = lax.optimization_barrier(_extend(cotangent, step * rows, step * columns))
    if x is not None:
        x = lax.optimization_barrier(
            _extend(pad(x, padding, border), step * rows + overlap, step * columns + overlap)
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
            above = found[:, step * band :]
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
        of_image = _folded(padded, padding, border)
    if x is not None:
        filters = FILTERS[side]
        of_kernel = _dense(np.kron(filters, filters).T, total.reshape(36, -1)).reshape(
            side, side, i, o
        )
    return of_image, of_kernel


def _transformed(kernel: jax.Array) -> jax.Array:
    """(k, k, I, O) -> (36, I, O)."""
    side = kernel.shape[0]
    return _dense(np.kron(FILTERS[side], FILTERS[side]), kernel.reshape(side**2, -1)).reshape(
        36, *kernel.shape[2:]
    )


def _tiling(n: int, height: int, width: int, side: int, channels: int) -> tuple[int, int, int]:
    """Rows and columns of tiles, and how many rows make a band."""
    rows, columns = math.ceil(height / (7 - side)), math.ceil(width / (7 - side))
    most = max(1, BAND // (36 * 4 * n * columns * channels))
    return rows, columns, next(b for b in range(min(most, rows), 0, -1) if rows % b == 0)


def _extend(x: jax.Array, height: int, width: int) -> jax.Array:
    """With zeros below and to the right where it is smaller."""
    return jnp.pad(
        x, ((0, 0), (0, max(height - x.shape[1], 0)), (0, max(width - x.shape[2], 0)), (0, 0))
    )


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
        padded = [_padded(x, axis, 0, 1) for x in sums[:step]]
        shared = [_padded(x, axis, 1, 0) for x in sums[step:]]
        return jnp.stack(
            [a + b for a, b in zip(padded, shared, strict=False)] + padded[len(shared) :], axis + 1
        )

    _, _, n, rows, columns, channels = products.shape
    half = lax.optimization_barrier(along([products[:, b] for b in range(6)], 3))
    whole = along(list(half), 1).reshape(n, step * (rows + 1), step * (columns + 1), channels)
    return whole[:, : step * rows + 6 - step, : step * columns + 6 - step]


def _padded(x: jax.Array, axis: int, before: int, after: int) -> jax.Array:
    return jnp.pad(x, [(before, after) if a == axis else (0, 0) for a in range(x.ndim)])


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


# --------------------------------------------------------------------------------------- transposed


def convolve_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Doubles height and width: PyTorch's ConvTranspose2d(3, stride=2, padding=1,
    output_padding=1), or (4, 2, 1).

    x: (N, H, W, I); kernel: (k, k, I, O), k 3 or 4; y[2i + u - 1, 2j + v - 1] += x[i, j] kernel[u,
    v]; result (N, 2H, 2W, O).
    """
    if _suits_patches(x, kernel):
        return by_patches_transposed(x, kernel)
    return plain_transposed(x, kernel) if _form() == "plain" else _transposed(x, kernel)


def plain_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """See `convolve_transposed`; by lax, with its automatic gradients."""
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


@jax.custom_vjp
def _transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Its gradients are written as those of the strided convolution it is the adjoint of: neither
    XLA:CPU (5 s a layer instead of 20 ms) nor cuDNN (2 ms instead of some hundredths) has a fast
    path for the automatic weight gradient.
    """
    return plain_transposed(x, kernel)


def _transposed_forward(x, kernel):
    return _transposed(x, kernel), (x, kernel)


def _transposed_backward(saved, cotangent):
    x, kernel = saved
    # cuDNN's own: the automatic weight gradient would be a convolution with a kernel as large as
    # the map
    if _form() == "gpu":
        swapped = kernel.transpose(0, 1, 3, 2)
        padding = ((1, kernel.shape[0] - 3),) * 2
        of_image, pull = jax.vjp(lambda k: plain(cotangent, k, 2, padding), swapped)
        return of_image, pull(x)[0].transpose(0, 1, 3, 2)
    (x, kernel), cotangent = lax.optimization_barrier((saved, cotangent))
    around = _around(cotangent, kernel.shape[0])
    of_image = plain(around, kernel.transpose(0, 1, 3, 2), 2)
    return of_image, kernel_gradient(around, x, side=kernel.shape[0], stride=2).transpose(
        0, 1, 3, 2
    )


def _around(cotangent: jax.Array, side: int) -> jax.Array:
    """The result of `convolve_transposed` with as many pixels around it as its products had."""
    return jnp.pad(cotangent, ((0, 0), (1, side - 3), (1, side - 3), (0, 0)))


_transposed.defvjp(_transposed_forward, _transposed_backward)
