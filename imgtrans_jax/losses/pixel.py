"""Distances between two image batches (N, H, W, C), each to a () float32 or wider."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imgtrans_jax.types import Maps, Scalar


def _difference(x: Maps, y: Maps) -> Maps:
    if x.shape != y.shape:
        raise ValueError(
            f"Two images of one shape are compared; these are {x.shape} and {y.shape}."
        )
    wide = jnp.promote_types(jnp.promote_types(x.dtype, y.dtype), jnp.float32)
    return x.astype(wide) - y.astype(wide)


def l1(x: Maps, y: Maps) -> Scalar:
    """Mean absolute difference over batch, pixels and channels.

    Args:
        x: (N, H, W, C).
        y: Of the same shape.

    Returns:
        () from 0, float32 or wider.

    Raises:
        ValueError: For two shapes.
    """
    return jnp.mean(jnp.abs(_difference(x, y)))


def l1_sum(x: Maps, y: Maps) -> Scalar:
    """Absolute differences summed over pixels and channels, mean over the batch: the norm as the
    paper prints it.

    Args:
        x: (N, H, W, C).
        y: Of the same shape.

    Returns:
        () from 0, float32 or wider.

    Raises:
        ValueError: For two shapes.
    """
    return jnp.sum(jnp.abs(_difference(x, y))) / x.shape[0]


def l2(x: Maps, y: Maps) -> Scalar:
    """Mean squared difference over batch, pixels and channels.

    Args:
        x: (N, H, W, C).
        y: Of the same shape.

    Returns:
        () from 0, float32 or wider.

    Raises:
        ValueError: For two shapes.
    """
    return jnp.mean(jnp.square(_difference(x, y)))


def l1_of_rows(x: Maps, y: Maps, weights: Float[Array, " n"]) -> Scalar:
    """The mean over the batch of weight times the row's mean absolute difference: of some rows
    alone where the others' weights are 0.

    Args:
        x: (N, H, W, C).
        y: Of the same shape.
        weights: Of the rows, (N,).

    Returns:
        () from 0, float32 or wider.

    Raises:
        ValueError: For two shapes.
    """
    return jnp.mean(weights * jnp.mean(jnp.abs(_difference(x, y)), axis=(1, 2, 3)))


PYRAMID = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Of the levels from the images' own size on: those of Li et al.'s code for pairs that do not fit
pixel on pixel."""


def pyramid_l1(x: Maps, y: Maps) -> Scalar:
    """Mean absolute differences of two Gaussian pyramids (Burt and Adelson 1983), for pairs that
    are moved against each other: where the images are small they fit (Li et al. 2023, arXiv
    2303.06193, equation 4).

    Each level is smoothed by (1, 4, 6, 4, 1) / 16 both ways over mirrored borders, compared, with
    its weight of `PYRAMID`, and halved; the last is what is left. None of under 3 pixels is halved.

    Args:
        x: (N, H, W, C).
        y: Of the same shape.

    Returns:
        () from 0, the mean over the levels, float32 or wider.

    Raises:
        ValueError: For two shapes.
    """
    difference, terms = _difference(x, y), []  # smoothing is linear
    for weight in PYRAMID[:-1]:
        if min(difference.shape[1:3]) < 3:
            break
        difference = _smoothed(difference)
        terms.append(weight * jnp.mean(jnp.abs(difference)))
        difference = difference[:, ::2, ::2]
    terms.append(PYRAMID[-1] * jnp.mean(jnp.abs(difference)))
    return jnp.mean(jnp.stack(terms))


def _smoothed(x: Maps) -> Maps:
    taps = (1, 4, 6, 4, 1)
    for axis in (1, 2):
        border = [(2, 2) if a == axis else (0, 0) for a in range(4)]
        wide, length = jnp.pad(x, border, mode="reflect"), x.shape[axis]
        parts = [
            tap * jax.lax.slice_in_dim(wide, i, i + length, axis=axis) for i, tap in enumerate(taps)
        ]
        x = sum(parts[1:], start=parts[0]) / 16
    return x
