"""Distances between two image batches (N, H, W, C), each to a () float32 or wider."""

from __future__ import annotations

import jax.numpy as jnp

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
