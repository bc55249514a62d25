"""How far a style transfer went: how much nearer the style, how far from the content."""

from __future__ import annotations

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from imgtrans_jax.io import images
from imgtrans_jax.losses.style import gram, style_relative
from imgtrans_jax.models.vgg import VGG, Depth, VGGBorder, stands_in
from imgtrans_jax.types import Variables

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"
PATCH_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_3")
"""None of them, and nothing like the distance, is in the objective of a style transfer."""

DIRECTIONS = 128  # of the features, drawn at random, but the same for every picture
QUANTILES = 512  # of the positions: pictures of other sizes have as many of these


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
    the second. Both are means (of the falls the geometric one) over the two borders that a VGG can
    have here: a transfer that was optimised with one of them is nearer by that one.

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
    height, width = content.shape[:2]
    pictures = {
        "result": result,
        "content": content,
        "area": _at_area(style, height * width),
        "shape": images.resize(style, height, width),
    }
    figures = [_figures(depth, params, pictures, border) for border in get_args(VGGBorder)]
    falls, distances = np.transpose(figures)
    return float(np.exp(np.mean(np.log(falls)))), float(np.mean(distances))


def _figures(
    depth: Depth, params: Variables, pictures: dict[str, np.ndarray], border: VGGBorder
) -> tuple[float, float]:
    features = jax.jit(VGG(depth, (*STYLE_LAYERS, CONTENT_LAYER), border=border).apply)
    of = {name: features(params, jnp.float32(each)[None]) for name, each in pictures.items()}

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


def patch_distance(
    depth: Depth,
    params: Variables,
    picture: Float[np.ndarray, "h w 3"],
    style: Float[np.ndarray, "_ _ 3"],
) -> float:
    """How far the patches of a picture are from those of a style: the squared sliced 2-Wasserstein
    distance of the features' distributions, by the spread of the style's own (Heitz et al. 2021,
    over PATCH_LAYERS). It sees the whole distribution, where a style loss sees its
    means and covariances, in other layers than the objective has.

    Args:
        depth: Of the VGG, 16 or 19.
        params: Its parameters.
        picture: (H, W, 3) in [0, 1].
        style: (H', W', 3) in [0, 1]. It is taken at the picture's area.

    Returns:
        The distance from 0, the mean over the layers; 1 or so for a picture of one color.
    """
    layers = tuple(dict.fromkeys(stands_in(layer, depth) for layer in PATCH_LAYERS))
    features = jax.jit(VGG(depth, layers).apply)
    of, wanted = (
        {name: np.asarray(maps[0]).reshape(-1, maps.shape[-1]) for name, maps in found.items()}
        for found in (
            features(params, jnp.float32(each)[None])
            for each in (picture, _at_area(style, picture.shape[0] * picture.shape[1]))
        )
    )
    rng = np.random.default_rng(0)
    steps = (np.arange(QUANTILES) + 0.5) / QUANTILES
    distances = []
    for layer in layers:
        directions = rng.standard_normal((of[layer].shape[1], DIRECTIONS)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=0)
        found, aim = (np.quantile(x[layer] @ directions, steps, axis=0) for x in (of, wanted))
        distances.append(np.mean(np.square(found - aim)) / np.mean(np.var(aim, axis=0)))
    return float(np.mean(distances))


def _at_area(picture: np.ndarray, area: int) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = np.sqrt(area / (height * width))
    return images.resize(picture, round(height * scale), round(width * scale))
