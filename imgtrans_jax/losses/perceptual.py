"""Distances between pictures in the features of a network that is never trained (Johnson et al.
2016, equation 2).
"""

from __future__ import annotations

from typing import cast

import jax

from imgtrans_jax.losses.style import content_mean
from imgtrans_jax.models.vgg import VGG, stands_in
from imgtrans_jax.types import Params, SignedImages


def feature_distance(network: Params, x: SignedImages, y: SignedImages, layer: str) -> jax.Array:
    """Mean squared difference of the features `layer` of two batches (N, H, W, 3) in [-1, 1]: ().
    `network` are the parameters of a VGG, as `load_vgg` gives them; where VGG-16 lacks a layer the
    deepest one of its block stands in.
    """
    depth = 19 if "conv3_4" in network["params"] else 16
    name = stands_in(layer, depth)
    features = VGG(depth, (name,))
    of_x, of_y = (
        cast("dict[str, jax.Array]", features.apply(network, (images + 1) / 2)) for images in (x, y)
    )
    return content_mean(of_x[name], of_y[name])
