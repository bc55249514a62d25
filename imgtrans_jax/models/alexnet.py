"""AlexNet as torchvision has it (Krizhevsky 2014, "One weird trick"), as a feature network without
the classifier.
"""

from __future__ import annotations

from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import Conv, Kaiming, check_batch
from imgtrans_jax.types import UnitImages

CONVOLUTIONS = {  # features, kernel, stride, padding
    "conv1": (64, 11, 4, 2),
    "conv2": (192, 5, 1, 2),
    "conv3": (384, 3, 1, 1),
    "conv4": (256, 3, 1, 1),
    "conv5": (256, 3, 1, 1),
}
MIN_SIDE = 31
"""Pixels of the shortest side that leaves one unit of the deepest layer."""


class AlexNet(nn.Module):
    """(N, H, W, 3) sRGB in [0, 1], normalised inside by `mean` and `deviation` -> {'relu1': (N, h,
    w, 64), …, 'relu5'}.

    Raises:
        ValueError: For images under 31 pixels a side.
    """

    @nn.compact
    def __call__(self, images: UnitImages) -> dict[str, Float[Array, "n _ _ _"]]:
        check_batch(images, (1, 3))
        if min(images.shape[1:3]) < MIN_SIDE:
            raise ValueError(
                f"An image of {images.shape[2]}x{images.shape[1]} is too small for AlexNet; it "
                f"needs {MIN_SIDE} a side."
            )
        mean = self.param("mean", nn.initializers.zeros, (3,))
        deviation = self.param("deviation", nn.initializers.ones, (3,))
        x, features = (images - mean) / deviation, {}
        for number, (name, (width, kernel, stride, padding)) in enumerate(CONVOLUTIONS.items(), 1):
            if number in (2, 3):
                x = nn.max_pool(x, (3, 3), (2, 2))
            x = nn.relu(Conv(width, kernel, stride, padding, kernel_init=Kaiming(), name=name)(x))
            features[f"relu{number}"] = x
        return features
