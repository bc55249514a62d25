"""Patches told apart by their features (Park, Efros, Zhang and Zhu 2020, arXiv 2007.15651)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imgtrans_jax.types import Scalar


def patch_nce(
    queries: Float[Array, "n p d"],
    keys: Float[Array, "n r d"],
    temperature: float = 0.07,
    adaptive: float = 0.0,
) -> Scalar:
    """Every query is to be found among the keys of its picture: the cross entropy of equation 2
    with one class for each patch, of which its own is right and the others are the negatives.

        mean over patches s of w_s (-log exp(q_s . k_s / t) / sum over r of exp(q_s . k_r / t))

    Args:
        queries: q, (N, P, D): vectors of length 1 of each picture's patches.
        keys: k, (N, P, D), of the same patches in what they are to be like. The authors let no
            gradient into them (`jax.lax.stop_gradient`).
        temperature: t, above 0.
        adaptive: How much w_s, which are scaled to 1 in the mean of a picture, follow the likeness
            that there is, in [0, 1]: w_s = 1 - adaptive + adaptive max(0, q_s . k_s). So pairs
            count less where they do not fit. Li et al. 2023 (arXiv 2303.06193) let it grow from 0
            in the second half of a training; here it is one number.

    Returns:
        () from 0.

    Raises:
        ValueError: For queries and keys of different shapes.
    """
    if queries.shape != keys.shape:
        raise ValueError(
            f"A query has one key; there are {queries.shape} queries and {keys.shape} keys."
        )
    alike = jnp.einsum("npd,nqd->npq", queries, keys, precision=jax.lax.Precision.HIGHEST)
    log_shares = jax.nn.log_softmax(alike / temperature, axis=-1)
    lost = -jnp.diagonal(log_shares, axis1=1, axis2=2)
    if not adaptive:
        return jnp.mean(lost)
    own = jax.lax.stop_gradient(jnp.diagonal(alike, axis1=1, axis2=2))
    weights = 1 - adaptive + adaptive * jnp.maximum(own, 0)
    mean = jnp.mean(weights, axis=1, keepdims=True)
    return jnp.mean(lost * jnp.where(mean > 1e-6, weights / jnp.maximum(mean, 1e-6), 1))
