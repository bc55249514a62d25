"""What a training leaves behind as it goes: console lines, metrics, samples, checkpoints and the
page (scores are in `scores`), each by a hook that the loop calls after every step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import jax
import numpy as np

from imgtrans_jax.data.pipeline import Batch, BatchIterator, UnreadableError
from imgtrans_jax.engine.checkpoint import Checkpoints
from imgtrans_jax.engine.state import TrainState
from imgtrans_jax.report.run_page import Alarm, Report
from imgtrans_jax.runtime.clock import Clock
from imgtrans_jax.runtime.console import say
from imgtrans_jax.training.diagnostics import Judgement, Watch
from imgtrans_jax.training.run import Run, versions
from imgtrans_jax.types import UserError

JUDGED = 16
"""Of how many training and test pictures the critics are asked."""


@dataclasses.dataclass
class Step:
    """A step that has just been made.

    Attributes:
        number: From 1.
        state: What it gave.
        metrics: What it gave, by name.
        total: The number of the last.
        stopping: Whether the training ends here before that.
        figures: What hooks measure in it, for the log.
        ends_for: Why the training ends with it, as a hook has it; '' if it does not.
    """

    number: int
    state: TrainState
    metrics: dict[str, jax.Array]
    total: int
    stopping: bool
    figures: dict[str, float] = dataclasses.field(default_factory=dict)
    ends_for: str = ""

    @property
    def is_last(self) -> bool:
        return self.stopping or bool(self.ends_for) or self.number == self.total


class Hook(Protocol):
    """Called after every step, by all processes alike, since some of what hooks do needs all. Each
    refuses, while it is made, what it cannot do.
    """

    def due(self, step: Step) -> bool:
        """Whether it has something to do that the log goes with."""
        ...

    def __call__(self, step: Step, logged: bool) -> None:
        """Does it.

        Args:
            step: That has just been made.
            logged: Whether any hook is due, and the step is kept in the log.
        """
        ...


def run_hooks(hooks: Sequence[Hook], step: Step) -> None:
    """Calls the hooks, one after the other.

    Args:
        hooks: In their order.
        step: That has just been made.

    Raises:
        UserError: If the step's loss was not finite, or its state cannot be saved at the end.
    """
    logged = step.is_last or any(hook.due(step) for hook in hooks)
    for hook in hooks:
        hook(step, logged)


class Disk:
    """The disk of a run's folder, whose errors cost what would be shown, and not the training."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.last_write_failed = folder, False

    @contextlib.contextmanager
    def tolerating_errors(self) -> Iterator[None]:
        """A full disk, or a folder that has become read-only, costs what would be shown, not the
        run.
        """
        try:
            yield
            self.last_write_failed = False
        except OSError as error:
            if not self.last_write_failed:
                say(
                    f"Nothing can be written to {self.folder} ({error.strerror or error}): "
                    "training goes on, reports wait."
                )
            self.last_write_failed = True


class Journal:
    """What a run writes for people, on process 0: its report, with what a watch sees in it. As the
    last hook it writes the page anew; as a context it says on the page how the training ends.
    """

    def __init__(self, run: Run, clock: Clock, disk: Disk, facts: dict[str, str]) -> None:
        """Begins the report on process 0.

        Args:
            run: The training.
            clock: Of the loop.
            disk: Of the run's folder.
            facts: Beside the versions, for the page.
        """
        recipe = run.experiment.recipe
        self.clock, self.disk = clock, disk
        self.report = (
            Report(run.folder, run.stored, versions() | facts, clock.first, recipe.notes)
            if jax.process_index() == 0
            else None
        )
        self.watch = Watch(run.folder, recipe.gan, recipe.halve_critic)

    def due(self, step: Step) -> bool:
        return False

    def __call__(self, step: Step, logged: bool) -> None:
        if logged:
            with self.disk.tolerating_errors():
                said = self.clock.status(step.number, running=not step.is_last)
                self._page(step.ends_for or said, not step.is_last)

    def _page(self, status: str, running: bool) -> None:
        if self.report:
            self.report.page(status, running, list(self.watch.standing.values()))

    def __enter__(self) -> Journal:
        with self.disk.tolerating_errors():  # the page of a resumed run says that it was stopped
            self._page(self.clock.status(self.clock.first, running=True), True)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        with self.disk.tolerating_errors():
            if isinstance(error, UserError):
                self._page(f"Stopped: {error}", False)
            if self.report:
                self.report.close()


class SaveSamples:
    """Samples for the page, and what the watch measures in them."""

    def __init__(self, run: Run, journal: Journal) -> None:
        """Reads the test pictures.

        Args:
            run: The training.
            journal: Has the report and the watch.

        Raises:
            UserError: If they cannot be read.
        """
        self.run, self.journal = run, journal
        self.samples = run.pictures.samples(run.experiment.samples)
        self.judged: tuple[Batch, Batch] | None = None
        if run.pictures.holds_out:
            self.judged = _training_rows(run), run.pictures.samples(JUDGED)

    def due(self, step: Step) -> bool:
        return step.is_last or step.number % self.run.experiment.sample_every == 0

    def __call__(self, step: Step, logged: bool) -> None:
        report, watch = self.journal.report, self.journal.watch
        if report is None or not self.due(step):
            return
        with self.journal.disk.tolerating_errors():
            classes = self.run.pictures.classes
            sheets = self.run.program.sheets(step.state, self.samples, classes)
            report.samples(step.number, sheets)
            found = [watch.check_sheets(step.number, sheets)]
            if self.judged:
                learned, held_out = (self._judged(step, rows) for rows in self.judged)
                found.append(watch.check_critics(step.number, learned, held_out))
            for figures, alarms in found:
                _say_alarms(step.number, alarms)
                step.figures.update(figures)

    def _judged(self, step: Step, rows: Batch) -> dict[str, Judgement]:
        """What the critics say of these, in batches of the size that one device has in training: of
        that depends what it needs of memory, and what batch norm says.
        """
        count = len(next(iter(rows.values())))
        each = self.run.experiment.batch_size // self.run.program.mesh.size
        size = min(max(1, each), count, JUDGED)
        parts = [
            self.run.program.judged(step.state, {k: x[i : i + size] for k, x in rows.items()})
            for i in range(0, count // size * size, size)
        ]
        return {
            name: (
                np.concatenate([part[name][0] for part in parts]),
                np.concatenate([part[name][1] for part in parts]),
            )
            for name in (parts[0] if parts else {})
        }


class SaveCheckpoint:
    """The state and the position in the data, to go on from. As a context it waits for the save
    that runs, if the training is refused.
    """

    def __init__(
        self, run: Run, checkpoints: Checkpoints, iterator: BatchIterator, first: int
    ) -> None:
        """Remembers what is saved, and where.

        Args:
            run: The training.
            checkpoints: Of the run.
            iterator: Whose position in the data is saved.
            first: The step that the training goes on from.
        """
        self.run, self.checkpoints, self.iterator, self.first = run, checkpoints, iterator, first

    def due(self, step: Step) -> bool:
        experiment = self.run.experiment
        return (
            step.is_last or step.number % experiment.save_every == 0 or self._retries(step.number)
        )

    def __call__(self, step: Step, logged: bool) -> None:
        if self.due(step):
            self.save(self.checkpoints, step.number, step.state)
        if step.is_last:
            self.checkpoints.finish()
        if message := self.checkpoints.take_message():
            say(
                f"{message} Training goes on, and saves again when there is room."
                if self.checkpoints.last_save_failed
                else message
            )

    def save(
        self, checkpoints: Checkpoints, step: int, state: TrainState, replace: bool = False
    ) -> None:
        """Begins to save a state with the present position in the data.

        Args:
            checkpoints: Where it is saved.
            step: That the state is after.
            state: What is saved.
            replace: Whether a checkpoint of that step gives way.
        """
        record = self.run.record(step, self.iterator.get_state())
        checkpoints.save(step, state, record, replace)

    @contextlib.contextmanager
    def rescue(self, step: int, state: TrainState) -> Iterator[None]:
        """Where the next batch cannot be read, saves the state before that is said. (One of several
        processes cannot: the others may have read theirs.)

        Args:
            step: That the state is after.
            state: What is saved.

        Yields:
            Nothing, for a `with` block that reads the batch.

        Raises:
            UserError: Where the batch cannot be read.
        """
        try:
            yield
        except UnreadableError as error:
            if jax.process_count() > 1 or step <= self.first or int(state.failed) >= 0:
                raise
            self.save(self.checkpoints, step, state)
            self.checkpoints.finish()
            raise UserError(
                f"{error} What was learned up to step {step} is saved, and the same command goes "
                "on from there."
            ) from error

    def _retries(self, step: int) -> bool:
        """A save that failed is made up for as soon as there is room. (Several processes wait for
        the next that is due: each may see another disk.)
        """
        failed = self.checkpoints.last_save_failed and jax.process_count() == 1
        return failed and step % self.run.experiment.log_every == 0 and self.checkpoints.has_room()

    def __enter__(self) -> SaveCheckpoint:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, UserError):
            with contextlib.suppress(UserError):  # `error` is what is to be said
                self.checkpoints.finish()


class LogMetrics:
    """Console lines, and rows of metrics; notices a loss that is not finite."""

    def __init__(self, run: Run, journal: Journal, ahead: int) -> None:
        """Begins to gather metrics.

        Args:
            run: The training.
            journal: Has the report, the watch and the clock.
            ahead: By how many batches the data are ahead of the steps.
        """
        self.run, self.journal, self.ahead = run, journal, ahead
        self.pending: list[dict[str, jax.Array]] = []

    def due(self, step: Step) -> bool:
        return step.number % self.run.experiment.log_every == 0

    def __call__(self, step: Step, logged: bool) -> None:
        self.pending.append(step.metrics)
        # so that a stop is obeyed within three steps
        jax.block_until_ready(self.pending[max(0, len(self.pending) - 3)])
        if not (logged or self.journal.clock.due()):
            return
        values = _means(self.pending)
        self._raise_if_failed(int(step.state.failed), values)
        say(self.journal.clock.line(step.number, values))
        if logged:
            self.pending = []
            self._write(step, values)

    def _write(self, step: Step, values: dict[str, float]) -> None:
        report, watch, clock = self.journal.report, self.journal.watch, self.journal.clock
        if report is None:
            return
        rates = self.run.program.rates(step.number - 1)
        names = {"optimizer": "rate", "critic_optimizer": "rate_critics"}
        row = values | {names[field]: rate for field, rate in rates.items()}
        with self.journal.disk.tolerating_errors():
            report.metrics(step.number, row | clock.figures() | step.figures)
            _say_alarms(step.number, watch.check_losses(step.number, values))

    def _raise_if_failed(self, failed: int, values: dict[str, float]) -> None:
        """The step left the state as it was before the failure; the batch is made again from its
        number and kept."""
        if failed < 0:
            return
        name = f"failed_step_{failed + 1}_process_{jax.process_index()}.npz"
        path = self.run.folder / name
        with contextlib.suppress(OSError):  # a full disk: the sentence matters more
            np.savez_compressed(path, allow_pickle=False, **self.run.batches[failed + self.ahead])
        names = ", ".join(name for name, value in values.items() if not math.isfinite(value))
        raise UserError(
            f"Training stopped at step {failed + 1}: {names} became NaN or infinite. The batch is "
            f"kept in {path}, and the newest checkpoint is sound. Look at the batch for broken "
            "pictures, then try a lower rate (`config.optimizer.schedule.rate=1e-4`), float32 "
            "instead of bfloat16, or another `config.seed`."
        )


def _training_rows(run: Run) -> Batch:
    """Some of those that the training begins with, at least `JUDGED`."""
    parts: list[Batch] = []
    while sum(len(next(iter(part.values()))) for part in parts) < JUDGED:
        parts.append(run.batches[len(parts)])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _means(pending: list[dict[str, jax.Array]]) -> dict[str, float]:
    fetched = jax.device_get(pending)
    return {name: float(np.mean([row[name] for row in fetched])) for name in fetched[0]}


def _say_alarms(step: int, alarms: Sequence[Alarm]) -> None:
    for alarm in alarms:
        say(f"Worth a look at step {step}: {alarm.text}")
