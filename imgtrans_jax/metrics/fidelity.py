"""How near one picture is to another: PSNR and SSIM, by the rules of the super-resolution
papers.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Real
from scipy.ndimage import correlate1d

from imgtrans_jax.io.color import luma
from imgtrans_jax.metrics.base import PairMetric, Picture, each
from imgtrans_jax.types import UserError

_SIGMA, _REACH = 1.5, 5  # a Gaussian window of 11 pixels
_K1, _K2 = 0.01, 0.03


def luma_bytes(signed: Float[np.ndarray, "*place 3"]) -> Float[np.ndarray, " *place"]:
    """Y of YCbCr (ITU-R BT.601), of pixels rounded to 8 bits as a file has them. This is MATLAB's
    rgb2ycbcr, in which super-resolution papers report (Ledig et al. 2017, section 3.1).

    Args:
        signed: (…, 3) in [-1, 1].

    Returns:
        (…) float64 in [16, 235].
    """
    rounded = np.rint((np.clip(signed, -1, 1) + 1) * 127.5) / 127.5 - 1
    return 16 + 219 * (luma(rounded)[..., 0].astype(np.float64) + 1) / 2


def psnr(
    x: Real[np.ndarray, " *shape"], y: Real[np.ndarray, " *shape"], peak: float = 255.0
) -> float:
    """Peak signal-to-noise ratio of two arrays.

    Args:
        x: Any shape, with values from 0 to `peak`.
        y: Of the same shape and range.
        peak: The largest value there can be; by default that of 8 bits.

    Returns:
        dB; higher for more alike, infinite for equal ones.
    """
    error = float(np.mean(np.square(x.astype(np.float64) - y)))
    return float("inf") if error == 0 else float(10 * np.log10(peak**2 / error))


def ssim(
    x: Real[np.ndarray, "h w *c"], y: Real[np.ndarray, "h w *c"], peak: float = 255.0
) -> float:
    """Structural similarity (Wang et al. 2004, equation 13).

    Gaussian window of 11 pixels, sigma 1.5, K1 0.01, K2 0.03, averaged over the positions where the
    window fits, and over channels.

    Args:
        x: A plane (H, W), or a picture (H, W, C), with values from 0 to `peak`.
        y: Of the same shape and range.
        peak: The largest value there can be; by default that of 8 bits.

    Returns:
        In [-1, 1], 1 for equal ones.

    Raises:
        ValueError: For different shapes, or a side under 11 pixels.
    """
    if x.ndim == y.ndim == 3 and x.shape[2] == y.shape[2]:
        return float(np.mean([ssim(x[..., c], y[..., c], peak) for c in range(x.shape[2])]))
    if x.shape != y.shape or min(x.shape) <= 2 * _REACH:
        raise ValueError(
            "SSIM compares two planes of one shape, of 11 pixels a side and more; these are "
            f"{x.shape} and {y.shape}."
        )
    window = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / _SIGMA) ** 2)
    window /= window.sum()

    def mean(plane: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "_ _"]:
        for axis in (0, 1):
            plane = correlate1d(plane, window, axis=axis)
        return plane[_REACH:-_REACH, _REACH:-_REACH]

    x, y = x.astype(np.float64), y.astype(np.float64)
    mean_x, mean_y = mean(x), mean(y)
    variance_x, variance_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float(
        np.mean(likeness / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)))
    )


def super_resolution_scores(
    result: Float[np.ndarray, "h w 3"], truth: Float[np.ndarray, "h w 3"], border: int = 4
) -> tuple[float, float]:
    """PSNR and SSIM on luma, see `luma_bytes`.

    Args:
        result: (H, W, 3) in [-1, 1].
        truth: Of the same shape and range.
        border: Pixels at every side that are left out, at least 1; 4 is the papers' rule for x4.

    Returns:
        PSNR in dB, and SSIM.

    Raises:
        ValueError: For different shapes, or a side under 11 pixels without the border.
    """
    x, y = (luma_bytes(picture)[border:-border, border:-border] for picture in (result, truth))
    return psnr(x, y), ssim(x, y)


def _ssim_of_pictures(x: Picture, y: Picture) -> float:
    if min(x.shape[:2]) <= 2 * _REACH:
        raise UserError(
            f"SSIM needs pictures of 11 pixels a side, and this is {x.shape[1]}x{x.shape[0]}; "
            "leave ssim out."
        )
    return ssim(x, y)


PSNR = PairMetric("psnr", "higher", "dB, of 8-bit RGB", lambda: each(psnr))
SSIM = PairMetric(
    "ssim",
    "higher",
    "Gaussian window 11, sigma 1.5, mean of RGB",
    lambda: each(_ssim_of_pictures),
)
