"""Convolutions as one product of patches, where the kernel outweighs the map. Imports `plain`,
`direct`."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax

from imgtrans_jax.convolution.direct import kernel_places, matrix_product
from imgtrans_jax.convolution.plain import extend, padding_around


def _patches(x: jax.Array, side: int, stride: int) -> jax.Array:
    """(N, H, W, C) -> (side^2, N, H', W', C): what each place of a kernel sees."""
    size = tuple((length - side) // stride + 1 for length in x.shape[1:3])
    return kernel_places(x, size, side, stride).reshape(side**2, x.shape[0], *size, x.shape[3])


def by_patches(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """The convolution without padding as one matrix product; its automatic gradients are one
    each.

    Args:
        x: (N, H, W, I).
        kernel: (k, k, I, O).
        stride: Of both axes.

    Returns:
        (N, H', W', O).
    """
    side, _, i, o = kernel.shape
    seen = jnp.moveaxis(_patches(x, side, stride), 0, 3)
    return matrix_product(
        "pf,fo->po", seen.reshape(-1, side**2 * i), kernel.reshape(-1, o)
    ).reshape(*seen.shape[:3], o)


@jax.custom_vjp
def by_patches_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`plain_transposed` as a product for each place of the kernel, and the sum of what
    overlaps.

    Args:
        x: As for `convolve_transposed`.
        kernel: As for `convolve_transposed`.

    Returns:
        As `convolve_transposed`.
    """
    side, _, i, o = kernel.shape
    n, height, width, _ = x.shape
    each = jnp.broadcast_to(x.reshape(-1, i), (side**2, n * height * width, i))
    products = matrix_product("tpi,tio->tpo", each, kernel.reshape(-1, i, o)).reshape(
        -1, n, height, width, o
    )
    around = jax.ShapeDtypeStruct((n, 2 * height + side - 2, 2 * width + side - 2, o), x.dtype)
    summed = jax.linear_transpose(lambda y: _patches(y, side, 2), around)(products)[0]
    return extend(summed, 2 * height + 1, 2 * width + 1)[:, 1 : 2 * height + 1, 1 : 2 * width + 1]


def _by_patches_transposed_forward(x, kernel):
    return by_patches_transposed(x, kernel), (x, kernel)


def _by_patches_transposed_backward(saved, cotangent):
    x, kernel = saved
    side, _, i, o = kernel.shape
    x, kernel = x.reshape(-1, i), kernel.reshape(-1, i, o)
    seen = _patches(padding_around(cotangent, side), side, 2)
    if len(x) < 128:
        seen = seen.reshape(side**2, -1, o)
        of_image = functools.reduce(jnp.add, matrix_product("tio,tpo->tip", kernel, seen))
        of_kernel = matrix_product("tpi,tpo->tio", jnp.broadcast_to(x, (side**2, *x.shape)), seen)
    else:
        seen = jnp.moveaxis(seen, 0, 3).reshape(len(x), -1, o)
        of_image = matrix_product("tio,pto->ip", kernel, seen)
        of_kernel = (
            matrix_product("pi,pf->if", x, seen.reshape(len(x), -1))
            .reshape(i, -1, o)
            .swapaxes(0, 1)
        )
    # The barrier keeps the transposes out of what uses the gradients, where they would be slow.
    of_image, of_kernel = lax.optimization_barrier((of_image, of_kernel))
    return of_image.T.reshape(saved[0].shape), of_kernel.reshape(saved[1].shape)


by_patches_transposed.defvjp(_by_patches_transposed_forward, _by_patches_transposed_backward)
