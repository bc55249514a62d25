"""Numbers that say how good pictures are, as functions of arrays; each metric is one file, see
base.
"""

from imgtrans_jax.metrics.base import CycleMetric, LabelMetric, Metric, PairMetric, SetMetric, each
from imgtrans_jax.metrics.colouring import Coloring, score_coloring
from imgtrans_jax.metrics.cycle import cycle_error
from imgtrans_jax.metrics.distributions import fid, frechet_of_gaussians, kid
from imgtrans_jax.metrics.features import Features
from imgtrans_jax.metrics.fidelity import luma_bytes, psnr, ssim, super_resolution_scores
from imgtrans_jax.metrics.kernel_distance import kernel_distance, polynomial_mmd
from imgtrans_jax.metrics.perceptual import LPIPS, lpips
from imgtrans_jax.metrics.registry import add
from imgtrans_jax.metrics.segmentation import Segmentation, colors_of, confusion, scores, snapped
from imgtrans_jax.metrics.transfer import patch_distance, transfer_figures

__all__ = [
    "LPIPS",
    "Coloring",
    "CycleMetric",
    "Features",
    "LabelMetric",
    "Metric",
    "PairMetric",
    "Segmentation",
    "SetMetric",
    "add",
    "colors_of",
    "confusion",
    "cycle_error",
    "each",
    "fid",
    "frechet_of_gaussians",
    "kernel_distance",
    "kid",
    "lpips",
    "luma_bytes",
    "patch_distance",
    "polynomial_mmd",
    "psnr",
    "score_coloring",
    "scores",
    "snapped",
    "ssim",
    "super_resolution_scores",
    "transfer_figures",
]
