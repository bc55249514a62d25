"""Distance between two sets of pictures, as in KID (Binkowski et al. 2018), in features that need
no trained weights.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from imgtrans_jax.metrics.base import SignedPictures
from imgtrans_jax.types import SignedImages

_CHANNELS = (32, 64, 128)


def polynomial_mmd(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy, kernel (u.v / d + 1)^3, in
    float64 (Gretton et al. 2012, equation 3).

    Args:
        x: (n, d) features, n at least 2.
        y: (m, d) features, m at least 2.

    Returns:
        About 0, and below it by chance, for two samples of one distribution.
    """
    n, m = len(x), len(y)
    k_xx, k_yy, k_xy = (polynomial_kernel(u, v) for u, v in ((x, x), (y, y), (x, y)))
    within_x = (k_xx.sum() - np.trace(k_xx)) / (n * (n - 1))
    within_y = (k_yy.sum() - np.trace(k_yy)) / (m * (m - 1))
    return float(within_x + within_y - 2 * k_xy.mean())


def polynomial_kernel(
    u: Float[np.ndarray, "n d"], v: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, "n m"]:
    """(u.v / d + 1)^3 of features.

    Args:
        u: (n, d).
        v: (m, d).

    Returns:
        (n, m) in float64.
    """
    return (u.astype(np.float64) @ v.astype(np.float64).T / u.shape[1] + 1) ** 3


@jax.jit
def _features(signed: SignedImages) -> Float[Array, "n 454"]:
    y, pooled = signed, [jnp.mean(signed, (1, 2)), jnp.std(signed, (1, 2))]
    for level, channels in enumerate(_CHANNELS):
        shape = (3, 3, y.shape[-1], channels)
        kernel = (
            jax.random.normal(jax.random.fold_in(jax.random.key(0), level), shape)
            * (2 / np.prod(shape[:3])) ** 0.5
        )
        y = jax.lax.conv_general_dilated(
            y,
            kernel,
            (2, 2),
            ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision="highest",
        )
        y = jax.nn.relu(y)
        pooled += [jnp.mean(y, (1, 2)), jnp.std(y, (1, 2))]
    return jnp.concatenate(pooled, axis=1)


def random_features(signed: SignedPictures, batch_size: int = 64) -> Float[np.ndarray, "n 454"]:
    """Means and deviations of colours and of three layers of fixed random convolutions, which see
    colour, texture and edges but no meaning.

    Args:
        signed: (N, H, W, 3) in [-1, 1].
        batch_size: How many pictures are computed at once.

    Returns:
        (N, 454).
    """
    parts = [_features(signed[i : i + batch_size]) for i in range(0, len(signed), batch_size)]
    return np.concatenate([np.asarray(part) for part in parts])


def kernel_distance(
    generated: Float[np.ndarray, "n h w 3"], real: Float[np.ndarray, "m h w 3"]
) -> float:
    """`polynomial_mmd` of the two sets' random features, each feature scaled by the real set's mean
    and deviation.

    Args:
        generated: (n, H, W, 3) in [-1, 1], n at least 2.
        real: (m, H, W, 3) in [-1, 1], m at least 2.

    Returns:
        As `polynomial_mmd`, lower for more alike.
    """
    x, y = random_features(generated), random_features(real)
    mean, scale = y.mean(0), y.std(0) + 1e-6
    return polynomial_mmd((x - mean) / scale, (y - mean) / scale)
