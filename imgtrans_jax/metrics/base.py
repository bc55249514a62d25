"""What a metric says of itself: one value in the metric's own file, and nothing elsewhere. Imports
nothing here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Pictures: TypeAlias = npt.NDArray[np.uint8]
"""(N, H, W, C), or one picture (H, W, C): sRGB or gray in 0 to 255."""

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

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

    load: Callable[[], Callable[[Pictures, Pictures], Floats]]
    protocol: Callable[[Any], Any] | None = None


@dataclasses.dataclass(frozen=True)
class SetMetric(Metric):
    """Of all results and all real pictures, in the features that the evaluation names.

    Attributes:
        load: () -> `measure(x, y)`, which takes (n, d) and (m, d) float32, n and m at least 2, and
            returns the score and its standard error, NaN where that is not known.
        protocol: Of n and m, what a reader of the score must know; None for nothing.
    """

    load: Callable[[], Callable[[Floats, Floats], tuple[float, float]]]
    protocol: Callable[[int, int], Any] | None = None


@dataclasses.dataclass(frozen=True)
class CycleMetric(Metric):
    """Of pictures and of their translations there and back. The score is the mean of their numbers.

    Attributes:
        load: () -> `measure(x, back)`, which takes (N, H, W, C) float32 in [-1, 1] twice and
            returns (N,) numbers.
    """

    load: Callable[[], Callable[[Floats, Floats], Floats]]


@dataclasses.dataclass(frozen=True)
class LabelMetric(Metric):
    """Of label maps. Measured whenever an evaluation names colors.

    Attributes:
        load: () -> `measure(counts, colors)`, which takes the `segmentation.confusion` of all maps,
            (classes, classes), and the classes' colors. It returns numbers by name: the metric's
            own, and, as `short/class`, those of each class.
    """

    load: Callable[[], Callable[[npt.NDArray[np.int_], Mapping[str, Any]], Mapping[str, float]]]


def each(measure: Callable[[Any, Any], float]) -> Callable[[Any, Any], Floats]:
    """A measure of two pictures (H, W, C) as one of two batches of them: (N,) float64."""
    return lambda results, truths: np.array(
        [measure(x, y) for x, y in zip(results, truths, strict=True)]
    )
