"""How one picture is cut for training or for testing: the common preprocessing modes of image
translation.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

import numpy as np

from imgtrans_jax.io import images
from imgtrans_jax.types import UserError

Resizing: TypeAlias = Literal["square", "width", "short", "none"]


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """Resize, then a random crop, then a random flip.

    Without a crop both sides are then rounded to multiples of 4, for the generators.

    Attributes:
        load_size: Pixels that `resize` goes by.
        crop_size: The side of a square random crop in pixels, 0 for none; a picture smaller than
            the crop is enlarged until it fits.
        resize: `square` to load_size x load_size (the papers'), `width` or `short` to that width or
            shorter side with the aspect kept, `none`.
        flip: Mirrors left to right with probability 1/2.
    """

    load_size: int = 286
    crop_size: int = 256
    resize: Resizing = "square"
    flip: bool = True

    def apply(self, picture: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """`train` with random numbers, `test` without.

        Args:
            picture: (H, W, C), uint8 or float in [0, 1].
            rng: Random numbers; None for `test`.

        Returns:
            (h, w, C) float32 in [-1, 1].
        """
        return self.test(picture) if rng is None else self.train(picture, rng)

    def train(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture resized, cropped and flipped by chance.

        Args:
            picture: (H, W, C), uint8 or float in [0, 1].
            rng: Random numbers.

        Returns:
            (h, w, C) float32 in [-1, 1].
        """
        picture = self._resized(picture)
        if self.crop_size:
            top, left = (rng.integers(0, side - self.crop_size + 1) for side in picture.shape[:2])
            picture = picture[top : top + self.crop_size, left : left + self.crop_size]
        if self.flip and rng.random() < 0.5:
            picture = picture[:, ::-1]
        return images.to_signed(picture)

    def test(self, picture: np.ndarray) -> np.ndarray:
        """The whole picture at the training scale, without chance: `square` goes to crop_size
        directly, as the authors do; the other modes are cropped at the centre.
        """
        if self.resize == "square":
            side = self.crop_size or _multiple_of_4(self.load_size)
            return images.to_signed(images.resize(picture, side, side))
        picture = self._resized(picture)
        if self.crop_size:
            top, left = ((side - self.crop_size) // 2 for side in picture.shape[:2])
            picture = picture[top : top + self.crop_size, left : left + self.crop_size]
        return images.to_signed(picture)

    def check(self) -> None:
        """Raises UserError for sizes that do not go together."""
        if self.load_size < images.MIN_SIDE:
            raise UserError(
                f"data.cut.load_size={self.load_size} is under {images.MIN_SIDE} pixels; choose a "
                "larger one."
            )
        if self.crop_size and (self.crop_size % 4 or self.crop_size < images.MIN_SIDE):
            raise UserError(
                f"data.cut.crop_size={self.crop_size} must be 0 or a multiple of 4 from "
                f"{images.MIN_SIDE}."
            )
        if self.resize != "none" and self.crop_size > self.load_size:
            raise UserError(
                f"data.cut.crop_size={self.crop_size} is larger than "
                f"data.cut.load_size={self.load_size}; swap or equal them."
            )

    def _resized(self, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        if self.resize == "square":
            height, width = self.load_size, self.load_size
        elif self.resize != "none":
            scale = self.load_size / (width if self.resize == "width" else min(height, width))
            height, width = max(1, round(height * scale)), max(1, round(width * scale))
        if not self.crop_size:
            height, width = _multiple_of_4(height), _multiple_of_4(width)
        elif min(height, width) < self.crop_size:
            scale = self.crop_size / min(height, width)
            height, width = (
                max(self.crop_size, round(height * scale)),
                max(self.crop_size, round(width * scale)),
            )
        return images.resize(picture, height, width)


def _multiple_of_4(side: int) -> int:
    return max(images.MIN_SIDE, round(side / 4) * 4)
