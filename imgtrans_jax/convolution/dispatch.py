"""Two-dimensional convolutions, each in the form that is fast here. Layout is NHWC, kernels are
HWIO."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from imgtrans_jax.convolution.direct import direct, direct_transposed
from imgtrans_jax.convolution.forms import current_form, has_wide_vectors
from imgtrans_jax.convolution.patches import by_patches, by_patches_transposed
from imgtrans_jax.convolution.plain import Border, pad, plain, plain_transposed
from imgtrans_jax.convolution.tpu import BLOCK, by_blocks, pad_by_products
from imgtrans_jax.convolution.winograd import FILTERS, winograd


def convolve(
    x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int = 0, border: Border = "zero"
) -> jax.Array:
    """A convolution (correlation) in the form that is fast here.

    Args:
        x: (N, H, W, I).
        kernel: (k, k, I, O).
        stride: Of both axes.
        padding: Pixels on every side, none by default.
        border: What these are: `zero`, zeros, or `reflect`, mirrored without repeating the edge.

    Returns:
        (N, H', W', O).

    Raises:
        ValueError: As `pad` does.
    """
    # else lax's result, which is empty
    fits = all(side + 2 * padding >= kernel.shape[0] for side in x.shape[1:3])
    if fits and _suits_patches(x, kernel, stride):
        return by_patches(pad(x, padding, border), kernel, stride)
    by_winograd = fits and _suits_winograd(x, kernel, stride, padding)
    if by_winograd and (not has_wide_vectors() or _pays_with_wide_vectors(kernel)):
        return winograd(x, kernel, padding, border)
    if fits and _suits_blocks(x, kernel, stride, padding):
        return by_blocks(x, kernel, padding, border)
    if border == "reflect":
        on_tpu = current_form() == "tpu"
        x = pad_by_products(x, padding) if on_tpu else pad(x, padding, border)
        padding = 0
    if current_form() in ("plain", "gpu", "tpu") or kernel.shape[0] == 1:
        return plain(x, kernel, stride, ((padding, padding),) * 2)
    return direct(x, kernel, stride, padding, by_winograd)


# ------------------------------------------------------------------------------------------ patches

PLACES = 256  # pixels of a batch's map up to which a large kernel is read as it lies in memory


def _suits_patches(x: jax.Array, kernel: jax.Array, stride: int = 1) -> bool:
    """Whether a kernel outweighs its maps: reading it is what takes the time, and lax's form would
    reorder it first.
    """
    (side, _, i, o), places = kernel.shape, x.shape[0] * x.shape[1] * x.shape[2] // stride**2
    return current_form() == "auto" and side > 1 and places <= PLACES and min(i, o) >= 64


def _suits_winograd(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> bool:
    """Whether it pays: with few channels, or few pixels to share a transformed kernel, the
    transforms cost more than they save.
    """
    (side, _, i, o), pixels = kernel.shape, x.shape[0] * x.shape[1] * x.shape[2]
    return (
        current_form() == "auto"
        and side in FILTERS
        and stride == 1
        and padding <= 1
        and x.dtype == jnp.float32
        and min(i, o) >= 32
        and pixels >= max(PLACES, max(i, o) ** 2 / min(i, o))
    )


def _pays_with_wide_vectors(kernel: jax.Array) -> bool:
    """Whether Winograd's algorithm is faster for the result and the image's gradient too where
    products are fast: its transforms wait for memory. For the kernel's gradient it always is.
    """
    _, _, i, o = kernel.shape
    return min(i, o) >= 128 and max(i, o) >= 256


def _suits_blocks(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> bool:
    """Whether a TPU's columns would be empty: of large kernels from or to as few channels as
    pictures have.
    """
    side, _, i, o = kernel.shape
    return (
        current_form() == "tpu"
        and stride == 1
        and side >= 5
        and side % 2 == 1
        and padding == side // 2
        and min(i, o) <= 4
        and x.shape[2] % BLOCK == 0
    )


# --------------------------------------------------------------------------------------- transposed


def convolve_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Doubles height and width: PyTorch's ConvTranspose2d(3, stride=2, padding=1,
    output_padding=1), or (4, 2, 1).

    y[2i + u - 1, 2j + v - 1] += x[i, j] kernel[u, v].

    Args:
        x: (N, H, W, I).
        kernel: (k, k, I, O), k 3 or 4.

    Returns:
        y, (N, 2H, 2W, O).
    """
    if _suits_patches(x, kernel):
        return by_patches_transposed(x, kernel)
    by_lax = current_form() in ("plain", "tpu")
    return plain_transposed(x, kernel) if by_lax else direct_transposed(x, kernel)
