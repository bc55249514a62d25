"""What a metric says of itself: one value in the metric's own file, and nothing elsewhere. Imports
nothing here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8

Picture: TypeAlias = UInt8[np.ndarray, "h w c"]
"""sRGB or gray in 0 to 255."""

Pictures: TypeAlias = UInt8[np.ndarray, "n h w c"]
"""Each a `Picture`."""

SignedPictures: TypeAlias = Float[np.ndarray, "n h w c"]
"""sRGB or gray in [-1, 1]."""

Scores: TypeAlias = Float[np.ndarray, " n"]
"""A number for each of N pictures."""

Counts: TypeAlias = Int[np.ndarray, "classes classes"]
"""Pixels by true class and predicted class."""

Colors: TypeAlias = Mapping[str, tuple[int, int, int]]
"""sRGB by the name of the class; a name that starts with '-' is a colour of no class: truth that is
left out.
"""

JsonValue: TypeAlias = Any
"""What JSON can hold."""

Better: TypeAlias = Literal["higher", "lower"]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric is one of the four below, by what it compares.

    All have a field `load`, which makes what measures, with its weights if it has any: it is called
    once, and what it returns for every few pictures.

    Attributes:
        name: In commands and records.
        better: Which way is better.
        meaning: Its unit or form, in a few words.
    """

    name: str
    better: Better
    meaning: str

    @property
    def summary(self) -> str:
        """The meaning and the way, for a table."""
        return f"{self.meaning}; {self.better} is better"


@dataclasses.dataclass(frozen=True)
class PairMetric(Metric):
    """Of results beside what each should be. The score is the mean of their numbers, over all
    pictures.

    Attributes:
        load: () -> `measure(results, truths)`, which takes (N, H, W, C) uint8 twice and returns
            (N,) numbers.
        protocol: Of what `load` returned, what a reader of the score must know; None for nothing.
    """

    load: Callable[[], Callable[[Pictures, Pictures], Scores]]
    protocol: Callable[[Any], JsonValue] | None = None


@dataclasses.dataclass(frozen=True)
class SetMetric(Metric):
    """Of all results and all real pictures, in the features that the evaluation names.

    Attributes:
        load: () -> `measure(x, y)`, which takes (n, d) and (m, d) float32, n and m at least 2, and
            returns the score and its standard error, NaN where that is not known.
        protocol: Of n and m, what a reader of the score must know; None for nothing.
    """

    load: Callable[
        [], Callable[[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]], tuple[float, float]]
    ]
    protocol: Callable[[int, int], JsonValue] | None = None


@dataclasses.dataclass(frozen=True)
class CycleMetric(Metric):
    """Of pictures and of their translations there and back. The score is the mean of their numbers.

    Attributes:
        load: () -> `measure(x, back)`, which takes (N, H, W, C) float32 in [-1, 1] twice and
            returns (N,) numbers.
    """

    load: Callable[[], Callable[[SignedPictures, SignedPictures], Scores]]


@dataclasses.dataclass(frozen=True)
class LabelMetric(Metric):
    """Of label maps. Measured whenever an evaluation names colors.

    Attributes:
        load: () -> `measure(counts, colors)`, which takes the `segmentation.confusion` of all maps,
            (classes, classes), and the classes' colors. It returns numbers by name: the metric's
            own, and, as `short/class`, those of each class.
    """

    load: Callable[[], Callable[[Counts, Colors], Mapping[str, float]]]


def each(
    measure: Callable[[Picture, Picture], float],
) -> Callable[[Pictures, Pictures], Scores]:
    """A measure of two pictures (H, W, C) as one of two batches of them: (N,) float64."""
    return lambda results, truths: np.array(
        [measure(x, y) for x, y in zip(results, truths, strict=True)]
    )
