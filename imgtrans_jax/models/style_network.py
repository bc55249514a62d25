"""A feed-forward network for style transfer (Johnson et al. 2016) that knows several looks by
conditional instance norm (Dumoulin et al. 2017).
"""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.core import min_dim
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import (
    Conv,
    Generator,
    Initializer,
    Kaiming,
    Norm,
    Upsample,
    Upsampling,
    check_batch,
)
from imgtrans_jax.types import Dtype, Maps, SignedImages

MIRRORED = 16
"""Rows between a picture and its register, at most."""

GRAIN = np.random.RandomState(0).standard_normal((64, 64)).astype(np.float32)
"""Laid on a picture again and again, from its first pixel on: the same in every version of numpy
and on every device.
"""


def register_part(share: float) -> Fraction:
    """A register's share of the height, as a fraction of whole numbers."""
    return Fraction(share).limit_denominator(1000)


def with_register(x: Maps, share: float) -> Float[Array, "n _ w c"]:
    """Pictures with a register below.

    Args:
        x: (N, H, W, C) in [-1, 1].
        share: Of the height; 0 for none.

    Returns:
        (N, H + 4 m, W, C): the picture, mirrored for some rows so that it ends as it did, and rows
        of black.
    """
    n, height, width, channels = x.shape
    part = register_part(share)
    if not part:
        return x
    # whole numbers alone, so that the height may be a symbol (export/stablehlo.py)
    rows = -(height * part.numerator // (-4 * part.denominator)) * 4
    mirrored = 4 * min_dim(MIRRORED // 4, height // 4 - 1)
    below = jax.lax.slice_in_dim(x, height - 1 - mirrored, height - 1, axis=1)
    x = jnp.concatenate([x, jax.lax.rev(below, (1,))], axis=1)
    return jnp.concatenate([x, jnp.full((n, rows, width, channels), -1, x.dtype)], axis=1)


def with_grain(x: Maps, strength: float) -> Maps:
    """Pictures with a fixed noise, the same in all channels.

    Args:
        x: (N, H, W, C).
        strength: Its standard deviation in their range; 0 for none.

    Returns:
        The same shape.
    """
    if not strength:
        return x
    rows, columns = (jnp.arange(side) % len(GRAIN) for side in x.shape[1:3])
    grain = jnp.asarray(strength * GRAIN, x.dtype)[rows][:, columns]
    return x + grain[..., None]


class ConditionalInstanceNorm(nn.Module):
    """Instance norm whose scale and shift are those of a look: 2 C numbers each (Dumoulin et al.
    2017, equation 5). Of several looks they are mixed by weights (section 3.3).

    Attributes:
        looks: How many there are.
    """

    looks: int

    @nn.compact
    def __call__(self, x: Maps, weights: Float[Array, "n looks"]) -> Maps:
        shape = self.looks, x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, shape)
        shift = self.param("shift", nn.initializers.zeros, shape)
        y = Norm("instance", name="instance")(x, train=False)
        mixed = [(weights @ table)[:, None, None].astype(y.dtype) for table in (scale, shift)]
        return y * mixed[0] + mixed[1]


class StyleNetwork(Generator):
    """c9s1-w, d2w, d4w, R4w x blocks, u2w, uw, c9s1-3, tanh, all with conditional instance norm.

    (N, H, W, 3) in [-1, 1] -> (N, H, W, 3) in (-1, 1); H and W are multiples of 4 and at least 8.
    Borders are mirrored and nothing is learned transposed, against frames and checkerboards
    (Dumoulin et al. 2017, table 2).

    Attributes:
        width: Channels after the first layer; Johnson et al. have 32.
        blocks: The number of residual blocks.
        looks: How many it knows.
        upsample: `nearest` (Dumoulin et al.), `bilinear`, `blurred` or `transposed`.
        register: Rows of black below the picture, as a share of its height, cut off again. Such
            networks use to gather, in what is darkest, the values by which instance norm scales all
            others, and draw a black spot there; this is a place for it. (For transformers, which do
            the same, Darcet et al. 2024 add tokens and call them registers.) Nor is the gradient
            for a picture of one colour, which has no variance, out of all bounds with it.
        grain: A faint noise on the picture, see `with_grain`. Without it a place of pure black or
            white gets one colour and no strokes: nothing there says where one would begin.
        kernel_init: Any (key, shape, dtype) -> array; He et al. 2015 by default.
        dtype: As for `ResNetGenerator`.

    Raises:
        ValueError: For a size that it cannot take, or numbers that make no network.
    """

    width: int = 32
    blocks: int = 5
    looks: int = 1
    upsample: Upsampling = "nearest"
    register: float = 0.0
    grain: float = 0.0
    kernel_init: Initializer = Kaiming()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(
        self,
        x: SignedImages,
        train: bool,
        weights: Float[Array, "n looks"] | None = None,
    ) -> SignedImages:
        """Pictures in a look.

        Args:
            x: Pictures (N, H, W, 3) in [-1, 1].
            train: Whether it is trained.
            weights: Of the looks, (N, looks); None for the first look alone.

        Returns:
            (N, H, W, 3) in (-1, 1).
        """
        counts = self.width < 1 or self.blocks < 0 or self.looks < 1
        if counts or not (0 <= self.register <= 1 and 0 <= self.grain <= 1):
            raise ValueError(
                f"A network of width={self.width}, blocks={self.blocks}, looks={self.looks}, "
                f"register={self.register} and grain={self.grain} cannot be built; use 1, 0, 1 or "
                "more, and 0 to 1."
            )
        check_batch(x, (3,))
        height, width = x.shape[1:3]
        if height % 4 or width % 4 or height < 8 or width < 8:
            raise ValueError(
                "The style network takes sizes that are multiples of 4, from 8; this is "
                f"{height}x{width}."
            )
        if weights is None:
            weights = jax.nn.one_hot(jnp.zeros(x.shape[0], int), self.looks)
        y = self._layers(self.prepared(x), weights)[:, :height]
        return jnp.tanh(y.astype(jnp.promote_types(y.dtype, jnp.float32)))

    def prepared(self, x: SignedImages) -> Float[Array, "n _ w 3"]:
        """Pictures as the first layer gets them: with the grain, and the register below."""
        return with_register(with_grain(x, self.grain), self.register)

    def _layers(self, x: Maps, weights: Float[Array, "n looks"]) -> Maps:
        # An affine norm follows every convolution: a bias before it would be without effect.
        common: dict[str, Any] = {
            "bias": False,
            "kernel_init": self.kernel_init,
            "dtype": self.dtype,
        }
        conv = functools.partial(Conv, reflect=True, **common)

        def normed(y: jax.Array, name: str) -> jax.Array:
            return ConditionalInstanceNorm(self.looks, name=f"{name}_norm")(y, weights)

        y = nn.relu(normed(conv(self.width, 9, padding=4, name="head")(x), "head"))
        for level in range(2):
            name = f"down_{level}"
            y = conv(self.width * 2 ** (level + 1), 3, 2, 1, name=name)(y)
            y = nn.relu(normed(y, name))
        for block in range(self.blocks):
            name = f"block_{block}"
            z = conv(y.shape[-1], 3, padding=1, name=f"{name}_0")(y)
            z = nn.relu(normed(z, f"{name}_0"))
            y = y + normed(conv(y.shape[-1], 3, padding=1, name=f"{name}_1")(z), f"{name}_1")
        for level in range(2):
            name = f"up_{level}"
            y = Upsample(self.width * 2 ** (1 - level), self.upsample, **common, name=name)(y)
            y = nn.relu(normed(y, name))
        return normed(conv(3, 9, padding=4, name="tail")(y), "tail")
