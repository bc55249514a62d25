"""What is measured: the metrics that are asked for, their networks, and the scores of a set of
pictures as they are gathered.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from imgtrans_jax.data.datasets import OpenedDataset
from imgtrans_jax.metrics import registry
from imgtrans_jax.metrics.base import CycleMetric, LabelMetric, Metric, PairMetric, SetMetric
from imgtrans_jax.metrics.features import Features, check_name
from imgtrans_jax.metrics.segmentation import Colors, colors_of, confusion, snapped
from imgtrans_jax.types import Direction, UserError


@dataclasses.dataclass(frozen=True)
class EvaluationSpec:
    """What to measure.

    Attributes:
        metrics: Names of the registry; those that apply are taken.
        features: See `Features`.
        count: Test pictures, 0 for all.
        colors: Of label maps (`facades`, `cityscapes`, a file), for segmentation scores, or ''.
    """

    metrics: tuple[str, ...] = dataclasses.field(default_factory=registry.names)
    features: str = "vgg16"
    count: int = 0
    colors: str = ""

    def check(self) -> None:
        """Refuses what cannot be measured by anybody.

        Raises:
            UserError: For metrics, features or colours that there are not, or a count below 2 (0:
                all).
        """
        check_name(self.features)
        if self.colors:
            colors_of(self.colors)
        known = registry.names()
        unknown = [name for name in self.metrics if name not in known]
        if unknown:
            raise UserError(
                f"There is no metric {', '.join(map(repr, unknown))}; choose of "
                f"{', '.join(known)} (the scores of label maps come with `colors`)."
            )
        if self.count == 1 or self.count < 0:
            raise UserError(
                f"{self.count} pictures are too few to be measured; give 2 or more, or 0 for all."
            )

    def within(self, impossible: Mapping[str, str]) -> EvaluationSpec:
        """This without the metrics that cannot be had, which is said.

        Args:
            impossible: Why a metric cannot be had, by its name.

        Returns:
            The specification with those metrics that are left.

        Raises:
            UserError: If nothing is left.
        """
        taken = tuple(name for name in self.metrics if name not in impossible)
        reasons: dict[str, list[str]] = {}
        for name in self.metrics:
            if name in impossible:
                reasons.setdefault(impossible[name], []).append(name)
        said = [f"{', '.join(names)}: {why}." for why, names in reasons.items()]
        if not taken and not self.colors:
            raise UserError(f"Nothing can be measured. {' '.join(said)}")
        for text in said:
            print(f"Left out: {text}", flush=True)
        return dataclasses.replace(self, metrics=taken)


def impossible(directions: Sequence[Direction], opened: OpenedDataset) -> dict[str, str]:
    """The metrics that a training with these pictures cannot have.

    Args:
        directions: The recipe's.
        opened: The pictures.

    Returns:
        Why, by the metric's name.
    """
    found = too_few(min(len(stream.test) for stream in opened.streams))
    if len(opened.streams) > 1 or not directions:
        found |= all_of(PairMetric, "needs pairs, results with their truth")
    if len(directions) < 2:
        found |= all_of(CycleMetric, "needs a way there and a way back")
    return found


def too_few(pictures: int) -> dict[str, str]:
    """Why so many pictures a side are none for metrics of sets, by the metric's name."""
    why = f"needs two pictures or more on each side, and one has {pictures}"
    return all_of(SetMetric, why) if pictures < 2 else {}


def all_of(kind: type[Metric], why: str) -> dict[str, str]:
    """A reason for each metric of a kind, by the metric's name."""
    return {metric.name: why for metric in registry.of_kind(kind)}


class MetricSuite:
    """The networks of the metrics that are asked for, loaded once, and a ledger for each set of
    pictures.
    """

    def __init__(self, request: EvaluationSpec) -> None:
        request.check()
        self.request = request
        self.pairs = registry.of_kind(PairMetric, request.metrics)
        self.sets = registry.of_kind(SetMetric, request.metrics)
        self.cycles = registry.of_kind(CycleMetric, request.metrics)
        self.colors: Colors = colors_of(request.colors) if request.colors else {}
        self.labels = registry.of_kind(LabelMetric) if request.colors else ()
        self.features = Features(request.features) if self.sets else None
        self.measures: dict[str, Callable[[Any, Any], Any]] = {
            metric.name: metric.load()
            for metric in (*self.pairs, *self.sets, *self.cycles, *self.labels)
        }

    def ledger(self) -> MetricAccumulator:
        return MetricAccumulator(self)

    def protocol(self) -> dict[str, Any]:
        """What the scores were made with."""
        found: dict[str, Any] = {
            metric.name: metric.protocol(self.measures[metric.name])
            for metric in self.pairs
            if metric.protocol
        }
        found |= {
            "versions": {name: importlib.metadata.version(name) for name in ("imgtrans_jax", "jax")}
        }
        found |= {"errors": "standard errors"}
        if self.features:
            found["features"] = self.features.protocol
        if self.colors:
            found["colours"] = self.request.colors
        return found


class MetricAccumulator:
    """Scores of one set of results, gathered a few pictures (N, H, W, C) uint8 at a time."""

    def __init__(self, judge: MetricSuite) -> None:
        self.judge = judge
        self.pairwise: dict[str, list[float]] = {}
        self.of_cycles: dict[str, list[Any]] = {}
        self.of: dict[str, list[np.ndarray]] = {"fakes": [], "reals": []}
        self.counts: dict[str, int] = {"fakes": 0, "reals": 0}
        self.confusion: np.ndarray | None = None
        self.digests = {"fakes": hashlib.sha256(), "reals": hashlib.sha256()}

    def pairs(self, fakes: np.ndarray, truths: np.ndarray) -> None:
        """Takes results beside what each of them should be.

        Args:
            fakes: (N, H, W, C) uint8.
            truths: (N, H, W, C) uint8.
        """
        for metric in self.judge.pairs:
            found = self.judge.measures[metric.name](fakes, truths)
            self.pairwise.setdefault(metric.name, []).extend(found.tolist())

    def cycle(self, inputs: np.ndarray, back: np.ndarray) -> None:
        """Takes pictures beside their translations there and back.

        Args:
            inputs: (N, H, W, C) in [-1, 1].
            back: (N, H, W, C) in [-1, 1].
        """
        for metric in self.judge.cycles:
            found = self.judge.measures[metric.name](inputs, back)
            self.of_cycles.setdefault(metric.name, []).extend(found)

    def set(self, which: str, pictures: np.ndarray) -> None:
        """Takes results, or real pictures of their domain.

        Args:
            which: `fakes` or `reals`.
            pictures: (N, H, W, C) uint8.
        """
        self.counts[which] += len(pictures)
        self.digests[which].update(pictures.tobytes())
        if self.judge.features:
            self.of[which].append(self.judge.features(pictures))

    def labels(self, predicted: np.ndarray, true: np.ndarray) -> None:
        """Takes colour-coded label maps.

        Args:
            predicted: (N, H, W, 3) uint8; colours are taken for the nearest ones known.
            true: (N, H, W, 3) uint8, as `predicted`.
        """
        colors = self.judge.colors
        for x, y in zip(predicted, true, strict=True):
            counts = confusion(snapped(x, colors), snapped(y, colors), len(colors))
            self.confusion = counts if self.confusion is None else self.confusion + counts

    def protocol(self) -> dict[str, Any]:
        """The judge's, with the first 12 digits of the SHA-256 of all pixels, of results and of
        real pictures, and how the metrics of sets took them.
        """
        found = self.judge.protocol()
        found |= {
            "pictures": {which: digest.hexdigest()[:12] for which, digest in self.digests.items()}
        }
        if min(self.counts.values()) > 1:
            found |= {
                metric.name: metric.protocol(self.counts["fakes"], self.counts["reals"])
                for metric in self.judge.sets
                if metric.protocol
            }
        return found

    def results(self) -> tuple[dict[str, float], dict[str, float]]:
        """The scores by name, and their standard errors where they are known."""
        found = {name: float(np.mean(values)) for name, values in self.pairwise.items()}
        errors = {
            name: float(np.std(values) / np.sqrt(len(values)))
            for name, values in self.pairwise.items()
            if len(values) > 1 and np.isfinite(values).all()
        }
        if self.judge.features and min(self.counts.values()) > 1:
            x, y = (np.concatenate(self.of[which]) for which in ("fakes", "reals"))
            for metric in self.judge.sets:
                found[metric.name], error = self.judge.measures[metric.name](x, y)
                errors |= {metric.name: error} if np.isfinite(error) else {}
        if self.confusion is not None:
            for metric in self.judge.labels:
                found |= self.judge.measures[metric.name](self.confusion, self.judge.colors)
        found |= {name: float(np.mean(values)) for name, values in self.of_cycles.items()}
        return found, errors
