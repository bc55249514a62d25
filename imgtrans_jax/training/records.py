"""What a training leaves behind as it goes: console lines, metrics, samples, the page, scores and
checkpoints.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import math
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from jax.experimental import multihost_utils

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import OpenedDataset
from imgtrans_jax.data.pipeline import Batches
from imgtrans_jax.engine.checkpoint import Checkpoints
from imgtrans_jax.engine.state import TrainState
from imgtrans_jax.evaluation import evaluator, records
from imgtrans_jax.inference.generator import Generator
from imgtrans_jax.io import json_files
from imgtrans_jax.io.files import whole
from imgtrans_jax.metrics import registry
from imgtrans_jax.report.run_page import Alarm, Report
from imgtrans_jax.runtime.clock import Clock
from imgtrans_jax.runtime.console import say
from imgtrans_jax.training.diagnostics import Watch
from imgtrans_jax.training.program import Program
from imgtrans_jax.types import UserError


@dataclasses.dataclass
class Records:
    """What a run leaves behind as it goes: console lines, metrics, samples, the page and
    checkpoints.
    """

    experiment: Experiment
    stored: Any
    folder: Path
    pictures: OpenedDataset
    batches: Batches
    program: Program
    iterator: grain.DatasetIterator
    checkpoints: Checkpoints
    report: Report | None  # on process 0
    clock: Clock
    ahead: int = 0  # by how many batches the data are ahead of the steps

    def __enter__(self) -> Records:
        self.examiner: evaluator.GeneratorEvaluator | None = None
        recipe = self.experiment.recipe
        self.watch = Watch(
            self.folder, getattr(recipe, "gan", None), getattr(recipe, "halve_critic", False)
        )
        self.pending: list[dict[str, jax.Array]] = []
        self.samples = self.pictures.samples(self.experiment.samples)
        self.unwritten = False
        if self.report:  # that of a resumed run says that it was stopped
            with self._if_the_disk_allows():
                status = self.clock.status(self.clock.first, running=True)
                self.report.page(status, True, list(self.watch.standing.values()))
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, UserError):
            with contextlib.suppress(UserError):  # `error` is what is to be said
                self.checkpoints.finish()
        with self._if_the_disk_allows():
            if self.report and isinstance(error, UserError):
                self.report.page(f"Stopped: {error}", False, list(self.watch.standing.values()))
            if self.report:
                self.report.close()

    @contextlib.contextmanager
    def _if_the_disk_allows(self) -> Iterator[None]:
        """A full disk, or a folder that has become read-only, costs what would be shown, not the
        run.
        """
        try:
            yield
            self.unwritten = False
        except OSError as error:
            if not self.unwritten:
                say(
                    f"Nothing can be written to {self.folder} ({error.strerror or error}): "
                    "training goes on, reports wait."
                )
            self.unwritten = True

    def next_batch(self, step: int, state: TrainState) -> dict[str, np.ndarray]:
        """Raises UserError if the pictures can no longer be read, after the state has been
        saved.
        """
        position = self.iterator.get_state()
        try:
            return next(self.iterator)
        # of whatever kind: reading happens in threads of a library
        except (Exception, SystemExit) as error:
            saved = ""
            if jax.process_count() == 1 and step - 1 > self.clock.first and int(state.failed) < 0:
                self.checkpoints.save(step - 1, state, self._metadata(step - 1, position))
                self.checkpoints.finish()
                saved = (
                    f" What was learned up to step {step - 1} is saved, and the same command "
                    "goes on from there."
                )
            why = (
                str(error)
                if isinstance(error, (UserError, OSError))
                else f"{type(error).__name__}: {error}"
            )
            raise UserError(
                f"The batch of step {step} could not be read: {why.rstrip('.')}.{saved}"
            ) from error

    def after(
        self, step: int, state: TrainState, metrics: dict[str, jax.Array], ending: bool
    ) -> None:
        """Does what is due after a step. Raises UserError if its loss was not finite, or the disk
        is full.
        """
        self.pending.append(metrics)
        # so that a stop is obeyed within three steps
        jax.block_until_ready(self.pending[max(0, len(self.pending) - 3)])
        saving = (
            ending or step % self.experiment.save_every == 0 or self._can_make_up_for_a_save(step)
        )
        showing = ending or step % self.experiment.sample_every == 0
        done = step == self.clock.total
        every = self.experiment.evaluation.every
        examining = every > 0 and (self.program.epochs(step) % every == 0 or done)
        logging = saving or showing or examining or step % self.experiment.log_every == 0
        if logging or self.clock.due():
            figures: dict[str, float] = {}
            with self._if_the_disk_allows():
                figures = self._show(step, state) if self.report and showing else {}
            figures |= self._examine(step, state) if examining else {}
            self._log(step, state, figures, keep=logging)
        if saving:
            self.checkpoints.save(step, state, self._metadata(step, self.iterator.get_state()))
        if ending:
            self.checkpoints.finish()
        if news := self.checkpoints.news():
            say(
                f"{news} Training goes on, and saves again when there is room."
                if self.checkpoints.owing
                else news
            )
        if self.report and logging:
            with self._if_the_disk_allows():
                self.report.page(
                    self.clock.status(step, running=not ending),
                    not ending,
                    list(self.watch.standing.values()),
                )

    def _can_make_up_for_a_save(self, step: int) -> bool:
        """A save that failed is made up for as soon as there is room. (Several processes wait for
        the next that is due: each may see another disk.)
        """
        owing = self.checkpoints.owing and jax.process_count() == 1
        return owing and step % self.experiment.log_every == 0 and self.checkpoints.has_room()

    def _log(self, step: int, state: TrainState, figures: dict[str, float], keep: bool) -> None:
        values = _means(self.pending)
        self._raise_if_failed(int(state.failed), values)
        say(self.clock.line(step, values))
        if keep:
            self.pending = []
            if self.report:
                rate = self.program.rate(step - 1)
                with self._if_the_disk_allows():
                    self.report.metrics(
                        step, values | {"rate": rate} | self.clock.figures() | figures
                    )
                    _say_alarms(step, self.watch.losses(step, values))

    def _raise_if_failed(self, failed: int, values: dict[str, float]) -> None:
        """The step left the state as it was before the failure; the batch is made again from its
        number and kept."""
        if failed < 0:
            return
        path = self.folder / f"failed_step_{failed + 1}_process_{jax.process_index()}.npz"
        with contextlib.suppress(OSError):  # a full disk: the sentence matters more
            np.savez_compressed(path, allow_pickle=False, **self.batches[failed + self.ahead])
        names = ", ".join(name for name, value in values.items() if not math.isfinite(value))
        raise UserError(
            f"Training stopped at step {failed + 1}: {names} became NaN or infinite. The batch is "
            f"kept in {path}, and the newest checkpoint is sound. Look at the batch for broken "
            "pictures, then try a lower rate (--config.optimizer.schedule.rate=1e-4), float32 "
            "instead of bfloat16, or another --config.seed."
        )

    def _metadata(self, step: int, position: Any) -> dict[str, Any]:
        return {
            "config": self.stored,
            "data": position,
            "batch": self.program.batch_shapes(),
            "epochs": list(self.program.epochs(step).as_integer_ratio()),
            "versions": versions(),
        }

    def _show(self, step: int, state: TrainState) -> dict[str, float]:
        """Samples for the page; returns what the watch measured in them."""
        assert self.report is not None
        sheets = self.program.sheets(state, self.samples, self.pictures.classes)
        self.report.samples(step, sheets)
        figures, alarms = self.watch.sheets(step, sheets)
        _say_alarms(step, alarms)
        return figures

    def _examine(self, step: int, state: TrainState) -> dict[str, float]:
        """Scores the generators; keeps the state in the folder `best` if none before was better."""
        wanted, score = self.experiment.evaluation.best, math.nan
        values: dict[str, float] = {}
        if self.report:
            networks = jax.device_get(state.generators)
            loaded = Generator(
                self.experiment, networks.params, networks.stats, self.program.batch_shapes()
            )
            self.examiner = self.examiner or evaluator.GeneratorEvaluator(
                loaded, self.pictures, request(self.experiment)
            )
            found = self.examiner(loaded, step, str(self.folder))
            with self._if_the_disk_allows():
                records.append_records(found, self.folder / records.FILE)
            values = {
                f"score/{r['what']}/{name}": value
                for r in found
                for name, value in r["scores"].items()
            }
            say(
                "  ".join(
                    [f"step {step}", *(f"{name} {value:.4f}" for name, value in values.items())]
                )
            )
            score = float(np.mean([r["scores"].get(wanted, math.nan) for r in found]))
        if wanted:
            self._keep_if_best(step, state, wanted, score)
        return values

    def _keep_if_best(self, step: int, state: TrainState, metric: str, score: float) -> None:
        folder = self.folder / "best"
        sign = -1 if registry.known()[metric].better == "higher" else 1
        before = json_files.read_or_none(folder / "best.json") or {}
        value = json_files.number(before.get("value"))
        better = math.isfinite(score) and (
            before.get("metric") != metric or value is None or sign * score < sign * value
        )
        if jax.process_count() > 1:  # process 0 alone knows the score
            better = bool(multihost_utils.broadcast_one_to_all(np.int32(better)))
        if not better:
            return
        best = Checkpoints(folder / "checkpoints", keep=1)
        best.save(step, state, self._metadata(step, self.iterator.get_state()))
        try:
            best.finish()
        except UserError as error:
            say(str(error))
            return
        write_json(folder / "config.json", self.stored)
        write_json(folder / "best.json", {"metric": metric, "value": score, "step": step})
        say(f"The best so far by {metric}: kept in {folder}.")


def request(experiment: Experiment) -> evaluator.EvaluationSpec:
    """The scores that an experiment wants as it trains."""
    wanted = experiment.evaluation
    return evaluator.EvaluationSpec(wanted.metrics, wanted.features, wanted.count)


def _means(pending: list[dict[str, jax.Array]]) -> dict[str, float]:
    fetched = jax.device_get(pending)
    return {name: float(np.mean([row[name] for row in fetched])) for name in fetched[0]}


def versions() -> dict[str, str]:
    """Of the packages that a result depends on, of Python and the platform, and the devices, by
    their names.
    """
    names = (
        "imgtrans_jax",
        "jax",
        "jaxlib",
        "flax",
        "optax",
        "orbax-checkpoint",
        "grain",
        "numpy",
        "pillow",
    )
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    device = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return found | {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": device,
    }


def write_json(path: Path, value: Any) -> None:
    """By process 0, whole or not at all."""
    if jax.process_index() == 0:
        with whole(path) as partial:
            partial.write_text(json.dumps(value, indent=1) + "\n")


def _say_alarms(step: int, alarms: Sequence[Alarm]) -> None:
    for alarm in alarms:
        say(f"Worth a look at step {step}: {alarm.text}")
