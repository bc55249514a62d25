"""Deep Dream: a picture is changed until a layer of the network is as active as it can be
(Mordvintsev et al. 2015).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from imgtrans_jax.models.vgg import VGG, Depth, stands_in
from imgtrans_jax.optim.pixels import PixelOptimizer, SmoothedDescent
from imgtrans_jax.style.gatys import apply
from imgtrans_jax.types import Dtype, Objective, Terms, UnitImages, Weights


@dataclasses.dataclass(frozen=True)
class DeepDream:
    """Half the mean square of a layer's features, maximised over octaves, from small to large; what
    one octave has drawn is carried to the next.

    With a guide picture each place of the layer moves towards the feature of the guide that is most
    like it.

    Attributes:
        weights: The network: `embedded` (VGG-16), `vgg16`, `vgg19`, or a file of either.
        dtype: That the network computes in.
        layer: Where the network lacks it, the deepest of its kind in the same block stands in.
        channel: One channel alone, from 0; -1 for all.
        octaves: How many sizes, 1 or more.
        octave_scale: Each size by the one before, above 1.
        steps: Gradient evaluations at each size.
        jitter: Pixels by which the picture is shifted at most, anew each step, so that the
            network's grid leaves no marks.
        optimizer: Of the pixels.
    """

    weights: Weights = "embedded"
    dtype: Dtype = "float32"
    layer: str = "relu4_4"
    channel: int = -1
    octaves: int = 5
    octave_scale: float = 1.3
    steps: int = 10
    jitter: int = 16
    optimizer: PixelOptimizer = SmoothedDescent()

    def network(self, depth: Depth) -> VGG:
        """Raises ValueError for a layer or a channel that it lacks."""
        return VGG(depth, (stands_in(self.layer, depth),), "max", self.dtype)

    def guide(self, depth: Depth, params: Any, image: UnitImages) -> jax.Array:
        """The features of a guide picture.

        Args:
            depth: Of the network, 16 or 19.
            params: Of the network.
            image: (1, H, W, 3), float in [0, 1].

        Returns:
            (positions, C).
        """
        (features,) = apply(self.network(depth), params, image).values()
        return features.reshape(-1, features.shape[-1])

    def objective(self, depth: Depth) -> Objective:
        """(image, frozen, key) -> terms; frozen holds params and guide, which is None or the
        features of one.
        """
        network = self.network(depth)

        def terms(image: UnitImages, frozen: Any, key: jax.Array) -> Terms:
            shift = jax.random.randint(key, (2,), -self.jitter, self.jitter + 1)
            (features,) = apply(
                network, frozen["params"], jnp.roll(image, shift, axis=(1, 2))
            ).values()
            features = features.astype(jnp.promote_types(features.dtype, jnp.float32))
            if self.channel >= 0:
                features = features[..., self.channel : self.channel + 1]
            if frozen["guide"] is None:
                return {"activity": -0.5 * jnp.mean(jnp.square(features))}
            alike = features.reshape(-1, features.shape[-1]) @ frozen["guide"].T
            return {"likeness": -jnp.mean(jnp.max(alike, axis=1))}

        return terms
