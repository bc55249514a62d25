"""Text to picture in two stages (Zhang et al. 2017, arXiv 1612.03242): what reads a text, the
refining second generator, and the critic that judges pictures with their texts.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.dcgan import beside, innermost, levels_of_square
from imgtrans_jax.models.layers import (
    Conv,
    Initializer,
    Norm,
    Normal,
    NormKind,
    Upsample,
    bias_before,
)
from imgtrans_jax.models.resnet import ResidualBlock
from imgtrans_jax.types import Dtype, SignedImages


class Words(nn.Module):
    """Bags of words, of length 1, to vectors: (N, words) -> (N, width). A word that training never
    met has no weight at all, so that it can be told.

    Attributes:
        width: Of the vectors.
    """

    width: int

    @nn.compact
    def __call__(self, words: Float[Array, "n words"]) -> Float[Array, "n {self.width}"]:
        # Adam's steps are of one size, and each word is met in few batches: it gets larger ones.
        y = nn.Dense(self.width, use_bias=False, kernel_init=nn.initializers.zeros, name="each")
        return 16.0 * y(words)


class Conditioning(nn.Module):
    """A text to a Gaussian (section 3.1, conditioning augmentation).

    (N, words) -> its mean (N, length) and the logarithm of its variance, likewise.

    Attributes:
        length: Of the Gaussian.
        width: Of the layer between.
        kernel_init: The first values of the second matrix, any (key, shape, dtype) -> array.
    """

    length: int = 64
    width: int = 128
    kernel_init: Initializer = Normal(0.1)

    @nn.compact
    def __call__(
        self, words: Float[Array, "n words"], train: bool
    ) -> tuple[Float[Array, "n {self.length}"], Float[Array, "n {self.length}"]]:
        y = nn.leaky_relu(Words(self.width, name="words")(words), 0.2)
        y = nn.Dense(2 * self.length, kernel_init=self.kernel_init, name="gaussian")(y)
        mean, log_variance = jnp.split(y, 2, axis=1)
        return mean, log_variance


class Refiner(nn.Module):
    """The second stage's generator: a small picture and its condition -> one of twice the side.

    (N, H, W, C) in [-1, 1] and (N, length) -> (N, 2 H, 2 W, channels) in (-1, 1).

    Attributes:
        width: Channels at the small picture's size.
        blocks: Residual blocks at half of its size.
        channels: Of the pictures.
        norm: `batch`, `instance` or `none`.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array.
        dtype: The type that convolutions are computed in.
    """

    width: int = 32
    blocks: int = 2
    channels: int = 3
    norm: NormKind = "batch"
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(
        self, image: SignedImages, condition: Float[Array, "n length"], train: bool
    ) -> Float[Array, "n 2*h 2*w {self.channels}"]:
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        inner: dict[str, Any] = common | {"bias": bias_before(self.norm)}
        y = nn.relu(Conv(self.width, 3, 1, 1, **common, name="first")(image))
        y = Conv(2 * self.width, 4, 2, 1, **inner, name="down")(y)
        y = nn.relu(Norm(self.norm, name="norm_down")(y, train))
        y = Conv(2 * self.width, 3, 1, 1, **inner, name="join")(beside(y, condition))
        y = nn.relu(Norm(self.norm, name="norm_join")(y, train))
        for number in range(self.blocks):
            block = ResidualBlock(
                self.norm, 0.0, self.kernel_init, self.dtype, name=f"block_{number}"
            )
            y = block(y, train)
        for number, features in enumerate((self.width, self.width // 2)):
            y = Upsample(features, "nearest", **inner, name=f"up_{number}")(y)
            y = nn.relu(Norm(self.norm, name=f"norm_up_{number}")(y, train))
        y = Conv(self.channels, 3, 1, 1, **common, name="last")(y)
        y = y.astype(jnp.promote_types(y.dtype, jnp.float32))
        # It begins with the small picture itself: what is left to learn is what that lacks.
        twice = image.repeat(2, axis=1).repeat(2, axis=2)
        return jnp.tanh(y + jnp.arctanh(0.98 * twice))


class TextCritic(nn.Module):
    """Judges pictures together with texts: convolutions of stride 2 down to 4x4, where the text
    joins (section 3.2).

    (N, size, size, C) in [-1, 1] and texts (N, words) by name -> logits (N, 1, 1, 1) by their
    names: each text with the same pictures.

    Attributes:
        width: Channels after the first convolution; each further one doubles them.
        length: Of what a text becomes.
        norm: `batch`, `instance` or `none`.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array.
        dtype: The type that convolutions are computed in; logits are float32.

    Raises:
        ValueError: For pictures that are not square, or whose side is no power of two from 8.
    """

    width: int = 32
    length: int = 64
    norm: NormKind = "batch"
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(
        self, x: SignedImages, texts: dict[str, jax.Array], train: bool
    ) -> dict[str, jax.Array]:
        levels = levels_of_square(x)
        common: dict[str, Any] = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        x = nn.leaky_relu(Conv(self.width, 4, 2, 1, **common, name="conv_0")(x), 0.2)
        x = innermost(x, levels, self.norm, common, train)
        words = Words(self.length, name="words")
        join = Conv(x.shape[-1], 1, **common, name="join")
        logit = Conv(1, x.shape[1], **common, name="logit")
        logits = {}
        for name, text in texts.items():
            y = nn.leaky_relu(join(beside(x, words(text))), 0.2)
            y = logit(y)
            logits[name] = y.astype(jnp.promote_types(y.dtype, jnp.float32))
        return logits
