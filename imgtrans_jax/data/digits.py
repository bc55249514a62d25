"""scikit-learn's 1,797 handwritten digits (UCI, Alpaydin and Kaynak 1998): 8x8, grey."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from imgtrans_jax.data.sources import Pictures, Side, Source
from imgtrans_jax.io import images


def load_digits(channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All of them.

    Args:
        channels: Of the pictures, all alike.

    Returns:
        The pictures (1797, 8, 8, channels) uint8; their classes, (1797,) from 0 to 9; and whether
        each is for testing, as every tenth is.
    """
    from sklearn import datasets

    bunch: Any = datasets.load_digits()
    pictures = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    held_out = np.arange(len(pictures)) % 10 == 9
    return pictures.repeat(channels, axis=3), bunch.target, held_out


@dataclasses.dataclass(frozen=True)
class DigitStyle(Source):
    """The digits as one domain of two: those of one half as they are, and outlines of those of the
    other half. The test pictures are a held-out tenth, in the same order for both kinds.

    Attributes:
        kind: `filled`, or `outline`s: what a dilation by a pixel adds (Liu and Tuzel 2016, section
            4).
        whole: Takes both halves.
    """

    kind: Literal["filled", "outline"] = "filled"
    whole: bool = False

    def open(self, side: Side, size: int, channels: int) -> tuple[Pictures, Pictures]:
        small, _, held_out = load_digits(channels)
        pictures = np.stack([images.resize(one, size, size) for one in small])
        if self.kind == "outline":
            pictures = outlines(pictures)
        train = pictures[~held_out]
        return train if self.whole else train[self.kind == "outline" :: 2], pictures[held_out]


def outlines(pictures: np.ndarray) -> np.ndarray:
    """What a dilation by a pixel each way adds to bright shapes on black.

    Args:
        pictures: (N, H, W, C) uint8.

    Returns:
        Of the same shape and type.
    """
    height, width = pictures.shape[1:3]
    around = np.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)))
    moved = [around[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.max(moved, axis=0) - pictures
