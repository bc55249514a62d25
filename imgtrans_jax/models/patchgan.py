"""PatchGAN critics: one logit for every overlapping patch (Isola et al. 2017, sections 3.2.2 and
6.1.2).
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import (
    Conv,
    Critic,
    Downsampling,
    Initializer,
    Norm,
    Normal,
    NormKind,
    bias_before,
    blur_pool,
    check_batch,
    instance_norm,
)
from imgtrans_jax.types import Dtype, Logits, Named, SignedImages


class PatchGAN(Critic):
    """C64-C128-C256-C512 and a 1-channel convolution, 4x4, LeakyReLU 0.2, no norm on the first
    layer.

    (N, H, W, C) in [-1, 1] -> logits (N, h, w, 1) float32.

    Attributes:
        width: Channels after the first convolution. Widths double up to 8 x `width`.
        layers: Convolutions of stride 2; two of stride 1 follow. It sets the field of view of a
            logit in pixels: 0 -> 1 (the paper's PixelGAN of 1x1 convolutions), 1 -> 16, 2 -> 34,
            3 -> 70 (the default, 2,764,737 parameters with instance norm and RGB), 4 -> 142,
            5 -> 286.
        norm: `instance`, `batch` or `none`. Instance norm's statistics reach beyond the field of
            view.
        downsample: The paper's `strided` convolutions, or `blurred`, the anti-aliasing of CUT,
            whose fields are larger.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array; N(0, 0.02)
            by default.
        dtype: The type that convolutions are computed in; parameters and logits are float32.

    Raises:
        ValueError: For an image too small to leave a map of patches, a width under 1, or negative
            layers.
    """

    width: int = 64
    layers: int = 3
    norm: NormKind = "instance"
    downsample: Downsampling = "strided"
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, x: SignedImages, train: bool) -> Float[Array, "n _ _ 1"]:
        if self.width < 1 or self.layers < 0:
            raise ValueError(
                f"A PatchGAN of width={self.width} and layers={self.layers} cannot be built; use "
                "1 and 0 or more."
            )
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        check_batch(x)
        kernel, padding = (4, 1) if self.layers else (1, 0)
        strides = [2] * self.layers + [1] if self.layers else [1, 1]
        smallest = 3 * 2**self.layers if self.layers else 1
        if min(x.shape[1:3]) < smallest:
            raise ValueError(
                f"A PatchGAN with layers={self.layers} needs {smallest} pixels a side, this is "
                f"{x.shape[1]}x{x.shape[2]}: use larger images or fewer layers."
            )
        y = x
        for level, stride in enumerate(strides):
            bias = level == 0 or bias_before(self.norm)
            features = self.width * 2 ** min(level, 3)
            blurred = self.downsample == "blurred" and stride == 2
            y = Conv(
                features,
                kernel,
                1 if blurred else stride,
                padding,
                bias=bias,
                **common,
                name=f"conv_{level}",
            )(y)
            if level:
                y = Norm(self.norm, name=f"norm_{level}")(y, train)
            y = nn.leaky_relu(y, 0.2)
            y = blur_pool(y) if blurred else y
        y = Conv(1, kernel, 1, padding, **common, name="logits")(y)
        return y.astype(jnp.promote_types(y.dtype, jnp.float32))


class StrideOneCritic(Critic):
    """The critic of the van Gogh CycleGAN report: 3x3 convolutions of stride 1 alone, each logit
    sees 11 pixels.

    (N, H, W, C) in [-1, 1] -> logits (N, H W) float32. By default C16-C64-C256-C256 with instance
    norm and LeakyReLU 0.2, then one channel without a bias: 749,824 parameters for RGB.

    Attributes:
        widths: Channels of each convolution but the last.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array; N(0, 0.02)
            by default.
        dtype: The type that convolutions are computed in; parameters and logits are float32.
    """

    widths: tuple[int, ...] = (16, 64, 256, 256)
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, x: SignedImages, train: bool) -> Float[Array, "n h*w"]:
        check_batch(x)
        common: dict[str, Any] = {
            "padding": 1,
            "kernel_init": self.kernel_init,
            "dtype": self.dtype,
        }
        for level, width in enumerate(self.widths):
            x = Conv(width, 3, bias=bias_before("instance"), **common, name=f"conv_{level}")(x)
            x = nn.leaky_relu(instance_norm(x), 0.2)
        x = Conv(1, 3, bias=False, **common, name="logits")(x)
        return x.reshape(x.shape[0], -1).astype(jnp.promote_types(x.dtype, jnp.float32))


class ImageCritic(nn.Module):
    """One critic as a player: {"d": images} -> {"d": logits}.

    Attributes:
        d: (images, train) -> logits.
    """

    d: nn.Module

    def __call__(self, views: Named, train: bool) -> dict[str, Logits]:
        return {"d": self.d(views["d"], train)}
