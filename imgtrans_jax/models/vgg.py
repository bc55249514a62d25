"""VGG-16 and VGG-19 as feature networks (Simonyan and Zisserman 2015, table 1, columns D and E),
without the classifier.
"""

from __future__ import annotations

import difflib
from typing import Literal, TypeAlias

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import Conv, Kaiming, check_batch
from imgtrans_jax.runtime.target import platform
from imgtrans_jax.types import Dtype, Maps, UnitImages

Depth: TypeAlias = Literal[16, 19]
Pooling: TypeAlias = Literal["max", "average"]
VGGBorder: TypeAlias = Literal["zero", "edge"]

BLOCKS: dict[int, tuple[int, ...]] = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet's sRGB pixels in [0, 1], by channel: what the published weights were trained with."""


def convolutions(depth: Depth) -> tuple[str, ...]:
    """The names of the convolutions in order: 'conv1_1', 'conv1_2', 'conv2_1', …"""
    return tuple(
        f"conv{block}_{i}"
        for block, count in enumerate(BLOCKS[depth], 1)
        for i in range(1, count + 1)
    )


def layer_names(depth: Depth) -> tuple[str, ...]:
    """Every layer that can be asked for, from shallow to deep: 'input', 'conv1_1', 'relu1_1', …,
    'pool1', …, 'pool5'.
    """
    names = ["input"]
    for block, count in enumerate(BLOCKS[depth], 1):
        for i in range(1, count + 1):
            names += [f"conv{block}_{i}", f"relu{block}_{i}"]
        names.append(f"pool{block}")
    return tuple(names)


def check_layers(layers: tuple[str, ...], depth: Depth) -> None:
    """Checks that a network has these layers.

    Args:
        layers: Their names, see `layer_names`.
        depth: 16 or 19.

    Raises:
        ValueError: For a layer that a network of this depth lacks.
    """
    for layer in layers:
        if layer not in layer_names(depth):
            raise ValueError(_no_layer(layer, depth))


def channels(layer: str) -> int:
    """How many channels a layer has, of either network."""
    return 3 if layer == "input" else WIDTHS[_block(layer) - 1]


def _block(layer: str) -> int:
    return int(layer[4])  # relu3_1, conv3_1 and pool3 alike


def receptive_field(layer: str, depth: Depth) -> tuple[int, int, float]:
    """How a unit of `layer` sees the input.

    Unit i sees the pixels from centre + i * distance - (side - 1) / 2 to centre + i * distance +
    (side - 1) / 2.

    Args:
        layer: Its name, see `layer_names`.
        depth: 16 or 19.

    Returns:
        Side of its field, distance of neighbours' fields, centre of unit 0, all in pixels.

    Raises:
        ValueError: For a layer that a network of this depth lacks.
    """
    side, stride, center = 1, 1, 0.0
    for name in layer_names(depth):
        if name.startswith("conv"):
            side += 2 * stride
        elif name.startswith("pool"):
            side, center, stride = side + stride, center + stride / 2, 2 * stride
        if name == layer:
            return side, stride, center
    raise ValueError(_no_layer(layer, depth))


def stands_in(layer: str, depth: Depth) -> str:
    """The layer itself, or, where this depth has not got it, the deepest one of its kind in its
    block: VGG-16's relu4_3 for VGG-19's relu4_4.

    Args:
        layer: A layer of either network, see `layer_names`.
        depth: 16 or 19.

    Returns:
        The name of a layer of this depth.

    Raises:
        ValueError: For a layer of neither network.
    """
    names = layer_names(depth)
    if layer in names:
        return layer
    if layer not in layer_names(19):
        raise ValueError(_no_layer(layer, depth))
    kind = layer.partition("_")[0]
    return [name for name in names if name.startswith(f"{kind}_")][-1]


def smallest_side(layers: tuple[str, ...]) -> int:
    """The shortest side of an image, in pixels, for which all `layers` have at least one unit."""
    return max(
        (2 ** (_block(name) - (not name.startswith("pool"))) for name in layers if name != "input"),
        default=1,
    )


class VGG(nn.Module):
    """Features by layer name; only the layers up to the deepest one asked for are computed.

    Images are (N, H, W, 3) sRGB in [0, 1]. The normalisation happens inside, by the parameters
    `mean` and `deviation`. Results are {layer: (N, h, w, C)}. h and w halve, rounded down, at every
    pool.

    Attributes:
        depth: 16 or 19.
        layers: The names of those asked for: `conv*` before and `relu*` after the rectification,
            `pool*`, and `input`, the images themselves.
        pooling: `max`, or `average`, Gatys et al.'s advice for smoother pictures.
        dtype: The type that convolutions are computed in.
        border: What the first convolution sees beyond the image: `zero`, as the network was
            trained, a grey after normalisation; or `edge`, the image's edge repeated, which makes
            no frame where the image is optimised.

    Raises:
        ValueError: For a layer that is not there, and for images too small to reach it.
    """

    depth: Depth = 16
    layers: tuple[str, ...] = ("relu4_2",)
    pooling: Pooling = "max"
    dtype: Dtype = "float32"
    border: VGGBorder = "zero"

    @nn.compact
    def __call__(self, images: UnitImages) -> dict[str, Float[Array, "n _ _ _"]]:
        check_layers(self.layers, self.depth)
        check_batch(images, (1, 3))
        if min(images.shape[1:3]) < smallest_side(self.layers):
            raise ValueError(
                f"An image of {images.shape[2]}x{images.shape[1]} is too small for "
                f"{self.layers[-1]}; {smallest_side(self.layers)} pixels a side are needed."
            )
        wanted = set(self.layers)
        features: dict[str, Maps] = {"input": images}
        mean = self.param("mean", lambda _: jnp.array(MEAN))
        deviation = self.param("deviation", lambda _: jnp.array(STD))
        x = (images - mean) / deviation
        for name in layer_names(self.depth)[1:]:
            if wanted <= features.keys():
                break
            if name.startswith("conv"):
                edge = name == "conv1_1" and self.border == "edge"
                if edge:
                    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
                x = Conv(
                    channels(name),
                    3,
                    1,
                    0 if edge else 1,
                    kernel_init=Kaiming(),
                    dtype=self.dtype,
                    name=name,
                )(x)
            elif name.startswith("relu"):
                x = nn.relu(x)
            else:
                x = _pool(x, self.pooling)
            features[name] = x
        return {layer: features[layer] for layer in self.layers}


def _pool(x: Maps, how: Pooling) -> Float[Array, "n h//2 w//2 c"]:
    """2x2 with stride 2. As reductions over a reshaped array: the gradient of XLA:CPU's windowed
    maximum is far slower. On a TPU the reshaped array is laid out anew, which is slower than all
    convolutions.
    """
    if platform() == "tpu":
        pool = nn.max_pool if how == "max" else nn.avg_pool
        return pool(x, (2, 2), (2, 2))
    n, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2].reshape(
        n, height // 2, 2, width // 2, 2, channels
    )
    return x.max(axis=(2, 4)) if how == "max" else x.mean(axis=(2, 4))


def _no_layer(layer: str, depth: Depth) -> str:
    near = difflib.get_close_matches(layer, layer_names(depth), 3, 0.6)
    hint = (
        f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(layer_names(depth))}."
    )
    return f"VGG-{depth} has no layer '{layer}'; {hint}"
