"""How far a set of pictures is from another, in a network's features: Fréchet and kernel distances."""

from __future__ import annotations

import numpy as np

from imgtrans_jax.metrics.kernel_distance import polynomial_mmd

SUBSETS, SUBSET = 100, 1000
"""KID's published protocol (Binkowski et al. 2018, section 4): so many random subsets of so many pictures."""


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """FID of features (n, d) and (m, d) as Gaussians (Heusel et al. 2017, equation 6), in float64.

    It is biased upwards: by much where n and m are not far more than d. n and m are at least 2.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    return frechet_of_gaussians(x.mean(0), _covariance(x), y.mean(0), _covariance(y))


def frechet_of_gaussians(mean_x: np.ndarray, cov_x: np.ndarray, mean_y: np.ndarray, cov_y: np.ndarray) -> float:
    """||m_x - m_y||^2 + Tr(C_x + C_y - 2 (C_x C_y)^(1/2)), means (d,) and covariances (d, d).

    The root's trace is that of (C_x^(1/2) C_y C_x^(1/2))^(1/2), which is symmetric, so that singular covariances do no harm.
    """
    values, vectors = np.linalg.eigh(cov_x)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(root @ cov_y @ root)
    traces = np.trace(cov_x) + np.trace(cov_y) - 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(np.square(mean_x - mean_y).sum() + traces)


def _covariance(x: np.ndarray) -> np.ndarray:
    return np.cov(x, rowvar=False).reshape(x.shape[1], x.shape[1])


def kid(x: np.ndarray, y: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """KID of features (n, d) and (m, d): an unbiased estimate, and its standard error.

    With over 1000 pictures on both sides it is the published mean over 100 subsets of 1000. With fewer it is the estimate of
    all of them, and the error is the scatter of 100 estimates of random halves: to draw a half without putting back halves the
    variance that half as many double. For two sets of one distribution it is up to twice too large.
    """
    rng = np.random.default_rng(seed)
    published = min(len(x), len(y)) > SUBSET
    sizes = (SUBSET, SUBSET) if published else (max(2, len(x) // 2), max(2, len(y) // 2))
    drawn = [
        polynomial_mmd(x[rng.permutation(len(x))[: sizes[0]]], y[rng.permutation(len(y))[: sizes[1]]]) for _ in range(SUBSETS)
    ]
    if published:
        return float(np.mean(drawn)), float(np.std(drawn) / np.sqrt(SUBSETS))
    return polynomial_mmd(x, y), float(np.std(drawn))
