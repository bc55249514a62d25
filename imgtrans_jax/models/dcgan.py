"""Generator and critic of DCGAN (Radford et al. 2016, section 3), with a condition on any vector
(Mirza and Osindero 2014).
"""

from __future__ import annotations

from typing import Any

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
    bias_before,
    check_batch,
)
from imgtrans_jax.types import Dtype, SignedImages

_INNERMOST = 4  # the side of the first map


def _levels(size: int) -> int:
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
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(
        self, z: Float[Array, "n length"], train: bool
    ) -> Float[Array, "n {self.size} {self.size} {self.channels}"]:
        levels = _levels(self.size)
        if z.ndim != 2:
            raise ValueError(
                f"DCGAN's generator takes latents (N, length); this has the shape {z.shape}."
            )
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        inner: dict[str, Any] = common | {"bias": bias_before(self.norm)}
        features = self.width * 2 ** (levels - 1)
        # A 1x1 convolution to 4x4 times the channels is the paper's projection.
        y = Conv(_INNERMOST**2 * features, 1, **inner, name="project")(z[:, None, None, :])
        y = y.reshape(z.shape[0], _INNERMOST, _INNERMOST, features)
        for level in range(levels):
            y = nn.relu(Norm(self.norm, name=f"norm_{level}")(y, train))
            last = level == levels - 1
            features = self.channels if last else features // 2
            y = Upsample(
                features, "transposed", 4, **(common if last else inner), name=f"up_{level}"
            )(y)
        return jnp.tanh(y.astype(jnp.promote_types(y.dtype, jnp.float32)))


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
        check_batch(x)
        if x.shape[1] != x.shape[2]:
            raise ValueError(
                f"DCGAN's critic takes square pictures; this is {x.shape[1]}x{x.shape[2]}."
            )
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        if condition is not None:
            maps = jnp.broadcast_to(
                condition[:, None, None, :], (*x.shape[:3], condition.shape[-1])
            )
            x = jnp.concatenate([x, maps], axis=-1)
        for level in range(_levels(x.shape[1])):
            bias = level == 0 or bias_before(self.norm)
            x = Conv(self.width * 2**level, 4, 2, 1, bias=bias, **common, name=f"conv_{level}")(x)
            if level:
                x = Norm(self.norm, name=f"norm_{level}")(x, train)
            x = nn.leaky_relu(x, 0.2)
        x = Conv(1, _INNERMOST, **common, name="logit")(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))
