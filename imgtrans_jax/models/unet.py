"""The U-Net generator (Isola et al. 2017, sections 3.2.1 and 6.1.1)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import (
    Conv,
    Generator,
    Initializer,
    Norm,
    Normal,
    NormKind,
    Upsample,
    Upsampling,
    bias_before,
    check_batch,
)
from imgtrans_jax.types import Dtype, SignedImages


class UNet(Generator):
    """C64-C128-C256-C512 x (levels - 3), and back with skip connections from layer i to layer
    levels - i; ends in tanh.

    (N, H, W, C) in [-1, 1] -> (N, H, W, channels) in (-1, 1); H and W are multiples of 2^levels.
    Convolutions are 4x4 of stride 2. The decoder's channels are those of the paper counted after
    the skip connection. The innermost map has no norm before the decoder: at 1x1 it would become
    zero.

    Attributes:
        width: Channels after the first layer; they double up to 8 x `width`.
        levels: How often the sides are halved. With width 64, RGB, 8 levels (256 px) and batch norm
            it has 54,413,955 parameters; 7 levels serve 128 px, 6 serve 64.
        channels: Channels of the result.
        upsample: The paper's `transposed`, or `nearest`, `bilinear`.
        norm: `instance`, `batch` or `none`.
        dropout: Its rate in the levels of the decoder between the innermost and the last three that
            double in size towards the image, which are the paper's three CD512 for 8 levels; it is
            the method's noise.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array; N(0, 0.02)
            by default.
        dtype: The type that convolutions are computed in; parameters and the output are float32.

    Raises:
        ValueError: For a size that it cannot take, a width under 1, or fewer than 2 levels.
    """

    width: int = 64
    levels: int = 8
    channels: int = 3
    upsample: Upsampling = "transposed"
    norm: NormKind = "batch"
    dropout: float = 0.5
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @property
    def multiple(self) -> int:
        """Of what the sides must be multiples."""
        return 2**self.levels

    @nn.compact
    def __call__(self, x: SignedImages, train: bool) -> Float[Array, "n h w {self.channels}"]:
        if self.width < 1 or self.levels < 2:
            raise ValueError(
                f"A U-Net of width={self.width} and levels={self.levels} cannot be built; use 1 "
                "and 2 or more."
            )
        check_batch(x)
        height, width = x.shape[1:3]
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"A U-Net of {self.levels} levels takes sizes that are multiples of "
                f"{self.multiple}; this is {height}x{width}: use fewer levels or another size."
            )
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        inner: dict[str, Any] = common | {"bias": bias_before(self.norm)}
        # of the levels without a norm
        ends: dict[str, Any] = common | {"bias": self.norm != "batch"}
        last = self.levels - 1
        skips = []
        y = x
        for level in range(self.levels):
            y = nn.leaky_relu(y, 0.2) if level else y
            y = Conv(
                self._features(level),
                4,
                2,
                1,
                **(inner if 0 < level < last else ends),
                name=f"down_{level}",
            )(y)
            if 0 < level < last:
                y = Norm(self.norm, name=f"down_{level}_norm")(y, train)
            skips.append(y)
        y = skips.pop()
        for level in range(last, 0, -1):
            y = Upsample(self._features(level - 1), self.upsample, 4, **inner, name=f"up_{level}")(
                nn.relu(y)
            )
            y = Norm(self.norm, name=f"up_{level}_norm")(y, train)
            if 3 < level < last and self.dropout:
                y = nn.Dropout(self.dropout)(y, deterministic=not train)
            y = jnp.concatenate([y, skips.pop()], axis=-1)
        y = Upsample(self.channels, self.upsample, 4, **common, name="up_0")(nn.relu(y))
        return jnp.tanh(y.astype(jnp.promote_types(y.dtype, jnp.float32)))

    def _features(self, level: int) -> int:
        return self.width * 2 ** min(level, 3)
