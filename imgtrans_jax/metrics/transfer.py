"""How far a style transfer went: how much nearer the style, how far from the content."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from imgtrans_jax.io import images
from imgtrans_jax.losses.style import gram, style_relative
from imgtrans_jax.models.vgg import VGG, Depth
from imgtrans_jax.types import Variables

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"


def transfer_figures(
    depth: Depth,
    params: Variables,
    result: Float[np.ndarray, "h w 3"],
    content: Float[np.ndarray, "h w 3"],
    style: Float[np.ndarray, "_ _ 3"],
) -> tuple[float, float]:
    """How much nearer the style a result is, and how far from the content.

    The style loss is that of Gram matrices over positions, each layer relative to the style's own.
    The style picture is taken at the content's area for the first number, and at its very shape for
    the second.

    Args:
        depth: Of the VGG, 16 or 19.
        params: Its parameters.
        result: The picture (H, W, 3) in [0, 1] that the transfer made.
        content: (H, W, 3) in [0, 1].
        style: (H', W', 3) in [0, 1].

    Returns:
        How many times the style loss fell from the content to the result; and the distance of the
        result from the content in relu4_2, by that of the style picture.
    """
    network = VGG(depth, (*STYLE_LAYERS, CONTENT_LAYER))
    features = jax.jit(network.apply)
    height, width = content.shape[:2]
    scale = np.sqrt(height * width / (style.shape[0] * style.shape[1]))
    same_area = images.resize(style, round(style.shape[0] * scale), round(style.shape[1] * scale))
    same_shape = images.resize(style, height, width)
    of = {
        name: features(params, jnp.float32(picture)[None])
        for name, picture in (
            ("result", result),
            ("content", content),
            ("area", same_area),
            ("shape", same_shape),
        )
    }

    def mean_gram(name: str, layer: str) -> Float[Array, "1 c c"]:
        found = of[name][layer]
        return gram(found) / (found.shape[1] * found.shape[2])

    def style_loss(name: str) -> float:
        return sum(
            float(style_relative(mean_gram(name, layer), mean_gram("area", layer), 1))
            for layer in STYLE_LAYERS
        )

    def distance(name: str) -> float:
        return float(jnp.linalg.norm(of[name][CONTENT_LAYER] - of["content"][CONTENT_LAYER]))

    return style_loss("content") / style_loss("result"), distance("result") / distance("shape")
