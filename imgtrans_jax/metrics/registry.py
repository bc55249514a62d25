"""Which metrics there are, what they compare, and which way is better. Imports nothing."""

from __future__ import annotations

PAIRWISE = ("psnr", "ssim", "lpips_alex", "lpips_vgg")
OF_SETS = ("kid", "fid")
METRICS = (*PAIRWISE, *OF_SETS, "cycle")
HIGHER_IS_BETTER = frozenset({"psnr", "ssim", "pixel_accuracy", "class_accuracy", "class_iou"})

MEANING = {
    "psnr": "dB, of 8-bit RGB; higher is better",
    "ssim": "Gaussian window 11, sigma 1.5, mean of RGB; higher is better",
    "lpips_alex": "AlexNet, version 0.1; lower is better",
    "lpips_vgg": "VGG-16, version 0.1; lower is better",
    "kid": "unbiased, 0 for one distribution; lower is better",
    "fid": "biased for few pictures: compare equal counts only; lower is better",
    "cycle": "mean |F(G(x)) - x|, of the range [-1, 1]; lower is better",
    "pixel_accuracy": "of label maps; higher is better",
    "class_accuracy": "of label maps, mean over classes; higher is better",
    "class_iou": "of label maps, mean over classes; higher is better",
}
