"""How far a set of pictures is from another, in a network's features: Fréchet and kernel
distances.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from imgtrans_jax.metrics.base import SetMetric
from imgtrans_jax.metrics.kernel_distance import polynomial_kernel

SUBSETS, SUBSET = 100, 1000
"""KID's published protocol (Binkowski et al. 2018, section 4): so many random subsets of so many
pictures.
"""


def fid(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> float:
    """The Fréchet distance of features as Gaussians (Heusel et al. 2017, equation 6), in float64.

    It is biased upwards: by much where n and m are not far more than d.

    Args:
        x: (n, d), such as `Features` makes; n at least 2.
        y: (m, d), likewise.

    Returns:
        From 0, lower for more alike.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    return frechet_of_gaussians(x.mean(0), _covariance(x), y.mean(0), _covariance(y))


def frechet_of_gaussians(
    mean_x: Float[np.ndarray, " d"],
    cov_x: Float[np.ndarray, "d d"],
    mean_y: Float[np.ndarray, " d"],
    cov_y: Float[np.ndarray, "d d"],
) -> float:
    """||m_x - m_y||^2 + Tr(C_x + C_y - 2 (C_x C_y)^(1/2)).

    The root's trace is that of (C_x^(1/2) C_y C_x^(1/2))^(1/2), which is symmetric, so that
    singular covariances do no harm.

    Args:
        mean_x: m_x, (d,).
        cov_x: C_x, (d, d).
        mean_y: m_y, (d,).
        cov_y: C_y, (d, d).

    Returns:
        From 0, but for rounding.
    """
    values, vectors = np.linalg.eigh(cov_x)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(root @ cov_y @ root)
    traces = np.trace(cov_x) + np.trace(cov_y) - 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(np.square(mean_x - mean_y).sum() + traces)


def _covariance(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "d d"]:
    return np.cov(x, rowvar=False).reshape(x.shape[1], x.shape[1])


def kid(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"], seed: int = 0
) -> tuple[float, float]:
    """KID of two sets of features: an unbiased estimate, and its standard error.

    The estimate is the mean over the subsets that `kid_protocol` names. The error is that of the
    estimate as a U-statistic of both sets (Hoeffding 1948), its first and second order, and of the
    choice of subsets; for two sets of one distribution it is up to 1.4 times too large.

    Args:
        x: (n, d), such as `Features` makes; n at least 2.
        y: (m, d), likewise.
        seed: Of the choice of subsets.

    Returns:
        The estimate, 0 for one distribution and below it by chance; and its error, NaN where a set
        has fewer than 4 pictures, which say nothing of it.
    """
    rng = np.random.default_rng(seed)
    count, sizes = _subsets(len(x), len(y))
    found = []
    for _ in range(count):
        chosen = (z[rng.permutation(len(z))[:size]] for z, size in zip((x, y), sizes, strict=True))
        found.append(_mmd_and_parts(*chosen))
    values, parts = (
        np.array([value for value, _ in found]),
        np.mean([part for _, part in found], axis=0),
    )
    variance = _variance(parts, len(x), len(y))
    if count > 1:
        variance += np.var(values, ddof=1) / count
    return float(np.mean(values)), float(np.sqrt(variance))


def kid_protocol(n: int, m: int) -> str:
    """How `kid` takes sets of n and m pictures. It is the published protocol for over 1000 in
    both.

    Args:
        n: Pictures of one set.
        m: Pictures of the other.

    Returns:
        A line for the record of a score.
    """
    count, (of_x, of_y) = _subsets(n, m)
    how = (
        f"mean over {count} random subsets of {of_x} and {of_y}"
        if count > 1
        else f"of all {n} and {m}"
    )
    return f"{how}, cubic kernel, unbiased; its error as of a U-statistic of {n} and {m}"


def _subsets(n: int, m: int) -> tuple[int, tuple[int, int]]:
    """How many subsets and of how many of each side. Over 1000 on one side only is not in the
    paper: then each of the larger side is met about four times, which costs no more than the
    paper's.
    """
    sizes = min(n, SUBSET), min(m, SUBSET)
    if min(n, m) > SUBSET:
        return SUBSETS, sizes
    return (min(SUBSETS, -(-4 * max(n, m) // SUBSET)) if max(n, m) > SUBSET else 1), sizes


def _mmd_and_parts(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]
) -> tuple[float, Float[np.ndarray, " 5"]]:
    """`polynomial_mmd`, and estimates of what its variance is made of.

    With k(x, x') = m + a(x) + a(x') + e(x, x'), k(y, y') likewise, and k(x, y) = m + b(x) + b(y) +
    e(x, y) these are the variances of a - b on both sides (first order) and of the three e (second
    order).
    """
    (first_x, within_x, second_x), (first_y, within_y, second_y) = (
        _within(polynomial_kernel(z, z)) for z in (x, y)
    )
    across = polynomial_kernel(x, y)
    by_x, by_y = across.mean(1), across.mean(0)
    rest = across - by_x[:, None] - by_y + across.mean()
    n, m = across.shape
    second_xy = np.square(rest).sum() / ((n - 1) * (m - 1))
    # The means of few kernel values scatter by the second order too.
    of_x = np.var(first_x - by_x, ddof=1) - second_x / (n - 1) - second_xy / m
    of_y = np.var(first_y - by_y, ddof=1) - second_y / (m - 1) - second_xy / n
    value = within_x + within_y - 2 * across.mean()
    return float(value), np.array([of_x, of_y, second_x, second_y, second_xy])


def _within(
    kernel: Float[np.ndarray, "n n"],
) -> tuple[Float[np.ndarray, " n"], float, float]:
    """Of a symmetric (n, n) without its diagonal: each row's mean, the mean, and the variance of
    what is left when both are taken off; NaN for n below 4.
    """
    n = len(kernel)
    np.fill_diagonal(kernel, 0)
    rows = kernel.sum(1) / (n - 1)
    mean = float(rows.mean())
    if n < 4:
        return rows, mean, np.nan
    effects = (rows - mean) * (n - 1) / (n - 2)
    kernel -= mean + effects[:, None] + effects
    np.fill_diagonal(kernel, 0)
    return rows, mean, float(np.square(kernel).sum() / (n * (n - 3)))


def _variance(parts: Float[np.ndarray, " 5"], n: int, m: int) -> float:
    of_x, of_y, second_x, second_y, second_xy = parts
    first = 4 * (of_x / n + of_y / m)
    second = 2 * (second_x / (n * (n - 1)) + second_y / (m * (m - 1))) + 4 * second_xy / (n * m)
    return max(first, 0.0) + second


KID = SetMetric(
    "kid", "lower", "unbiased, 0 for one distribution", lambda: kid, protocol=kid_protocol
)
FID = SetMetric(
    "fid",
    "lower",
    "biased for few pictures: compare equal counts only",
    lambda: lambda x, y: (fid(x, y), np.nan),
)
