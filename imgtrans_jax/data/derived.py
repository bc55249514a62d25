"""Pairs made of plain pictures: edges, grey, lightness, holes, fewer pixels; the picture itself is
what is to be found.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np
import scipy

from imgtrans_jax.io import images
from imgtrans_jax.io.color import from_lab, luma, to_lab


@runtime_checkable
class Derivation(Protocol):
    """How a generator's input is made of a picture. All arrays are (h, w, C) float32 in [-1, 1]."""

    @property
    def input_channels(self) -> int:
        """The channels of a picture that a user gives to the trained generator."""
        ...

    def pair(self, picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The input and the wanted output for a picture.

        Args:
            picture: RGB, (h, w, 3).
            rng: Random numbers, for what is derived by chance.

        Returns:
            The input and the output, (h, w, C) each; `Downscale`'s input is smaller.
        """
        ...

    def encode_input(self, picture: np.ndarray) -> np.ndarray:
        """The input that a user's picture, of `input_channels` channels, stands for."""
        ...

    def decode_output(self, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Outputs, for their inputs, as pictures.

        Args:
            inputs: (N, h, w, C).
            outputs: (N, h, w, C').

        Returns:
            (N, h, w, C'').
        """
        ...


@dataclasses.dataclass(frozen=True)
class Edges(Derivation):
    """Edges -> picture. Lines come from a difference of Gaussians with a soft threshold
    (Winnemöller 2011, section 2.4): black on white, for pictures and for pencil drawings alike.

    A user gives a line drawing.

    Attributes:
        sigma: The lines' width in pixels.
        strength: How many faint ones show.
    """

    sigma: float = 0.7
    strength: float = 20.0

    @property
    def input_channels(self) -> int:
        return 3

    def pair(self, picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        gray = (luma(picture)[..., 0] + 1) / 2
        narrow, wide = (
            scipy.ndimage.gaussian_filter(gray, sigma) for sigma in (self.sigma, 1.6 * self.sigma)
        )
        difference = narrow - wide  # negative on the dark side of an edge
        lines = np.where(difference < -0.01, 1 + np.tanh(self.strength * (difference + 0.01)), 1.0)
        return np.repeat(lines[..., None] * 2 - 1, 3, axis=2).astype(np.float32), picture

    def encode_input(self, picture: np.ndarray) -> np.ndarray:
        return picture

    def decode_output(self, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return outputs


@dataclasses.dataclass(frozen=True)
class Gray(Derivation):
    """Grey -> colour, both as they are: (h, w, 1) -> (h, w, 3). A user gives any picture; its
    luminance is taken.
    """

    @property
    def input_channels(self) -> int:
        return 3

    def pair(self, picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return luma(picture), picture

    def encode_input(self, picture: np.ndarray) -> np.ndarray:
        return luma(picture)

    def decode_output(self, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return outputs


@dataclasses.dataclass(frozen=True)
class Lab(Derivation):
    """Lightness -> the two colours of CIE Lab: (h, w, 1) -> (h, w, 2). The result keeps the
    lightness of the input exactly, so that the generator needs two channels and no line is lost. A
    user gives any picture; its lightness is taken.
    """

    @property
    def input_channels(self) -> int:
        return 3

    def pair(self, picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        lab = to_lab(picture)
        return lab[..., :1], lab[..., 1:]

    def encode_input(self, picture: np.ndarray) -> np.ndarray:
        return to_lab(picture)[..., :1]

    def decode_output(self, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return (
            from_lab(np.concatenate([inputs, outputs], axis=-1))
            if outputs.shape[-1] == 2
            else outputs
        )


@dataclasses.dataclass(frozen=True)
class Inpaint(Derivation):
    """A picture with holes -> the whole picture: (h, w, 4) -> (h, w, 3), the fourth channel 1 in a
    hole, where colours are 0, and -1 elsewhere.

    A user gives a picture that is transparent where it is to be filled.

    Attributes:
        most: There are 1 to so many holes, rectangles of up to half a side.
    """

    most: int = 3

    @property
    def input_channels(self) -> int:
        return 4

    def pair(self, picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        hole = np.zeros((*picture.shape[:2], 1), bool)
        for _ in range(rng.integers(1, self.most + 1)):
            sides = [int(rng.integers(side // 8, side // 2 + 1)) for side in hole.shape[:2]]
            top, left = (
                int(rng.integers(0, whole - side + 1))
                for whole, side in zip(hole.shape[:2], sides, strict=True)
            )
            hole[top : top + sides[0], left : left + sides[1]] = True
        return self._with(picture, hole), picture

    def encode_input(self, picture: np.ndarray) -> np.ndarray:
        return self._with(picture[..., :3], picture[..., 3:] < 0)

    def decode_output(self, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """What was there stays as it was."""
        return (
            np.where(inputs[..., 3:] > 0, outputs, inputs[..., :3])
            if inputs.shape[-1] == 4
            else outputs
        )

    @staticmethod
    def _with(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
        return np.concatenate([np.where(hole, 0, picture), np.where(hole, 1, -1)], axis=2).astype(
            np.float32
        )


@dataclasses.dataclass(frozen=True)
class Downscale(Derivation):
    """Fewer pixels -> the picture: reduced by a bicubic filter against aliasing, and rounded to 8
    bits as a file would be.

    A user gives the picture that is to be enlarged.

    Attributes:
        factor: By which both sides are reduced.
    """

    factor: int = 4

    @property
    def input_channels(self) -> int:
        return 3

    def pair(self, picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        height, width = (side // self.factor for side in picture.shape[:2])
        whole = picture[: height * self.factor, : width * self.factor]
        small = images.resize((whole + 1) / 2, height, width)
        return images.to_signed(images.unit_to_uint8(small)), whole

    def encode_input(self, picture: np.ndarray) -> np.ndarray:
        return picture

    def decode_output(self, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return outputs
