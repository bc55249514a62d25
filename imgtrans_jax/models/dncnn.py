"""DnCNN (Zhang et al. 2017) as a generator that keeps the picture's size throughout."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import Conv, Generator, Initializer, Norm, Normal, check_batch
from imgtrans_jax.types import Dtype, SignedImages


class DnCNN(Generator):
    """Conv3-ReLU, `depth` x (Conv3-batch norm-ReLU), Conv3; no tanh, so that values may leave [-1,
    1].

    (N, H, W, C) -> (N, H, W, channels), any H and W. 225,859 parameters at depth 6, width 64 and
    RGB.

    Attributes:
        width: Channels inside.
        depth: Convolutions between the first and the last.
        channels: Channels of the result.
        residual: Adds the input back, as the paper does for noise.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array; N(0, 0.02)
            by default.
        dtype: The type that convolutions are computed in; parameters and the output are float32.
    """

    width: int = 64
    depth: int = 6
    channels: int = 3
    residual: bool = False
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, x: SignedImages, train: bool) -> Float[Array, "n h w {self.channels}"]:
        check_batch(x)
        common: dict[str, Any] = {
            "padding": 1,
            "kernel_init": self.kernel_init,
            "dtype": self.dtype,
        }
        y = nn.relu(Conv(self.width, 3, **common, name="head")(x))
        for level in range(self.depth):
            y = Conv(self.width, 3, **common, name=f"conv_{level}")(y)
            y = nn.relu(Norm("batch", name=f"norm_{level}")(y, train))
        y = Conv(self.channels, 3, **common, name="tail")(y)
        y = y.astype(jnp.promote_types(y.dtype, jnp.float32))
        return x + y if self.residual else y
