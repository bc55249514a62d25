"""The heads through which features of patches are compared (Park et al. 2020, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from imgtrans_jax.models.layers import Initializer, Xavier


class PatchHeads(nn.Module):
    """For every map a network of two layers, Linear-ReLU-Linear, whose results have length 1.

    Over the maps of a ResNet of width 64 and RGB, with 3, 128, 256, 256 and 256 channels, it has
    560,384 parameters.

    Attributes:
        width: Of both layers.
        kernel_init: The first values of the matrices, any (key, shape, dtype) -> array.
    """

    width: int = 256
    kernel_init: Initializer = Xavier(0.02)

    @nn.compact
    def __call__(
        self, maps: Sequence[Float[Array, "n _ _ _"]], places: Sequence[Int[Array, " _"]]
    ) -> list[Float[Array, "n _ _"]]:
        """Features of patches.

        Args:
            maps: Each (N, h, w, C).
            places: For each map the patches, by their numbers in it, row by row from 0.

        Returns:
            For each map its patches' features (N, p, width), float32 or wider.
        """

        def linear(x: jax.Array, name: str) -> jax.Array:
            return nn.Dense(self.width, kernel_init=self.kernel_init, name=name)(x)

        found = []
        for number, (features, chosen) in enumerate(zip(maps, places, strict=True)):
            n, *_, channels = features.shape
            x = features.reshape(n, -1, channels)[:, chosen]
            x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
            x = linear(nn.relu(linear(x, f"mlp_{number}_0")), f"mlp_{number}_1")
            found.append(_normalized(x))
        return found


def _normalized(x: Float[Array, "... d"]) -> Float[Array, "... d"]:
    """By the authors' formula, with a gradient of 0 where there is nothing."""
    squares = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    some = squares > 0
    return x / (jnp.where(some, jnp.sqrt(jnp.where(some, squares, 1)), 0) + 1e-7)
