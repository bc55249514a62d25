"""SRResNet and the critic of SRGAN (Ledig et al. 2017, section 2.1 and figure 4)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import (
    Conv,
    Critic,
    Generator,
    Initializer,
    Kaiming,
    Norm,
    Normal,
    NormKind,
    bias_before,
    check_batch,
)
from imgtrans_jax.types import Dtype, Maps, SignedImages


def pixel_shuffle(x: Maps, factor: int) -> Float[Array, "n {factor}*h {factor}*w c//{factor}**2"]:
    """Channel c factor^2 + factor i + j of pixel (h, w) goes to channel c of pixel (factor h + i,
    factor w + j) (Shi et al. 2016, equation 4).

    Args:
        x: (N, H, W, C factor^2).
        factor: By how much each side grows.

    Returns:
        (N, factor H, factor W, C).
    """
    n, height, width, channels = x.shape
    x = x.reshape(n, height, width, channels // factor**2, factor, factor)
    return x.transpose(0, 1, 4, 2, 5, 3).reshape(
        n, factor * height, factor * width, channels // factor**2
    )


class PReLU(nn.Module):
    """max(0, x) + a min(0, x) with a learned for each channel, from 0.25 (He et al. 2015)."""

    @nn.compact
    def __call__(self, x: Maps) -> Maps:
        slope = self.param("slope", nn.initializers.constant(0.25), (x.shape[-1],)).astype(x.dtype)
        return jnp.where(x >= 0, x, slope * x)


class SRResNet(Generator):
    """Conv9-PReLU, `blocks` residual blocks, a skip over all of them, then two sub-pixel layers of
    x2 and a Conv9.

    (N, H, W, C) in [-1, 1] -> (N, 4H, 4W, channels); any H and W. The values are not squashed.

    Attributes:
        width: Channels inside.
        blocks: The number of residual blocks.
        channels: Channels of the result.
        norm: The paper's `batch`, or `none`, which later work prefers (Lim et al. 2017).
        skip: Adds the input enlarged by a bicubic filter, so that the network learns what that
            lacks; the paper has none.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array; by default
            He et al.'s.
        dtype: The type that convolutions are computed in; parameters and the output are float32.
    """

    width: int = 64
    blocks: int = 16
    channels: int = 3
    norm: NormKind = "batch"
    skip: bool = False
    kernel_init: Initializer = Kaiming()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, x: SignedImages, train: bool) -> Float[Array, "n 4*h 4*w {self.channels}"]:
        check_batch(x)
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        inner: dict[str, Any] = common | {"padding": 1, "bias": bias_before(self.norm)}

        def normed(y: Maps, name: str) -> Float[Array, "n h w _"]:
            return Norm(self.norm, name=f"{name}_norm")(
                Conv(self.width, 3, **inner, name=name)(y), train
            )

        first = y = PReLU(name="head_prelu")(
            Conv(self.width, 9, padding=4, **common, name="head")(x)
        )
        for block in range(self.blocks):
            z = PReLU(name=f"block_{block}_prelu")(normed(y, f"block_{block}_0"))
            y = y + normed(z, f"block_{block}_1")
        y = first + normed(y, "body")
        for level in range(2):
            y = pixel_shuffle(
                Conv(4 * self.width, 3, padding=1, **common, name=f"up_{level}")(y), 2
            )
            y = PReLU(name=f"up_{level}_prelu")(y)
        # With the skip the network starts as the bicubic filter itself.
        last: dict[str, Any] = common | {"kernel_init": Normal(1e-3)} if self.skip else common
        y = Conv(self.channels, 9, padding=4, **last, name="tail")(y)
        y = y.astype(jnp.promote_types(y.dtype, jnp.float32))
        return y + enlarged(x, 4) if self.skip else y


def enlarged(x: Maps, factor: int) -> Float[Array, "n {factor}*h {factor}*w c"]:
    """A picture enlarged by the bicubic filter with a = -1/2.

    Args:
        x: (N, H, W, C).
        factor: By how much each side grows.

    Returns:
        (N, factor H, factor W, C).
    """
    n, height, width, channels = x.shape
    return jax.image.resize(x, (n, factor * height, factor * width, channels), "cubic")


class SRGANCritic(Critic):
    """Eight 3x3 convolutions of stride 1 and 2 in turn, C64 to C512, LeakyReLU 0.2, then 1024 units
    and one logit.

    (N, H, W, C) in [-1, 1], always of one size -> logits (N, 1, 1, 1) float32. No norm on the first
    layer.

    Attributes:
        width: Channels of the first two convolutions; they double with every two.
        units: Of the layer before the logit.
        norm: `batch`, `instance` or `none`.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array; by default
            He et al.'s.
        dtype: The type that convolutions are computed in; parameters and logits are float32.
    """

    width: int = 64
    units: int = 1024
    norm: NormKind = "batch"
    kernel_init: Initializer = Kaiming()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, x: SignedImages, train: bool) -> Float[Array, "n 1 1 1"]:
        check_batch(x)
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        for level in range(8):
            bias = level == 0 or bias_before(self.norm)
            x = Conv(
                self.width * 2 ** (level // 2),
                3,
                1 + level % 2,
                1,
                bias=bias,
                **common,
                name=f"conv_{level}",
            )(x)
            if level:
                x = Norm(self.norm, name=f"norm_{level}")(x, train)
            x = nn.leaky_relu(x, 0.2)
        x = x.reshape(x.shape[0], 1, 1, -1)
        x = nn.leaky_relu(Conv(self.units, 1, **common, name="units")(x), 0.2)
        x = Conv(1, 1, **common, name="logit")(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))
