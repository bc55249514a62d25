"""Lax's convolutions in shapes that XLA:CPU is fast at, with gradients of their own. Imports
`plain`, `forms`, `winograd`."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from imgtrans_jax.convolution.forms import current_form
from imgtrans_jax.convolution.plain import (
    pad,
    pad_axis,
    padding_around,
    plain,
    plain_transposed,
    separate_call,
)
from imgtrans_jax.convolution.winograd import winograd_gradients

# ------------------------------------------------------------------------------------------- direct


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def direct(
    x: jax.Array, kernel: jax.Array, stride: int, padding: int, winograd: bool = False
) -> jax.Array:
    """The convolution with zeros around the image, its three passes where XLA:CPU is fast.

    A VALID pass of stride 1 is 2 to 30 times slower there than a SAME one of the same size, so it
    is computed as SAME and cropped. Gradients of kernels are few large matrix products.

    Args:
        x: (N, H, W, I).
        kernel: (k, k, I, O).
        stride: Of both axes.
        padding: Pixels of zeros on every side.
        winograd: Takes Winograd's algorithm for the kernel's gradient, of stride 1 and k 3 or 4.

    Returns:
        (N, H', W', O).
    """
    odd = kernel.shape[0] % 2 == 1
    return (
        _same_and_crop(x, kernel)
        if stride == 1 and not padding and odd
        else _padded_by_lax(x, kernel, stride, padding)
    )


def _direct_forward(x, kernel, stride, padding, winograd):
    wanted = () if kernel.perturbed else None  # what frozen networks have no need of is not traced
    x, kernel = x.value, kernel.value
    return direct(x, kernel, stride, padding, winograd), (x, kernel, wanted)


def _direct_backward(stride, padding, winograd, saved, cotangent):
    if isinstance(cotangent, SymbolicZero):
        return None, None
    *saved, wanted = saved
    (x, kernel), cotangent = lax.optimization_barrier((saved, cotangent))
    side = kernel.shape[0]
    # The adjoint of stride 1: the kernel turned round, its inputs and outputs exchanged.
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    if stride == 1 and not padding and side % 2:
        # The barrier keeps XLA from making it the convolution's own padding, which would be the
        # slow path again.
        of_image = _same_and_crop(lax.optimization_barrier(pad(cotangent, side - 1)), turned)
    elif stride == 1 and padding < side:
        of_image = _padded_by_lax(cotangent, turned, 1, side - 1 - padding)
    else:
        of_image = jax.vjp(lambda x: _padded_by_lax(x, kernel, stride, padding), x)[1](cotangent)[0]
    if wanted is None:
        return of_image, None
    if winograd:
        _, of_kernel = winograd_gradients(
            x, None, cotangent, side=side, padding=padding, border="zero"
        )
        return of_image, of_kernel
    return of_image, kernel_gradient(x, cotangent, side=side, stride=stride, padding=padding)


direct.defvjp(_direct_forward, _direct_backward, symbolic_zeros=True)


def _same_and_crop(x: jax.Array, kernel: jax.Array) -> jax.Array:
    margin = kernel.shape[0] // 2
    return plain(*_even_channels(x, kernel), 1, "SAME")[:, margin:-margin, margin:-margin]


def _padded_by_lax(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    return plain(*_even_channels(x, kernel), stride, ((padding, padding),) * 2)


def _even_channels(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """With a channel of zeros where XLA:CPU is 4 to 20 times slower for an odd number of channels,
    as for colour pictures: where 17 to 32 outputs are left over from blocks of 64.
    """
    i, o = kernel.shape[2:]
    if i % 2 == 0 or i == 1 or not 16 < o % 64 <= 32:
        return x, kernel
    return pad_axis(x, 3, 0, 1), pad_axis(kernel, 2, 0, 1)


@separate_call("side", "stride", "padding")
def kernel_gradient(
    x: jax.Array, cotangent: jax.Array, *, side: int, stride: int, padding: int = 0
) -> jax.Array:
    """Of sum(plain(pad(x, padding), kernel, stride) * cotangent) by the kernel.

    Where one side has a few channels, it is copied once for each place of the kernel, and one
    matrix product does the rest; with many on both sides it is a product for each place. Between
    the two it is a convolution of the image with the cotangent, written in the order of axes that
    XLA:CPU is fast at: it orders them itself at a program's top alone, and not in a call.

    Args:
        x: (N, H, W, I).
        cotangent: (N, H', W', O), of the convolution's result.
        side: k, pixels a side of the kernel.
        stride: Of the convolution.
        padding: Pixels of zeros on every side of x.

    Returns:
        (side, side, I, O).
    """
    x = lax.optimization_barrier(pad(x, padding))
    i, o = x.shape[-1], cotangent.shape[-1]
    if i <= 8:
        return _gradient_of_few(x, cotangent, side, stride)
    if o <= 8 and stride == 1:
        # The same sum from the cotangent's side, whose few channels are cheap to copy; it finds the
        # kernel turned round.
        around = pad(cotangent, side - 1)
        found = _by_rows(around, x, side) if side >= 9 else _gradient_of_few(around, x, side, 1)
        return found[::-1, ::-1].transpose(0, 1, 3, 2)
    if min(i, o) >= 64:
        seen = kernel_places(x, cotangent.shape[1:3], side, stride).reshape(side**2, -1, i)
        return matrix_product("tpi,po->tio", seen, cotangent.reshape(-1, o)).reshape(
            side, side, i, o
        )
    # With a stride the last rows may be seen by no place of the kernel.
    height, width = (stride * (length - 1) + side for length in cotangent.shape[1:3])
    return lax.conv_general_dilated(
        x[:, :height, :width].transpose(3, 1, 2, 0),
        cotangent.transpose(1, 2, 0, 3),
        (1, 1),
        "VALID",
        rhs_dilation=(stride, stride),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    ).transpose(1, 2, 0, 3)


def _gradient_of_few(x: jax.Array, cotangent: jax.Array, side: int, stride: int) -> jax.Array:
    seen = kernel_places(jnp.moveaxis(x, 3, 0), cotangent.shape[1:3], side, stride, axis=2)
    product = matrix_product(
        "fp,po->fo",
        seen.reshape(side**2 * x.shape[3], -1),
        cotangent.reshape(-1, cotangent.shape[3]),
    )
    return product.reshape(side, side, x.shape[3], -1)


def _by_rows(x: jax.Array, cotangent: jax.Array, side: int) -> jax.Array:
    """The same with copies for the places of one row, and a product for each row: large kernels
    have too many places for all their copies to stay near the processor.
    """
    _, height, width, o = cotangent.shape
    rows = x.transpose(1, 0, 2, 3)  # (H, N, W, C): what a row of the kernel sees lies together
    rows = jnp.concatenate([rows[:, :, v : v + width] for v in range(side)], axis=3)
    rows, wanted = lax.optimization_barrier((rows, cotangent.transpose(1, 0, 2, 3)))
    products = [
        matrix_product(
            "pf,po->fo", rows[u : u + height].reshape(-1, rows.shape[3]), wanted.reshape(-1, o)
        )
        for u in range(side)
    ]
    return jnp.stack(products).reshape(side, side, x.shape[3], o)


def matrix_product(indices: str, a: jax.Array, b: jax.Array) -> jax.Array:
    """einsum, summed in at least float32: for bfloat16 on a CPU that is four times as fast, too.

    Args:
        indices: As for einsum, such as "pf,fo->po".
        a: The first factor, of any shape that `indices` name.
        b: The second, of the same type.

    Returns:
        The product, of a's type.
    """
    return jnp.einsum(
        indices, a, b, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32)
    ).astype(a.dtype)


def kernel_places(
    x: jax.Array, size: tuple[int, ...], side: int, stride: int, axis: int = 1
) -> jax.Array:
    """What each place of a kernel sees of x.

    First along the rows, then down the columns: 2 side copies to compile instead of side^2.

    Args:
        x: An array whose height is `axis` and width the next.
        size: Height and width of the convolution's result.
        side: Pixels a side of the kernel.
        stride: Of the convolution.
        axis: By default that of (N, H, W, C).

    Returns:
        (side, side, ..., *size, ...).
    """
    height, width = (stride * (length - 1) + 1 for length in size)
    rows = jnp.stack([lax.slice_in_dim(x, v, v + width, stride, axis + 1) for v in range(side)])
    rows = lax.optimization_barrier(rows)
    return jnp.stack([lax.slice_in_dim(rows, u, u + height, stride, axis + 1) for u in range(side)])


@jax.custom_vjp
def direct_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`plain_transposed` with gradients of its own. They are written as those of the strided
    convolution it is the adjoint of: neither XLA:CPU (5 s a layer instead of 20 ms) nor cuDNN (2 ms
    instead of some hundredths) has a fast path for the automatic weight gradient.

    Args:
        x: As for `convolve_transposed`.
        kernel: As for `convolve_transposed`.

    Returns:
        As `convolve_transposed`.
    """
    return plain_transposed(x, kernel)


def _transposed_forward(x, kernel):
    return direct_transposed(x, kernel), (x, kernel)


def _transposed_backward(saved, cotangent):
    x, kernel = saved
    # cuDNN's own: the automatic weight gradient would be a convolution with a kernel as large as
    # the map
    if current_form() == "gpu":
        swapped = kernel.transpose(0, 1, 3, 2)
        padding = ((1, kernel.shape[0] - 3),) * 2
        of_image, pull = jax.vjp(lambda k: plain(cotangent, k, 2, padding), swapped)
        return of_image, pull(x)[0].transpose(0, 1, 3, 2)
    (x, kernel), cotangent = lax.optimization_barrier((saved, cotangent))
    around = padding_around(cotangent, kernel.shape[0])
    of_image = plain(around, kernel.transpose(0, 1, 3, 2), 2)
    return of_image, kernel_gradient(around, x, side=kernel.shape[0], stride=2).transpose(
        0, 1, 3, 2
    )


direct_transposed.defvjp(_transposed_forward, _transposed_backward)
