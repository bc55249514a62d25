"""Training, read from top to bottom. No arithmetic lives here."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import math
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from jax.experimental import multihost_utils

from imgtrans_jax import config, evaluation, generators, memory, sharding
from imgtrans_jax.checkpoint import Checkpoints, OtherArraysError
from imgtrans_jax.config import Experiment
from imgtrans_jax.data.pipeline import Batches, Opened
from imgtrans_jax.exchange import Generator
from imgtrans_jax.files import make_folder, whole
from imgtrans_jax.processes import Stop, alone_in, check_agreement, say
from imgtrans_jax.program import Program, new_game
from imgtrans_jax.report import Clock, Report, duration
from imgtrans_jax.state import TrainState
from imgtrans_jax.types import UserError
from imgtrans_jax.watch import Alarm, Watch

FEW_STEPS = 300

# ------------------------------------------------------------------------------------------------ training


def train(experiment: Experiment, workdir: str | Path, steps: int | None = None, stop: Stop | None = None) -> TrainState:
    """Trains, or goes on training, in the folder `workdir`, and returns the last state.

    steps: where to stop, counted from the very start; None for the experiment's own length. The same call goes on from
    the newest checkpoint. Ctrl-C and SIGTERM save and raise `Interrupted`. stop: the context for signals that the caller has
    entered already, if there is one.

    Raises UserError for anything the user can mend, a loss that is no longer finite among them.
    """
    with contextlib.ExitStack() as held:
        stop = stop or held.enter_context(Stop(together=jax.process_count() > 1))
        return _train(experiment, Path(workdir), steps, stop, held)


def _train(experiment: Experiment, folder: Path, steps: int | None, stop: Stop, held: contextlib.ExitStack) -> TrainState:
    began = time.monotonic()
    stored = config.to_json(experiment)

    # ---- data
    _check_numbers(experiment)
    game = new_game(experiment)
    rows = experiment.batch_size * game.minibatches
    pictures = _open_data(experiment)
    per_epoch = pictures.steps_per_epoch(rows)
    total = _total_steps(experiment, per_epoch, steps)
    batches = pictures.batches(rows, experiment.seed, jax.process_index(), jax.process_count())
    _check_pictures(experiment, pictures)
    each = f"{game.minibatches} x {experiment.batch_size}" if game.minibatches > 1 else rows
    say(f"Pictures: {pictures.counts()}. {total} steps of {each}, {per_epoch} step{'s' if per_epoch > 1 else ''} an epoch.")
    if getattr(experiment.data, "direction", "a2b") == "b2a":
        say("Learning from b to a (config.data.direction=b2a).")
    if steps is None and total < FEW_STEPS:
        say(f"{total} steps are few: with so little data lengthen config.optimizer.schedule; {FEW_STEPS} are a beginning.")
    if rows > pictures.largest():
        say(f"A batch of {rows} is more than the {pictures.largest()} pictures: each is in it several times.")

    # ---- programs and state
    groups = game.pool_groups if game.pool_size else None
    mesh = sharding.device_mesh(experiment.mesh, experiment.batch_size, groups, experiment.accumulate)
    program = Program(experiment, mesh, batches[0], per_epoch)
    make_folder(folder, "--workdir")
    held.enter_context(alone_in(folder))
    _check_agreement(stored, total, folder)
    checkpoints = Checkpoints(folder / "checkpoints", experiment.keep)
    checkpoints.clean()
    state, metadata = _restore_or_init(program, checkpoints, stored)
    first = int(state.step)
    if first >= total:
        say(f"{folder} has already been trained for {first} steps; see {folder / 'index.html'}. A larger --steps goes on.")
        return state
    iterator = batches.iterator()
    if metadata:
        if metadata["data"] is not None:  # else it is a run that convert made
            iterator.set_state(metadata["data"])
        say(_resumed(first, metadata, stored))
    if program.rate(total - 1) == 0:
        say("The last steps have a learning rate of 0: the schedule is over before; lengthen config.optimizer.schedule.")
    say("Compiling the training step …")
    compiled, seconds, needed, free = program.compile()
    _write_json(folder / "config.json", stored)
    there = "" if free is None else f", {memory.text(free)} are free"
    say(f"Compiled in {duration(seconds)}. A step needs {memory.text(needed)} of memory{there}.")
    examine_every = experiment.evaluation.every * per_epoch
    if examine_every:
        request = _request(experiment)
        wanted = request.within(evaluation.impossible(experiment.recipe.directions, len(pictures.streams) == 1))
        evaluation.Judge(wanted)  # so that weights that cannot be had are said before the first step

    # ---- the loop
    facts = _versions() | {"compiled in": duration(seconds)}
    report = Report(folder, stored, facts, first, experiment.recipe.notes) if jax.process_index() == 0 else None
    clock = Clock(first, total, rows)
    records = Records(
        experiment, stored, folder, pictures, batches, program, iterator, checkpoints, report, clock, examine_every
    )
    with records:
        stop.arm()
        for step in range(first + 1, total + 1):
            with clock.waiting():
                batch = sharding.to_devices(records.next_batch(step, state), mesh)
            state, metrics = compiled(state, batch)
            stopping = stop.asked(step)
            records.after(step, state, metrics, ending=stopping or step == total)
            if stopping:
                raise Interrupted(f"Stopped at step {step} of {total} and saved; the same command goes on from there.")

    say(f"Finished {total} steps in {duration(time.monotonic() - began)}. Look at {folder / 'index.html'}")
    return state


@dataclasses.dataclass
class Records:
    """What a run leaves behind as it goes: console lines, metrics, samples, the page and checkpoints."""

    experiment: Experiment
    stored: Any
    folder: Path
    pictures: Opened
    batches: Batches
    program: Program
    iterator: grain.DatasetIterator
    checkpoints: Checkpoints
    report: Report | None  # on process 0
    clock: Clock
    examine_every: int = 0  # steps

    def __enter__(self) -> Records:
        self.examiner: evaluation.Examiner | None = None
        recipe = self.experiment.recipe
        self.watch = Watch(self.folder, getattr(recipe, "gan", None), getattr(recipe, "halve_critic", False))
        self.pending: list[dict[str, jax.Array]] = []
        self.samples = self.pictures.samples(self.experiment.samples)
        self.unwritten = False
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
        """A full disk, or a folder that has become read-only, costs what would be shown, not the run."""
        try:
            yield
            self.unwritten = False
        except OSError as error:
            if not self.unwritten:
                say(f"Nothing can be written to {self.folder} ({error.strerror or error}): training goes on, reports wait.")
            self.unwritten = True

    def next_batch(self, step: int, state: TrainState) -> dict[str, np.ndarray]:
        """Raises UserError if the pictures can no longer be read, after the state has been saved."""
        position = self.iterator.get_state()
        try:
            return next(self.iterator)
        except (Exception, SystemExit) as error:  # of whatever kind: reading happens in threads of a library
            saved = ""
            if jax.process_count() == 1 and step - 1 > self.clock.first and int(state.failed) < 0:
                self.checkpoints.save(step - 1, state, self._metadata(position))
                self.checkpoints.finish()
                saved = f" What was learned up to step {step - 1} is saved, and the same command goes on from there."
            why = str(error) if isinstance(error, (UserError, OSError)) else f"{type(error).__name__}: {error}"
            raise UserError(f"The batch of step {step} could not be read: {why.rstrip('.')}.{saved}") from error

    def after(self, step: int, state: TrainState, metrics: dict[str, jax.Array], ending: bool) -> None:
        """Does what is due after a step. Raises UserError if its loss was not finite, or the disk is full."""
        self.pending.append(metrics)
        jax.block_until_ready(self.pending[max(0, len(self.pending) - 3)])  # so that a stop is obeyed within three steps
        saving = ending or step % self.experiment.save_every == 0 or self._can_make_up_for_a_save(step)
        showing = ending or step % self.experiment.sample_every == 0
        done = step == self.clock.total
        examining = self.examine_every > 0 and (step % self.examine_every == 0 or done)
        logging = saving or showing or examining or step % self.experiment.log_every == 0
        if logging or self.clock.due():
            figures: dict[str, float] = {}
            with self._if_the_disk_allows():
                figures = self._show(step, state) if self.report and showing else {}
            figures |= self._examine(step, state) if examining else {}
            self._log(step, state, figures, keep=logging)
        if saving:
            self.checkpoints.save(step, state, self._metadata(self.iterator.get_state()))
        if ending:
            self.checkpoints.finish()
        if news := self.checkpoints.news():
            say(f"{news} Training goes on, and saves again when there is room." if self.checkpoints.owing else news)
        if self.report and logging:
            with self._if_the_disk_allows():
                self.report.page(self.clock.status(step, running=not ending), not ending, list(self.watch.standing.values()))

    def _can_make_up_for_a_save(self, step: int) -> bool:
        """A save that failed is made up for as soon as there is room. (Several processes wait for the next that is due: each
        may see another disk.)"""
        owing = self.checkpoints.owing and jax.process_count() == 1
        return owing and step % self.experiment.log_every == 0 and self.checkpoints.has_room()

    def _log(self, step: int, state: TrainState, figures: dict[str, float], keep: bool) -> None:
        values = _means(self.pending)
        _raise_if_failed(int(state.failed), values, self.batches, self.folder)
        say(self.clock.line(step, values))
        if keep:
            self.pending = []
            if self.report:
                rate = self.program.rate(step - 1)
                with self._if_the_disk_allows():
                    self.report.metrics(step, values | {"rate": rate} | self.clock.figures() | figures)
                    _say_alarms(step, self.watch.losses(step, values))

    def _metadata(self, position: Any) -> dict[str, Any]:
        return {"config": self.stored, "data": position, "batch": self.program.batch_shapes(), "versions": _versions()}

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
            loaded = Generator(self.experiment, networks.params, networks.stats, self.program.batch_shapes())
            self.examiner = self.examiner or evaluation.Examiner(loaded, self.pictures, _request(self.experiment))
            found = self.examiner(loaded, step, str(self.folder))
            with self._if_the_disk_allows():
                evaluation.keep(found, self.folder / evaluation.FILE)
            values = {f"score/{r['what']}/{name}": value for r in found for name, value in r["scores"].items()}
            say("  ".join([f"step {step}", *(f"{name} {value:.4f}" for name, value in values.items())]))
            score = float(np.mean([r["scores"].get(wanted, math.nan) for r in found]))
        if wanted:
            self._keep_if_best(step, state, wanted, score)
        return values

    def _keep_if_best(self, step: int, state: TrainState, metric: str, score: float) -> None:
        folder = self.folder / "best"
        sign = -1 if metric in evaluation.HIGHER_IS_BETTER else 1
        before = _read_json(folder / "best.json")
        first = before.get("metric") != metric
        better = math.isfinite(score) and (first or sign * score < sign * before["value"])
        if jax.process_count() > 1:  # process 0 alone knows the score
            better = bool(multihost_utils.broadcast_one_to_all(np.int32(better)))
        if not better:
            return
        best = Checkpoints(folder / "checkpoints", keep=1)
        best.save(step, state, self._metadata(self.iterator.get_state()))
        try:
            best.finish()
        except UserError as error:
            say(str(error))
            return
        _write_json(folder / "config.json", self.stored)
        _write_json(folder / "best.json", {"metric": metric, "value": score, "step": step})
        say(f"The best so far by {metric}: kept in {folder}.")


class Interrupted(Exception):
    """Training was stopped by a signal after its state had been saved."""


def _open_data(experiment: Experiment) -> Opened:
    """Process 0 first, since it may have to prepare what the others then read."""
    if jax.process_count() == 1:
        return experiment.data.open()
    opened = experiment.data.open() if jax.process_index() == 0 else None
    multihost_utils.sync_global_devices("data prepared")
    return opened or experiment.data.open()


def _check_pictures(experiment: Experiment, pictures: Opened) -> None:
    if len(pictures.classes) == 1 and getattr(experiment.recipe, "conditional", False):
        raise UserError("A conditional GAN needs classes: give a folder with a folder of pictures for each class.")


def _total_steps(experiment: Experiment, per_epoch: int, steps: int | None) -> int:
    if steps is None:
        steps = experiment.steps
    if steps is None and experiment.optimizer.schedule.epochs is not None:
        steps = experiment.optimizer.schedule.epochs * per_epoch
    if steps is None:
        raise UserError("Neither the config nor its schedule says how long to train; give --steps or config.steps.")
    if steps < 1:
        raise UserError(f"{steps} steps are none; give 1 or more.")
    return steps


def _check_numbers(experiment: Experiment) -> None:
    if not 0 <= experiment.seed < 2**31:
        raise UserError(f"config.seed is {experiment.seed}; it must be from 0 to 2147483647.")
    if experiment.init_from and not Path(experiment.init_from).exists():
        raise UserError(f"There is no {experiment.init_from} to start from (config.init_from); check the path.")
    wanted = experiment.evaluation
    _request(experiment).check()
    if wanted.every < 0:
        raise UserError(f"config.evaluation.every is {wanted.every}; it is in epochs, 0 for none.")
    if wanted.best and wanted.best not in wanted.metrics:
        raise UserError(
            f"config.evaluation.best is '{wanted.best}', which is not among config.evaluation.metrics "
            f"({', '.join(wanted.metrics)}); add it there."
        )
    if wanted.best and not wanted.every:
        raise UserError("config.evaluation.best needs evaluations: give --config.evaluation.every=N, in epochs.")
    for name in ("batch_size", "accumulate", "log_every", "sample_every", "save_every", "keep", "samples"):
        if getattr(experiment, name) < 1:
            raise UserError(f"config.{name} is {getattr(experiment, name)}; it must be 1 or more.")
    if experiment.batch_size % experiment.accumulate:
        raise UserError(
            f"config.accumulate={experiment.accumulate} does not divide batch_size={experiment.batch_size}; the parts of "
            "a batch are of one size."
        )


def _check_agreement(stored: Any, total: int, folder: Path) -> None:
    theirs = json.loads(check_agreement(json.dumps({"config": stored, "total": total}), folder))
    different = config.differences(theirs["config"], stored)
    if theirs["total"] != total:
        different.append(f"steps: {theirs['total']} -> {total}")
    if different:
        raise UserError(
            f"Process {jax.process_index()} would train something else than process 0 ({'; '.join(different)}): start the same "
            "command on all."
        )


def _request(experiment: Experiment) -> evaluation.Request:
    wanted = experiment.evaluation
    return evaluation.Request(wanted.metrics, wanted.features, wanted.count)


def _restore_or_init(program: Program, checkpoints: Checkpoints, stored: Any) -> tuple[TrainState, dict[str, Any] | None]:
    try:
        try:
            restored = checkpoints.restore(program.like)
        except OtherArraysError as error:
            like = program.with_pools_of(error.metadata["arrays"])
            if like is None:
                raise
            state, metadata = checkpoints.restore(like) or (None, {})
            assert state is not None, "there is a checkpoint: it raised"
            state, text = program.repooled(state)
            say(text)
            restored = state, metadata
    except OtherArraysError as error:
        changed = config.differences(error.metadata["config"], stored) or ["the program itself"]
        raise UserError(
            f"The checkpoint in {checkpoints.folder} has other networks than this config ({'; '.join(changed)}): undo the "
            "change, or give another --workdir to train anew."
        ) from None
    if restored is None:
        say("Initialising the networks …")
        state = program.initial()
        if program.experiment.init_from:
            source, recipe = program.experiment.init_from, program.experiment.recipe
            state, text = generators.started_from(state, source, program.like, recipe)
            say(f"Starting with {text}")
        return state, None
    return restored


def _resumed(step: int, metadata: dict[str, Any], now: Any) -> str:
    changed = config.differences(metadata["config"], now)
    text = f"Going on from step {step}."
    before, devices = metadata["versions"].get("devices"), _versions()["devices"]
    if before and before != devices:
        text += f" It ran on {before}, and now on {devices}."
    if changed:
        text += f" The config has changed since; from step {step} on the new values hold:\n  " + "\n  ".join(changed)
    return text


def _means(pending: list[dict[str, jax.Array]]) -> dict[str, float]:
    fetched = jax.device_get(pending)
    return {name: float(np.mean([row[name] for row in fetched])) for name in fetched[0]}


def _raise_if_failed(failed: int, values: dict[str, float], batches: Batches, folder: Path) -> None:
    """The step left the state as it was before the failure; the batch is made again from its number and kept."""
    if failed < 0:
        return
    path = folder / f"failed_step_{failed + 1}_process_{jax.process_index()}.npz"
    with contextlib.suppress(OSError):  # a full disk: the sentence matters more
        np.savez_compressed(path, allow_pickle=False, **batches[failed])
    names = ", ".join(name for name, value in values.items() if not math.isfinite(value))
    raise UserError(
        f"Training stopped at step {failed + 1}: {names} became NaN or infinite. The batch is kept in {path}, and the newest "
        "checkpoint is sound. Look at the batch for broken pictures, then try a lower rate "
        "(--config.optimizer.schedule.rate=1e-4), float32 instead of bfloat16, or another --config.seed."
    )


# ------------------------------------------------------------------------------------------------ small things


def _versions() -> dict[str, str]:
    names = ("imgtrans_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "pillow")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    device = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return found | {"python": platform.python_version(), "platform": platform.platform(), "devices": device}


def _write_json(path: Path, value: Any) -> None:
    if jax.process_index() == 0:
        with whole(path) as partial:
            partial.write_text(json.dumps(value, indent=1) + "\n")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _say_alarms(step: int, alarms: Sequence[Alarm]) -> None:
    for alarm in alarms:
        say(f"Worth a look at step {step}: {alarm.text}")
