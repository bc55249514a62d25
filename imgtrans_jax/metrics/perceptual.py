"""LPIPS: the distance of two pictures as people see it, in trained features (Zhang et al. 2018,
equation 1; version 0.1).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from imgtrans_jax.io import images
from imgtrans_jax.metrics.base import PairMetric, Pictures, Scores
from imgtrans_jax.metrics.features import as_rgb
from imgtrans_jax.models.alexnet import MIN_SIDE, AlexNet
from imgtrans_jax.models.vgg import VGG
from imgtrans_jax.types import Maps, UnitImages
from imgtrans_jax.weights.metric_networks import Backbone, checksum, load_lpips

_VGG_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


class LPIPS:
    """Pictures (N, H, W, 1 or 3) uint8, and the same again -> their distances (N,) float32: 0 for
    equal ones, about 1 for unlike ones.

    Pictures with a side under 32 pixels are enlarged to it.

    Args:
        backbone: `alex`, which the authors advise for comparing, or `vgg`.

    Attributes:
        params: The network's weights.
        heads: The weights of the channels, by layer.
        checksum: Of all weights.

    Raises:
        UserError: For other channels, or if the weights cannot be had.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.params, self.heads = load_lpips(backbone)
        network = AlexNet() if backbone == "alex" else VGG(16, _VGG_LAYERS)
        self.checksum = checksum((self.params, self.heads))
        self._distance = jax.jit(
            lambda params, heads, x, y: distance(
                lambda z: cast("Mapping[str, Maps]", network.apply(params, z)), heads, x, y
            )
        )

    def __call__(self, x: Pictures, y: Pictures) -> Scores:
        x, y = as_rgb(x), as_rgb(y)
        small = max(1.0, (MIN_SIDE + 1) / min(x.shape[1:3]))
        height, width = round(x.shape[1] * small), round(x.shape[2] * small)
        unit = [
            np.stack([images.to_unit(images.resize(p, height, width)) for p in many])
            for many in (x, y)
        ]
        with jax.default_matmul_precision("highest"):
            return np.asarray(self._distance(self.params, self.heads, *unit))


def lpips(x: Pictures, y: Pictures, backbone: Backbone = "alex") -> Scores:
    """As `LPIPS`, which is loaded once.

    Args:
        x: (N, H, W, 1 or 3) uint8.
        y: Of the same shape.
        backbone: `alex` or `vgg`.

    Returns:
        (N,) float32, lower for more alike.

    Raises:
        UserError: As `LPIPS` does.
    """
    return _loaded(backbone)(x, y)


_loaded = functools.cache(LPIPS)


def distance(
    features: Callable[[UnitImages], Mapping[str, Maps]],
    heads: tuple[Float[Array, " _"], ...],
    x: UnitImages,
    y: UnitImages,
) -> Float[Array, " n"]:
    """For each layer the features' unit vectors are subtracted and squared, weighted by channel,
    averaged over positions; and summed over layers.

    Args:
        features: Pictures -> the layers' (N, h, w, C) by name.
        heads: The weights of the channels, (C,) for each layer.
        x: Pictures (N, H, W, 3) in [0, 1].
        y: Of the same shape and range.

    Returns:
        (N,) from 0.
    """
    total = jnp.zeros(x.shape[0])
    for head, u, v in zip(heads, features(x).values(), features(y).values(), strict=True):
        total += jnp.mean(jnp.square(_directions(u) - _directions(v)) @ head, axis=(1, 2))
    return total


def _directions(features: Maps) -> Maps:
    return features / (jnp.sqrt(jnp.sum(jnp.square(features), axis=-1, keepdims=True)) + 1e-10)


ALEX = PairMetric(
    "lpips_alex",
    "lower",
    "AlexNet, version 0.1",
    lambda: LPIPS("alex"),
    protocol=lambda measure: measure.checksum,
)
VGG_16 = PairMetric(
    "lpips_vgg",
    "lower",
    "VGG-16, version 0.1",
    lambda: LPIPS("vgg"),
    protocol=lambda measure: measure.checksum,
)
