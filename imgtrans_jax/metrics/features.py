"""The features in which sets of pictures are compared, by name, with the rule by which pictures are
resized for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from imgtrans_jax.io import images
from imgtrans_jax.metrics.base import Pictures
from imgtrans_jax.models.inception import Inception, resized
from imgtrans_jax.models.vgg import VGG
from imgtrans_jax.types import UnitImages, UserError, Variables
from imgtrans_jax.weights.metric_networks import checksum, load_inception
from imgtrans_jax.weights.vgg import load_vgg

_VGG_SIDE, _VGG_LAYER = 224, "relu5_3"


def check_name(name: str) -> None:
    """Checks the name of features.

    Raises:
        UserError: For features that there are not.
    """
    if name not in ("vgg16", "inception") and Path(name).suffix not in (".pth", ".pt"):
        raise UserError(
            f"There are no features '{name}': give vgg16, inception, or the .pth of Inception's "
            "weights."
        )


def as_rgb(pictures: UInt8[np.ndarray, "... c"]) -> UInt8[np.ndarray, "... 3"]:
    """Grey pictures as RGB.

    Args:
        pictures: (…, 1 or 3).

    Returns:
        (…, 3).

    Raises:
        UserError: For other channels.
    """
    if pictures.shape[-1] not in (1, 3):
        raise UserError(
            "lpips, kid and fid are for grey and RGB pictures, and these have "
            f"{pictures.shape[-1]} channels: give `metrics=psnr,ssim`."
        )
    return np.broadcast_to(pictures, (*pictures.shape[:-1], 3))


class Features:
    """Pictures (N, H, W, 1 or 3) uint8 -> (N, d) float32.

    Args:
        name: `vgg16`, the embedded network; `inception`, fetched once; or the .pth of Inception's
            weights.

    Attributes:
        params: The network's weights.
        vgg: Whether it is VGG-16.
        protocol: What a reader of a score must know.

    Raises:
        UserError: If the weights cannot be had, for another name, and for other channels.
    """

    def __init__(self, name: str = "vgg16") -> None:
        check_name(name)
        self.params: Variables
        if name == "vgg16":
            self.params = load_vgg("embedded")[1]
            network = VGG(16, (_VGG_LAYER,))
            rule = f"{_VGG_SIDE}x{_VGG_SIDE}, bicubic, antialiased (Pillow)"
            layer = f"{_VGG_LAYER}, mean over positions, 512"

            def means(params: Variables, x: UnitImages) -> Float[Array, "n d"]:
                features: Any = network.apply(params, x)
                return jnp.mean(features[_VGG_LAYER], axis=(1, 2))

            self._apply = jax.jit(means)
        else:
            self.params = load_inception("" if name == "inception" else name)
            rule = "299x299, bilinear, not antialiased (pytorch-fid)"
            layer = "the last pooling, 2048"
            self._apply = jax.jit(lambda params, x: Inception().apply(params, resized(x)))
        self.vgg = name == "vgg16"
        self.protocol = {
            "network": "VGG-16" if self.vgg else "Inception-v3 of pytorch-fid",
            "layer": layer,
            "resize": rule,
            "weights": checksum(self.params),
        }

    def __call__(self, pictures: Pictures) -> Float[np.ndarray, "n d"]:
        pictures = as_rgb(pictures)
        if self.vgg:
            pictures = np.stack([images.resize(p, _VGG_SIDE, _VGG_SIDE) for p in pictures])
        with jax.default_matmul_precision("highest"):
            return np.asarray(self._apply(self.params, images.to_unit(pictures)))
