"""Neural style transfer: the pixels of a picture, until its features are those of one and its Gram
matrices those of another.

Gatys, Ecker and Bethge 2016 (CVPR), with the controls of Gatys et al. 2017 and the coarse-to-fine
practice of later code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import jax
import jax.numpy as jnp

from imgtrans_jax.losses.gaussians import statistic, style_moments
from imgtrans_jax.losses.style import (
    StyleLoss,
    content_relative,
    laplacian,
    mean_variation,
    positions,
)
from imgtrans_jax.models.vgg import VGG, Depth, Pooling, VGGBorder, check_layers
from imgtrans_jax.optim.pixels import LBFGS, PixelOptimizer
from imgtrans_jax.types import (
    Dtype,
    Objective,
    Opens,
    Params,
    Terms,
    UnitImages,
    UserError,
    Weights,
)

ContentLoss = Callable[[jax.Array, jax.Array], jax.Array]
Variation = Callable[[jax.Array], jax.Array]
LayerWeights = Callable[[int], tuple[float, ...]]

Regions = tuple[Mapping[str, jax.Array], ...]
"""For each region of the picture {layer: (1, C, C) mean Gram matrix wanted there}."""


def equal(count: int) -> tuple[float, ...]:
    """Every layer the same."""
    return (1 / count,) * count


def by_depth(count: int) -> tuple[float, ...]:
    """Every layer half of the one before it; they sum to 1."""
    return tuple(2.0 ** (count - 1 - i) / (2**count - 1) for i in range(count))


@dataclasses.dataclass(frozen=True)
class Gatys:
    """content_weight * content + style_weight * style + tv_weight * smoothness, minimised over
    pixels (equation 7).

    Relative losses are 1 for a black network, so that weights mean the same for every network,
    layer and size.

    Attributes:
        weights: The network: `embedded` (VGG-16), `vgg16`, `vgg19`, or a file of either.
        border: Beyond the picture's edge the network sees `zero`, or the `edge` repeated.
        pooling: `max`, or `average`, which is the paper's.
        dtype: That the network computes in.
        content_layers: By name.
        style_layers: By name.
        layer_weights: Of the style layers, `equal` or `by_depth`.
        content_loss: content_relative, content_similar, content_sum, content_half (the paper's) or
            content_mean.
        style_loss: style_moments, style_wasserstein, style_relative, style_raw, style_normalized
            (the paper's) or style_mean.
        tv_loss: mean_variation or total_variation (a sum).
        content_weight: Of the content loss; 0 leaves it out.
        style_weight: Of the style loss; 0 leaves it out.
        tv_weight: Of `tv_loss`; 0 leaves it out.
        laplacian_weight: Of the content's lines (`losses.style.laplacian`); 0 leaves it out.
        laplacian_pools: Their scales, in pixels.
        temporal_weight: Of the mean squared difference of a film's frame from the one before, moved
            as the picture has (the temporal loss of Ruder et al. 2016); 0 leaves it out.
        colors: Those of the result. `style`: the style's. `clean`: the style's, without any specks
            of color: the content's chroma, mapped to the style's, under the result's lightness.
            `content`: the content's, by giving them to the style before (mean and covariance), and
            without specks. `luminance`: the content's chroma is kept, and only luminance is taken
            from the style.
        recolor: With `colors` of the style, the content's features are those of the content in the
            style's colours; False is the paper's.
        style_scale: Size of the strokes; at 1 the style picture is taken at the area of the
            content.
        optimizer: LBFGS, PixelAdam or GradientDescent.
        scales: Sizes of the picture from coarse to fine, relative to the last.
        steps: Gradient evaluations at each size, at most.
        tolerance: A size ends when 20 evaluations have lowered the loss by less than this share.
        most_pixels: A larger picture is worked at this many, unless a size is given, and the result
            is enlarged.
        start: `content`, `noise`, or the path of a picture.
        seed: Of the noise.
    """

    weights: Weights = "embedded"
    pooling: Pooling = "max"
    border: VGGBorder = "edge"
    dtype: Dtype = "float32"
    content_layers: tuple[str, ...] = ("relu4_2",)
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    layer_weights: LayerWeights = equal
    content_loss: ContentLoss = content_relative
    style_loss: StyleLoss = style_moments
    tv_loss: Variation = mean_variation
    content_weight: float = 0.26
    style_weight: float = 1.0
    tv_weight: float = 0.0
    laplacian_weight: float = 0.2
    temporal_weight: float = 20.0
    laplacian_pools: tuple[int, ...] = (4, 16)
    colors: Literal["style", "clean", "content", "luminance"] = "style"
    recolor: bool = True
    style_scale: float = 1.0
    optimizer: PixelOptimizer = LBFGS()
    scales: tuple[float, ...] = (0.25, 0.5, 1.0)
    steps: tuple[int, ...] = (100, 100, 120)
    tolerance: float = 0.005
    most_pixels: int = 1_000_000
    start: Annotated[str, Opens("content|noise")] = "content"
    seed: int = 0

    def network(self, depth: Depth, *groups: tuple[str, ...]) -> VGG:
        """The network with the layers of all groups, each once.

        Args:
            depth: Of the network, 16 or 19.
            *groups: Of names of layers.

        Returns:
            The module, without its parameters.

        Raises:
            ValueError: For a layer that the network lacks.
        """
        layers = tuple(dict.fromkeys(layer for group in groups for layer in group))
        check_layers(layers, depth)
        return VGG(depth, layers, self.pooling, self.dtype, self.border)

    def content_targets(
        self, depth: Depth, params: Params, image: UnitImages
    ) -> dict[str, jax.Array]:
        """The features that the result should have.

        Args:
            depth: Of the network, 16 or 19.
            params: Of the network.
            image: The content (N, H, W, 3), float in [0, 1].

        Returns:
            {layer: (N, h, w, C)}.
        """
        return apply(self.network(depth, self.content_layers), params, image)

    def style_targets(
        self, depth: Depth, params: Params, styles: Sequence[UnitImages], weights: Sequence[float]
    ) -> dict[str, jax.Array]:
        """The weighted mean of the styles' Gram matrices, each by its number of positions.

        To blend Gram matrices is to blend the losses: the sum of squares to several targets has its
        minimum at their mean. Of Gaussians (`style_wasserstein`) means and covariances are blended.

        Args:
            depth: Of the network, 16 or 19.
            params: Of the network.
            styles: Each (1, H, W, 3) of its own size, float in [0, 1].
            weights: One for each style, of any sum above 0.

        Returns:
            {layer: (1, C, C)}.
        """
        network = self.network(depth, self.style_layers)
        of, target = statistic(self.style_loss)
        total: dict[str, jax.Array] = {}
        for style, weight in zip(styles, weights, strict=True):
            for layer, features in apply(network, params, style).items():
                mean = weight / sum(weights) * of(features) / positions(features)
                total[layer] = total[layer] + mean if layer in total else mean
        return {layer: target(mean) for layer, mean in total.items()}

    def weighting(self) -> dict[str, float]:
        """The weights that are not 0, by term; what they weight is not computed otherwise."""
        weights = {
            "content": self.content_weight,
            "style": self.style_weight,
            "tv": self.tv_weight,
            "laplacian": self.laplacian_weight,
            "temporal": self.temporal_weight,
        }
        return {name: weight for name, weight in weights.items() if weight}

    def objective(self, depth: Depth) -> Objective:
        """The loss of this recipe. The Gram matrices wanted are scaled to as many positions as the
        image has, since the equations take them as sums.

        Args:
            depth: Of the network, 16 or 19.

        Returns:
            (image, frozen, key) -> terms. `frozen` holds params, weights (see `weighting`), content
            (features), styles (Regions), their shares (), and masks, one {layer: (h, w, 1)} for
            each region, or none for one region that is all of the picture.
        """
        content_layers = self.content_layers if self.content_weight else ()
        style_layers = self.style_layers if self.style_weight else ()
        network = self.network(depth, content_layers, style_layers)
        shares = self.layer_weights(len(style_layers)) if style_layers else ()
        of, _ = statistic(self.style_loss)

        def style(
            features: Mapping[str, jax.Array],
            wanted: Mapping[str, jax.Array],
            masks: Mapping[str, jax.Array] | None,
        ):
            losses = []
            for layer, share in zip(style_layers, shares, strict=True):
                mask = None if masks is None else masks[layer]
                # A mask's positions are a traced number, so both matrices are scaled to the layer's
                # whole.
                whole = positions(features[layer])
                fill = 1.0 if mask is None else whole / jnp.maximum(jnp.sum(mask), 1e-3)
                found = of(features[layer], mask) * fill
                losses.append(share * self.style_loss(found, wanted[layer] * whole, whole))
            return sum(losses[1:], start=losses[0])

        def terms(image: UnitImages, frozen: Any, key: jax.Array) -> Terms:
            features = apply(network, frozen["params"], image)
            weights = frozen["weights"]
            named: Terms = {}
            if self.content_weight:
                losses = [
                    self.content_loss(features[layer], frozen["content"][layer])
                    for layer in content_layers
                ]
                named["content"] = (
                    weights["content"] * sum(losses[1:], start=losses[0]) / len(losses)
                )
            if self.style_weight:
                masks = frozen["masks"] or (None,) * len(frozen["styles"])
                regions = zip(frozen["styles"], masks, frozen["shares"], strict=True)
                losses = [share * style(features, wanted, mask) for wanted, mask, share in regions]
                named["style"] = weights["style"] * sum(losses[1:], start=losses[0])
            if self.tv_weight:
                named["tv"] = weights["tv"] * self.tv_loss(image)
            if self.temporal_weight and frozen.get("follows"):
                wanted, seen = frozen["follows"]
                squares = jnp.mean(seen * jnp.square(image - wanted))
                named["temporal"] = weights["temporal"] * squares
            if self.laplacian_weight:
                lines = laplacian(image, frozen["picture"], self.laplacian_pools)
                named["laplacian"] = weights["laplacian"] * lines
            return named

        return terms

    def masks(self, depth: Depth, mask: jax.Array) -> dict[str, jax.Array]:
        """A region of the picture at the size of every style layer.

        Args:
            depth: Of the network, 16 or 19.
            mask: (h, w, 1) in [0, 1], 1 within the region.

        Returns:
            {layer: (h', w', 1)} in [0, 1].
        """
        network = self.network(depth, self.style_layers)
        shapes = jax.eval_shape(
            lambda key, x: network.init_with_output(key, x)[0],
            jax.random.key(0),
            jnp.zeros((1, *mask.shape[:2], 3)),
        )
        return {
            layer: jax.image.resize(mask, (*s.shape[1:3], 1), "linear", antialias=True)
            for layer, s in shapes.items()
        }


Quality = Literal["draft", "normal", "best"]


def of_quality(recipe: Gatys, quality: Quality) -> Gatys:
    """A recipe with the patience of a quality.

    Args:
        recipe: The settings.
        quality: `draft`, at 256 by 256 pixels; `normal`, as it comes; `best`, up to three
            times the work.

    Returns:
        The recipe with other scales, steps and most pixels.

    Raises:
        UserError: If there is no such quality.
    """
    if quality not in get_args(Quality):
        raise UserError(f"There is no quality {quality!r}; use {', '.join(get_args(Quality))}.")
    steps = {"draft": (60, 60, 40), "normal": Gatys.steps, "best": (300, 300, 360)}
    pixels = 256**2 if quality == "draft" else recipe.most_pixels
    return dataclasses.replace(
        recipe, scales=Gatys.scales, steps=steps[quality], most_pixels=pixels
    )


def apply(network: VGG, params: Params, images: UnitImages) -> dict[str, jax.Array]:
    """The features of images.

    Args:
        network: With the layers that are wanted.
        params: Its parameters.
        images: (N, H, W, 3), float in [0, 1].

    Returns:
        {layer: (N, h, w, C)}.
    """
    features: Any = network.apply(params, images)
    return features
