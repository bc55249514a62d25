"""Distances between pictures in the features of a network that is never trained (Johnson et al.
2016, equation 2).
"""

from __future__ import annotations

from typing import cast

import jax

from imgtrans_jax.losses.style import content_mean
from imgtrans_jax.models.vgg import VGG, stands_in
from imgtrans_jax.types import Scalar, SignedImages, Variables


def feature_distance(network: Variables, x: SignedImages, y: SignedImages, layer: str) -> Scalar:
    """Mean squared difference of the features of two batches.

    Args:
        network: The parameters of a VGG, as `load_vgg` gives them. Whether it is VGG-16 or VGG-19
            is read from them.
        x: (N, H, W, 3) in [-1, 1].
        y: As `x`.
        layer: The name of the layer, such as relu4_2. Where VGG-16 lacks a layer the deepest one of
            its block stands in.

    Returns:
        () from 0.

    Raises:
        ValueError: For a layer of neither network, for features of different shapes, and for images
            too small to reach the layer.
    """
    depth = 19 if "conv3_4" in network["params"] else 16
    name = stands_in(layer, depth)
    features = VGG(depth, (name,))
    of_x, of_y = (
        cast("dict[str, jax.Array]", features.apply(network, (images + 1) / 2)) for images in (x, y)
    )
    return content_mean(of_x[name], of_y[name])
