"""Encoder and critic of a BiGAN of small pictures: layers that are fully connected (Donahue,
Krähenbühl and Darrell 2017, arXiv 1605.09782, section 4.1).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import BatchNorm, Initializer, Normal, check_batch
from imgtrans_jax.types import SignedImages


class Encoder(nn.Module):
    """Pictures to latents: linear-LeakyReLU, linear-norm-LeakyReLU, linear.

    (N, H, W, C) in [-1, 1] -> (N, latent) float32.

    Attributes:
        latent: The length of a latent.
        width: Of the layers between.
        kernel_init: The first values of the matrices, any (key, shape, dtype) -> array.
    """

    latent: int = 50
    width: int = 512
    kernel_init: Initializer = Normal()

    @nn.compact
    def __call__(self, x: SignedImages, train: bool) -> Float[Array, "n {self.latent}"]:
        check_batch(x)
        y = x.reshape(x.shape[0], -1)
        for number in range(2):
            y = nn.Dense(self.width, kernel_init=self.kernel_init, name=f"linear_{number}")(y)
            if number:
                y = BatchNorm(name="norm")(y[:, None, None], train)[:, 0, 0]
            y = nn.leaky_relu(y, 0.2)
        return nn.Dense(self.latent, kernel_init=self.kernel_init, name="code")(y)


class JointCritic(nn.Module):
    """Judges pairs of a picture and a latent: both beside each other through linear-LeakyReLU
    twice, linear. Without the authors' batch norm, whose statistics alone tell made pictures from
    real ones: with it encoder and generator did not come to undo each other.

    (N, H, W, C) in [-1, 1] and (N, latent) -> logits (N, 1) float32.

    Attributes:
        width: Of the layers between.
        kernel_init: The first values of the matrices, any (key, shape, dtype) -> array.
    """

    width: int = 512
    kernel_init: Initializer = Normal()

    @nn.compact
    def __call__(
        self, x: SignedImages, z: Float[Array, "n length"], train: bool
    ) -> Float[Array, "n 1"]:
        check_batch(x)
        y = jnp.concatenate([x.reshape(x.shape[0], -1), z], axis=1)
        for number in range(2):
            y = nn.Dense(self.width, kernel_init=self.kernel_init, name=f"linear_{number}")(y)
            y = nn.leaky_relu(y, 0.2)
        logits: jax.Array = nn.Dense(1, kernel_init=self.kernel_init, name="logit")(y)
        return logits
