"""Convolutions in the forms that TPU's compiler makes most of. Imports `plain`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from imgtrans_jax.convolution.plain import Border, check_mirrored, pad, pad_axis, plain

BLOCK = 4  # neighboring pixels of a row that become channels


def pad_by_products(x: jax.Array, size: int, more: int = 0) -> jax.Array:
    """A mirrored border by products with matrices of zeros and ones, and so its gradient. The
    compiler would make copies, reversals and sums of the whole map otherwise, which cost more than
    the convolution. A single column on each side is put there as it is.

    Args:
        x: (N, H, W, C).
        size: Pixels on every side, mirrored without repeating the edge, fewer than H and W.
        more: Pixels left and right of these, of any value.

    Returns:
        (N, H + 2 size, W + 2 (size + more), C).

    Raises:
        ValueError: For a map too small to be mirrored.
    """
    check_mirrored(x, size)
    for axis, letters, outside in ((1, "ph,nhwc->npwc", 0), (2, "qw,nhwc->nhqc", more)):
        if axis == 2 and size == 1 and not more:
            return jnp.concatenate([x[:, :, 1:2], x, x[:, :, -2:-1]], axis=2)
        places = np.pad(np.arange(x.shape[axis]), size, mode="reflect")
        places = np.pad(places, outside, mode="edge")
        chosen = places[:, None] == np.arange(x.shape[axis])
        x = jnp.einsum(letters, jnp.asarray(chosen, x.dtype), x)
    return x


def by_blocks(x: jax.Array, kernel: jax.Array, padding: int, border: Border) -> jax.Array:
    """A convolution of stride 1 on blocks of pixels as channels: of three channels, as pictures
    have, most of a product's 128 rows or columns would be empty.

    Args:
        x: (N, H, W, I), W a multiple of the block's length.
        kernel: (k, k, I, O), k odd.
        padding: k // 2 pixels on every side.
        border: As for `pad`.

    Returns:
        (N, H, W, O).
    """
    n, height, width, channels = x.shape
    around = -(-padding // BLOCK)  # blocks
    more = around * BLOCK - padding
    if border == "reflect":
        padded = pad_by_products(x, padding, more)
    else:
        padded = pad_axis(pad(x, padding), 2, more, more)
    blocks = padded.reshape(n, height + 2 * padding, -1, BLOCK * channels)
    return plain(blocks, _of_blocks(kernel, around)).reshape(n, height, width, -1)


def _of_blocks(kernel: jax.Array, around: int) -> jax.Array:
    """The kernel from each pixel of a block and its neighbors to each pixel of the block."""
    side, _, i, o = kernel.shape
    block, before, after = np.ix_(range(2 * around + 1), range(BLOCK), range(BLOCK))
    taps = BLOCK * (block - around) + before - after + side // 2
    taps = np.where((taps >= 0) & (taps < side), taps, side)  # the last is of zeros
    chosen = jnp.pad(kernel, ((0, 0), (0, 1), (0, 0), (0, 0)))[:, taps]
    # (row, block, before, after, I, O)
    return chosen.transpose(0, 1, 2, 4, 3, 5).reshape(side, 2 * around + 1, BLOCK * i, BLOCK * o)
