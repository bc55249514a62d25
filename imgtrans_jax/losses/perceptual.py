"""Distances between pictures in the features of a network that is never trained (Johnson et al.
2016, equation 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import jax

from imgtrans_jax.losses.style import content_mean
from imgtrans_jax.models.vgg import VGG, stands_in
from imgtrans_jax.types import Dtype, Scalar, SignedImages, UnitImages, Variables


def features_of(
    network: Variables, images: UnitImages, layers: Sequence[str], dtype: Dtype = "float32"
) -> dict[str, jax.Array]:
    """The features of pictures.

    Args:
        network: The parameters of a VGG, as `load_vgg` gives them. Whether it is VGG-16 or VGG-19
            is read from them.
        images: (N, H, W, 3) in [0, 1].
        layers: The names of layers, such as relu4_2. Where VGG-16 lacks one the deepest of its
            block stands in.
        dtype: The type that convolutions are computed in.

    Returns:
        {layer: (N, h, w, C)}, by the names asked for.

    Raises:
        ValueError: For a layer of neither network, and for images too small to reach one.
    """
    depth = 19 if "conv3_4" in network["params"] else 16
    names = {layer: stands_in(layer, depth) for layer in layers}
    found = VGG(depth, tuple(dict.fromkeys(names.values())), dtype=dtype).apply(network, images)
    return {layer: cast("dict[str, jax.Array]", found)[name] for layer, name in names.items()}


def feature_distance(network: Variables, x: SignedImages, y: SignedImages, layer: str) -> Scalar:
    """Mean squared difference of the features of two batches.

    Args:
        network: As for `features_of`.
        x: (N, H, W, 3) in [-1, 1].
        y: As `x`.
        layer: The name of the layer, likewise.

    Returns:
        () from 0.

    Raises:
        ValueError: For a layer of neither network, for features of different shapes, and for images
            too small to reach the layer.
    """
    of_x, of_y = (features_of(network, (images + 1) / 2, (layer,))[layer] for images in (x, y))
    return content_mean(of_x, of_y)
