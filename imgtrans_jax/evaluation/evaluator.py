"""Scores of a generator or of folders of pictures, each with the protocol by which it was made."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from imgtrans_jax.config import stored
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import OpenedDataset, Stream
from imgtrans_jax.evaluation.metric_suite import (
    EvaluationSpec,
    MetricAccumulator,
    MetricSuite,
    all_of,
    impossible,
    too_few,
)
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.sample import sampled
from imgtrans_jax.inference.translator import Translation
from imgtrans_jax.io import images
from imgtrans_jax.metrics.base import CycleMetric, PairMetric
from imgtrans_jax.types import Direction, UserError
from imgtrans_jax.weights.metric_networks import checksum

_AT_ONCE, _PIXELS = 8, 2**20  # pictures, and pixels of them together


# --------------------------------------------------------------------------------------- generators


class GeneratorEvaluator:
    """Scores a generator on its experiment's test pictures, as often as it is asked to: each
    direction is compiled once.

    Args:
        loaded: The generator; only its networks' shapes matter, since each call brings weights.
        opened: The pictures.
        request: What to measure; what cannot be had is left out, and said.
        segmenter: Reads label maps back from results (the FCN score); None: results are label maps
            themselves, if `request` has colours.

    Raises:
        UserError: If nothing can be measured, weights cannot be had, or label maps lack their truth
            or their colours.
    """

    def __init__(
        self,
        loaded: TrainedGenerator,
        opened: OpenedDataset,
        request: EvaluationSpec,
        segmenter: TrainedGenerator | None = None,
    ) -> None:
        self.experiment, self.opened = loaded.experiment, opened
        self.directions: tuple[Direction, ...] = loaded.experiment.recipe.directions
        request.check()
        self.judge = MetricSuite(request.within(impossible(self.directions, opened)))
        self.translations = {
            direction: Translation(loaded, direction) for direction in self.directions
        }
        self.segmenter = Translation(segmenter) if segmenter else None
        if request.colors and len(opened.streams) > 1:
            raise UserError(
                "Label maps are scored where each has its truth: `colors` needs a run that was "
                "trained on pairs."
            )
        if segmenter and not self.judge.colors:
            raise UserError("A segmenter's maps are compared by their colours: give `colors` too.")

    def __call__(
        self, loaded: TrainedGenerator, step: int | None, source: str
    ) -> list[dict[str, Any]]:
        """Scores a generator with the same networks.

        Args:
            loaded: Its weights are used.
            step: How far it was trained; None if that is not known.
            source: Where it is from, for the record.

        Returns:
            One record for each direction.
        """
        weights = jax.device_put({"params": loaded.params, "stats": loaded.stats})
        for translation in self.translations.values():
            translation.weights = weights
        about = {
            "source": source,
            "step": step,
            "weights": checksum(
                {"params": jax.device_get(loaded.params), "stats": jax.device_get(loaded.stats)}
            ),
        }
        if not self.directions:
            return [self._record("generated", *self._from_nothing(loaded), about)]
        return [self._record(d, *self._direction(d), about) for d in self.directions]

    def _record(
        self, what: str, ledger: MetricAccumulator, extra: dict[str, float], about: dict[str, Any]
    ) -> dict[str, Any]:
        found, errors = ledger.results()
        return {
            "what": what,
            **about,
            "scores": found | extra,
            "errors": errors,
            "counts": ledger.counts,
            "protocol": ledger.protocol() | described(self.experiment, self.opened),
            "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        }

    def _direction(self, direction: Direction) -> tuple[MetricAccumulator, dict[str, float]]:
        given, wanted = ("a", "b") if direction == "a2b" else ("b", "a")
        data, ledger, beside = self.experiment.data, self.judge.ledger(), self.judge.ledger()
        translate, back = (
            self.translations[direction],
            self.translations.get("b2a" if direction == "a2b" else "a2b"),
        )
        paired = len(self.opened.streams) == 1
        if paired and "b" not in self.opened.samples(1):
            raise UserError(
                "This run learns from pictures alone, so that there is no truth to compare with; "
                "compare two folders, `fake` and `real`, instead."
            )
        for batch in _said(
            f"{direction}: results", *self._batches(self.opened.streams[-1 if given == "b" else 0])
        ):
            inputs = batch[given]
            outputs = translate.padded(inputs)
            fakes = images.to_uint8(
                data.decode_output(inputs, outputs)
                if outputs.shape[1] == inputs.shape[1]
                else outputs
            )
            ledger.set("fakes", fakes)
            if self.judge.cycles and back is not None:
                ledger.cycle(inputs, back.padded(outputs))
            if paired:
                real = (
                    data.decode_output(inputs, batch[wanted])
                    if batch[wanted].shape[1] == inputs.shape[1]
                    else batch[wanted]
                )
                truths = images.to_uint8(real)
                ledger.set("reals", truths)
                ledger.pairs(fakes, truths)
                self._labels(ledger, beside, images.to_uint8(inputs), fakes, truths)
        if not paired:
            for batch in _said(
                f"{direction}: real pictures",
                *self._batches(self.opened.streams[-1 if wanted == "b" else 0]),
            ):
                ledger.set("reals", images.to_uint8(batch[wanted]))
        # What the segmenter makes of real pictures: no generator is expected to do better.
        of_real = beside.results()[0] if beside.confusion is not None else {}
        return ledger, {
            f"real/{name}": value for name, value in of_real.items() if not name.startswith("iou/")
        }

    def _labels(
        self,
        ledger: MetricAccumulator,
        beside: MetricAccumulator,
        inputs: np.ndarray,
        fakes: np.ndarray,
        truths: np.ndarray,
    ) -> None:
        """The FCN score: a segmenter reads the labels back from the results; or the results are
        label maps themselves.
        """
        if self.segmenter is not None:
            read = [
                images.to_uint8(self.segmenter.padded(images.to_signed(x))) for x in (fakes, truths)
            ]
            ledger.labels(read[0], inputs)
            beside.labels(read[1], inputs)
        elif self.judge.colors:
            ledger.labels(fakes, truths)

    def _from_nothing(self, loaded: TrainedGenerator) -> tuple[MetricAccumulator, dict[str, float]]:
        ledger = self.judge.ledger()
        given = []
        for batch in _said("real pictures", *self._batches(self.opened.streams[0])):
            ledger.set("reals", images.to_uint8(batch["x"]))
            if loaded.experiment.recipe.reads_texts:
                given.append(batch["y"])
        conditions = np.concatenate(given) if given else None
        count = ledger.counts["reals"]
        fakes = images.to_uint8(sampled(loaded, count, conditions=conditions))
        for start in range(0, len(fakes), _AT_ONCE):
            ledger.set("fakes", fakes[start : start + _AT_ONCE])
        return ledger, {}

    def _batches(self, stream: Stream) -> tuple[int, Iterator[Mapping[str, np.ndarray]]]:
        """The test pictures, a few of one size at a time, and how many they are."""
        total = len(stream.test)
        count = min(self.judge.request.count or total, total)
        chosen = np.linspace(0, total - 1, count).round().astype(int)
        prepared = (stream.prepare(stream.test[int(i)], None) for i in chosen)
        return count, _stacked(prepared)


def described(experiment: Experiment, opened: OpenedDataset) -> dict[str, Any]:
    """The part of a protocol that the experiment sets.

    Args:
        experiment: Of the training.
        opened: Its pictures.

    Returns:
        Data, split, counts, weights of its losses.
    """
    held_out = all(stream.test is not stream.train for stream in opened.streams)
    recipe, cut = experiment.recipe, experiment.data.cut
    found = {
        "data": stored.to_json(experiment.data),
        "split": "test pictures" if held_out else "training pictures, for there are no others",
        "of": opened.counts(),
        "resize": f"{cut.resize} to {cut.crop_size or cut.load_size}, antialiased bicubic "
        "(Pillow), 8 bits",
        "recipe": type(recipe).__name__,
        "batch": experiment.batch_size,
        "seed": experiment.seed,
    }
    return recipe.settings | found


# ------------------------------------------------------------------------------------------ folders


def evaluate_folders(fake: Path, real: Path, request: EvaluationSpec) -> dict[str, Any]:
    """Scores of the pictures of one folder against those of another: pairwise where every one has a
    partner of its name, and as sets.

    Args:
        fake: The folder of the results.
        real: The folder of real pictures. A result of another size than its partner is resized to
            it.
        request: What to measure; what cannot be had is left out, and said.

    Returns:
        One record.

    Raises:
        UserError: If either folder cannot be read, nothing can be measured, or label maps lack
            partners.
    """
    request.check()
    fakes, reals = (
        images.list_pictures(folder)[: request.count or None] for folder in (fake, real)
    )
    partners = {path.relative_to(real).with_suffix(""): path for path in images.list_pictures(real)}
    matched = [partners.get(path.relative_to(fake).with_suffix("")) for path in fakes]
    paired = all(matched)
    if request.colors and not paired:
        raise UserError(
            f"Label maps are compared by name, and {_alone(fakes, matched)} has no partner in "
            f"{real}."
        )
    lacking = all_of(CycleMetric, "needs a trained run")
    lacking |= too_few(min(len(fakes), len(reals)))
    if not paired:
        without = (
            f"{sum(m is None for m in matched)} of {len(fakes)}, such as "
            f"{_alone(fakes, matched)}, have none"
        )
        lacking |= all_of(PairMetric, f"needs a partner of the same name in {real}, and {without}")
    judge = MetricSuite(request.within(lacking))
    ledger, resized = judge.ledger(), 0
    for path, partner in _said("results", len(fakes), zip(fakes, matched, strict=True)):
        x = images.read_picture(path)
        x = x if x.dtype == np.uint8 else images.unit_to_uint8(x)
        ledger.set("fakes", x[None])
        if partner and paired:
            y = _bytes(partner)
            resized += x.shape != y.shape
            if judge.colors:
                ledger.labels(_nearest(x, y.shape)[None], y[None])
            ledger.pairs(images.resize(x, *y.shape[:2])[None], y[None])
    for path in _said("real pictures", len(reals), reals):
        ledger.set("reals", _bytes(path)[None])
    found, errors = ledger.results()
    split = {
        "fake": str(fake),
        "real": str(real),
        "pairs by name": paired,
        "resized to their partner": int(resized),
    }
    split["resize"] = (
        "bicubic, antialiased (Pillow), 8 bits; label maps by the nearest pixel; transparency on "
        "white"
    )
    return {
        "what": fake.name,
        "source": str(fake),
        "scores": found,
        "errors": errors,
        "counts": ledger.counts,
        "protocol": ledger.protocol() | split,
        "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


# ------------------------------------------------------------------------------------- small things


def _said(what: str, count: int, items: Iterable[Any]) -> Iterator[Any]:
    """The items, which may be batches of pictures, with progress over pictures."""
    print(f"{what[0].upper()}{what[1:]}: {count} pictures …", flush=True)
    with tqdm(total=count, desc=what, unit="picture", delay=2, disable=None, leave=False) as bar:
        for item in items:
            yield item
            bar.update(len(next(iter(item.values()))) if isinstance(item, Mapping) else 1)


def _stacked(examples: Iterable[Mapping[str, np.ndarray]]) -> Iterator[Mapping[str, np.ndarray]]:
    waiting: list[Mapping[str, np.ndarray]] = []

    def together() -> Mapping[str, np.ndarray]:
        return {name: np.stack([example[name] for example in waiting]) for name in waiting[0]}

    for example in examples:
        other = waiting and any(x.shape != waiting[0][name].shape for name, x in example.items())
        pixels = max(x.shape[0] * x.shape[1] if x.ndim == 3 else 1 for x in example.values())
        if other or len(waiting) == min(_AT_ONCE, max(1, _PIXELS // pixels)):
            yield together()
            waiting = []
        waiting.append(example)
    if waiting:
        yield together()


def _bytes(path: Path) -> np.ndarray:
    picture = images.read_picture(path)
    return picture if picture.dtype == np.uint8 else images.unit_to_uint8(picture)


def _nearest(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = (
        np.arange(new) * old // new for new, old in zip(shape[:2], picture.shape[:2], strict=True)
    )
    return picture[rows][:, columns]


def _alone(paths: Sequence[Path], partners: Sequence[Path | None]) -> str:
    return next(str(path) for path, partner in zip(paths, partners, strict=True) if partner is None)
