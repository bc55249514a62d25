"""Generator and critic of DCGAN (Radford et al. 2016, section 3), with a condition on any vector
(Mirza and Osindero 2014); and two of each of which only the layers next to the pictures differ
(CoGAN, Liu and Tuzel 2016, arXiv 1606.07536, section 3).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import (
    Conv,
    Initializer,
    Norm,
    Normal,
    NormKind,
    Upsample,
    Upsampling,
    bias_before,
    check_batch,
)
from imgtrans_jax.types import Dtype, Maps, Named, SignedImages

_INNERMOST = 4  # the side of the first map


def levels_of(size: int) -> int:
    """How often pictures of a size are halved down to the innermost map.

    Args:
        size: Pixels a side.

    Returns:
        1 or more.

    Raises:
        ValueError: For a size that is no power of two from 8.
    """
    levels = (size // _INNERMOST).bit_length() - 1
    if levels < 1 or _INNERMOST * 2**levels != size:
        raise ValueError(
            f"DCGAN makes pictures of 8, 16, 32, 64, … pixels a side; {size} is none of them."
        )
    return levels


class DCGANGenerator(nn.Module):
    """z -> a map of 4x4, then 4x4 transposed convolutions, each twice as large and half as wide, to
    size x size; tanh.

    (N, latent + condition) -> (N, size, size, channels) in (-1, 1).

    Attributes:
        size: Pixels a side of the pictures, a power of two from 8.
        width: Channels before the last convolution.
        channels: Channels of the pictures.
        norm: The norm after each layer but the last: `batch`, `instance` or `none`.
        upsample: See `Upsample`; the paper's is `transposed`, and `nearest` is without its grid.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array; N(0, 0.02)
            by default.
        dtype: The type that convolutions are computed in; parameters and the output are float32.

    Raises:
        ValueError: For a size that is no power of two from 8, and for latents that are no matrix.
    """

    size: int = 64
    width: int = 64
    channels: int = 3
    norm: NormKind = "batch"
    upsample: Upsampling = "transposed"
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(
        self, z: Float[Array, "n length"], train: bool
    ) -> Float[Array, "n {self.size} {self.size} {self.channels}"]:
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        y = _before_last(z, self.size, self.width, self.norm, self.upsample, common, train)
        last = f"up_{levels_of(self.size) - 1}"
        y = Upsample(self.channels, self.upsample, 4, **common, name=last)(y)
        return jnp.tanh(y.astype(jnp.promote_types(y.dtype, jnp.float32)))


def _before_last(
    z: Float[Array, "n length"],
    size: int,
    width: int,
    norm: NormKind,
    upsample: Upsampling,
    common: dict[str, Any],
    train: bool,
) -> Float[Array, "n height width {width}"]:
    """All layers of the generator but the last, in the module that calls this.

    Args:
        z: The latents.
        size: As for `DCGANGenerator`.
        width: Likewise.
        norm: Likewise.
        upsample: Likewise.
        common: What all convolutions are made with: kernel_init and dtype.
        train: Whether batch norm uses the batch's own statistics.

    Returns:
        What the last layer doubles in size.

    Raises:
        ValueError: As `DCGANGenerator`.
    """
    levels = levels_of(size)
    if z.ndim != 2:
        raise ValueError(
            f"DCGAN's generator takes latents (N, length); this has the shape {z.shape}."
        )
    inner: dict[str, Any] = common | {"bias": bias_before(norm)}
    features = width * 2 ** (levels - 1)
    # A 1x1 convolution to 4x4 times the channels is the paper's projection.
    y = Conv(_INNERMOST**2 * features, 1, **inner, name="project")(z[:, None, None, :])
    y = y.reshape(z.shape[0], _INNERMOST, _INNERMOST, features)
    for level in range(levels - 1):
        y = nn.relu(Norm(norm, name=f"norm_{level}")(y, train))
        features //= 2
        y = Upsample(features, upsample, 4, **inner, name=f"up_{level}")(y)
    return nn.relu(Norm(norm, name=f"norm_{levels - 1}")(y, train))


class DCGANCritic(nn.Module):
    """4x4 convolutions of stride 2, LeakyReLU 0.2, down to 4x4, then one logit for the whole
    picture.

    (N, size, size, C) in [-1, 1], and a condition (N, d) or None that is laid beside the picture as
    d constant channels -> logits (N, 1, 1, 1) float32. No norm on the first layer.

    Attributes:
        width: Channels after the first convolution; each further one doubles them.
        norm: `batch`, `instance` or `none`. WGAN-GP needs a norm that mixes no pictures: `none`,
            `instance`.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array; N(0, 0.02)
            by default.
        dtype: The type that convolutions are computed in; parameters and logits are float32.

    Raises:
        ValueError: For pictures that are not square, or whose side is no power of two from 8.
    """

    width: int = 64
    norm: NormKind = "batch"
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(
        self, x: SignedImages, condition: Float[Array, "n d"] | None, train: bool
    ) -> Float[Array, "n 1 1 1"]:
        levels = levels_of_square(x)
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        if condition is not None:
            x = beside(x, condition)
        x = nn.leaky_relu(Conv(self.width, 4, 2, 1, **common, name="conv_0")(x), 0.2)
        return _logit(innermost(x, levels, self.norm, common, train), common)


def levels_of_square(x: SignedImages) -> int:
    """How often a critic halves pictures.

    Args:
        x: (N, H, W, C).

    Returns:
        1 or more.

    Raises:
        ValueError: For pictures that are not square, or whose side is no power of two from 8.
    """
    check_batch(x)
    if x.shape[1] != x.shape[2]:
        raise ValueError(f"This critic takes square pictures; this is {x.shape[1]}x{x.shape[2]}.")
    return levels_of(x.shape[1])


def beside(x: Maps, vector: Float[Array, "n length"]) -> Float[Array, "n h w both"]:
    """Maps with a vector at every place.

    Args:
        x: The maps.
        vector: One for each picture.

    Returns:
        Both, the vector behind the maps' channels.
    """
    everywhere = jnp.broadcast_to(vector[:, None, None, :], (*x.shape[:3], vector.shape[-1]))
    return jnp.concatenate([x, everywhere.astype(x.dtype)], axis=-1)


def innermost(
    x: Maps, levels: int, norm: NormKind, common: dict[str, Any], train: bool
) -> Float[Array, "n 4 4 features"]:
    """The maps of 4x4 of a critic, by all layers between the first and the last, in the module that
    calls this.

    Args:
        x: What the first layer made, width maps of half of the pictures' size.
        levels: How often the pictures' size is halved, the first layer's time included.
        norm: As for `DCGANCritic`.
        common: What all convolutions are made with: kernel_init and dtype.
        train: Whether batch norm uses the batch's own statistics.

    Returns:
        2^(levels - 1) times as many maps.
    """
    width, bias = x.shape[-1], bias_before(norm)
    for level in range(1, levels):
        x = Conv(width * 2**level, 4, 2, 1, bias=bias, **common, name=f"conv_{level}")(x)
        x = nn.leaky_relu(Norm(norm, name=f"norm_{level}")(x, train), 0.2)
    return x


def _logit(x: Maps, common: dict[str, Any]) -> Float[Array, "n 1 1 1"]:
    x = Conv(1, _INNERMOST, **common, name="logit")(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


class CoupledGenerator(nn.Module):
    """z -> a picture of each domain: DCGAN's generator, but for a last layer of each.

    (N, latent) -> {"a": (N, size, size, channels) in (-1, 1), "b": …}.

    Attributes:
        size: Pixels a side of the pictures, a power of two from 8.
        width: Channels before the last convolutions.
        channels: Channels of the pictures.
        norm: The norm after each layer but the last: `batch`, `instance` or `none`.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array.
        dtype: The type that convolutions are computed in; parameters and outputs are float32.

    Raises:
        ValueError: For a size that is no power of two from 8, and for latents that are no matrix.
    """

    size: int = 64
    width: int = 64
    channels: int = 3
    norm: NormKind = "batch"
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, z: Float[Array, "n length"], train: bool) -> dict[str, SignedImages]:
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        levels_of(self.size)  # which refuses sizes that there are not
        y = _before_last(z, 2 * self.size, self.width, self.norm, "transposed", common, train)
        made = {
            side: Conv(self.channels, 5, 1, 2, **common, name=f"last_{side}")(y) for side in "ab"
        }
        return {
            side: jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))
            for side, x in made.items()
        }


class CoupledCritic(nn.Module):
    """{"d_a": pictures of a, "d_b": …} -> logits (N, 1, 1, 1) under the same names: DCGAN's critic,
    but for a first layer of each.

    Attributes:
        width: Channels after the first convolutions; each further one doubles them.
        norm: `batch`, `instance` or `none`.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array.
        dtype: The type that convolutions are computed in; parameters and logits are float32.

    Raises:
        ValueError: For pictures that are not square, or whose side is no power of two from 8.
    """

    width: int = 64
    norm: NormKind = "batch"
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, views: Named, train: bool) -> dict[str, jax.Array]:
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        rest = _Rest(self.norm, self.kernel_init, self.dtype, name="shared")
        logits = {}
        for name in ("d_a", "d_b"):
            levels = levels_of_square(views[name])
            maps = Conv(self.width, 4, 2, 1, **common, name=f"first_{name[-1]}")(views[name])
            logits[name] = rest(nn.leaky_relu(maps, 0.2), levels, train)
        return logits


class _Rest(nn.Module):
    """The critic without its first layer, of either domain."""

    norm: NormKind
    kernel_init: Initializer
    dtype: Dtype

    @nn.compact
    def __call__(self, x: jax.Array, levels: int, train: bool) -> Float[Array, "n 1 1 1"]:
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        return _logit(innermost(x, levels, self.norm, common, train), common)
