"""Training, read from top to bottom. No arithmetic lives here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
from jax.experimental import multihost_utils

from imgtrans_jax.config import trust
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.stored import differences, named_outside, to_json
from imgtrans_jax.data.datasets import OpenedDataset
from imgtrans_jax.data.pipeline import BatchIterator
from imgtrans_jax.engine import sharding
from imgtrans_jax.engine.checkpoint import Checkpoints, OtherArraysError
from imgtrans_jax.engine.checksums import named_shapes
from imgtrans_jax.engine.state import TrainState
from imgtrans_jax.inference import load
from imgtrans_jax.io.files import make_folder
from imgtrans_jax.methods.base import new_game
from imgtrans_jax.runtime.clock import Clock
from imgtrans_jax.runtime.console import duration, say
from imgtrans_jax.runtime.distributed import run_lock
from imgtrans_jax.runtime.signals import Interrupted, Stop
from imgtrans_jax.training import warm_start
from imgtrans_jax.training.checks import (
    check_config,
    check_pictures,
    check_same_training,
    total_steps,
)
from imgtrans_jax.training.hooks import (
    Disk,
    Journal,
    LogMetrics,
    SaveCheckpoint,
    SaveSamples,
    Step,
    run_hooks,
)
from imgtrans_jax.training.program import Program
from imgtrans_jax.training.run import Run, versions, write_json
from imgtrans_jax.training.scores import Evaluate, no_better
from imgtrans_jax.types import UserError

FEW_STEPS = 300
AGAIN = "the same command goes on from there."

# ----------------------------------------------------------------------------------------- training


def train(
    experiment: Experiment,
    workdir: str | Path,
    steps: int | None = None,
    stop: Stop | None = None,
    verbose: bool = False,
) -> TrainState:
    """Trains, or goes on training, and returns the last state. The same call goes on from the
    newest checkpoint.

    Args:
        experiment: What is trained.
        workdir: The folder of the run.
        steps: Where to stop, counted from the very start; None for the experiment's own length.
        stop: The context for signals that the caller has entered already, if there is one.
        verbose: Every loss term on the console.

    Returns:
        The last state.

    Raises:
        UserError: For anything the user can mend, a loss that is no longer finite among them.
        Interrupted: After Ctrl-C, SIGTERM or SIGHUP, when the state is saved.
    """
    with contextlib.ExitStack() as held:
        stop = stop or held.enter_context(Stop(together=jax.process_count() > 1))
        return _train(experiment, Path(workdir).expanduser(), steps, stop, verbose, held)


def _train(
    experiment: Experiment,
    folder: Path,
    steps: int | None,
    stop: Stop,
    verbose: bool,
    held: contextlib.ExitStack,
) -> TrainState:
    began = time.monotonic()
    run = _opened(experiment, folder)
    program = run.program

    # ---- where it goes on from
    checkpoints = _taken(run, total_steps(experiment, program, steps), held)
    state, metadata = _restore_or_init(program, checkpoints, run.stored)
    first = int(state.step)
    if metadata:
        with _gone_on_from(folder):
            program.count_epochs_from(first, _epochs_done(first, metadata, run.pictures))
    total = total_steps(experiment, program, steps)
    if over := _over(run, first, total):
        say(over)
        return state
    iterator = run.batches.iterator(first=first)
    position = _set_position(iterator, run, metadata)
    if metadata:
        say(_resumed(program, first, metadata, run.stored))
    _say_length(program, first, total, steps)

    say("Compiling the training step …")
    update, seconds, needs = program.compile()
    write_json(folder / "config.json", run.stored)
    say(f"Compiled in {duration(seconds)}. {needs}")

    # ---- the loop
    disk = Disk(folder)
    clock = Clock(first, total, run.batches.batch_size, verbose)
    save = SaveCheckpoint(run, checkpoints, iterator, first)
    evaluate = [Evaluate(run, save, disk)] if experiment.evaluation.every else []
    journal = Journal(run, clock, disk, {"compiled in": duration(seconds)})
    log = LogMetrics(run, journal, position - first)
    hooks = [*evaluate, SaveSamples(run, journal), log, save, journal]  # scores may end it
    with journal, save:
        stop.arm()
        number = first
        for number in range(first + 1, total + 1):
            with clock.waiting(), save.rescue(number - 1, state):
                batch = sharding.to_devices(next(iterator), program.mesh)
            state, metrics = update(state, batch)
            step = Step(number, state, metrics, total, stop.asked(number))
            run_hooks(hooks, step)
            if step.stopping:
                raise Interrupted(f"Stopped at step {number} of {total} and saved; {AGAIN}")
            if step.ends_for:
                say(step.ends_for)
                break

    took = duration(time.monotonic() - began)
    say(f"Finished {number} steps in {took}. Look at {folder / 'index.html'}")
    return state


def _opened(experiment: Experiment, folder: Path) -> Run:
    """The experiment with its data, and its programs, which are not compiled yet. What it learns
    from is said. Raises UserError for what makes no training.
    """
    stored = to_json(experiment)
    check_config(experiment)
    game = new_game(experiment.recipe)
    rows = experiment.batch_size * game.minibatches
    pictures = _open_data(experiment)
    per_epoch = pictures.steps_per_epoch(rows)
    batches = pictures.batches(rows, experiment.seed, jax.process_index(), jax.process_count())
    check_pictures(experiment, pictures)
    each = f"{game.minibatches} x {experiment.batch_size}" if game.minibatches > 1 else rows
    say(
        f"Pictures: {pictures.counts()}. {per_epoch} step{'s' if per_epoch > 1 else ''} of {each} "
        "an epoch."
    )
    if experiment.data.direction == "b2a":
        say("Learning from b to a (config.data.direction=b2a).")
    if rows > pictures.largest():
        say(
            f"A batch of {rows} is more than the {pictures.largest()} pictures: each is in it "
            "several times."
        )
    groups = game.pool_groups if game.pool_size else None
    mesh = sharding.device_mesh(
        experiment.mesh, experiment.batch_size, groups, experiment.accumulate
    )
    program = Program(experiment, mesh, batches[0], per_epoch, game)
    return Run(folder, stored, pictures, batches, program)


def _taken(run: Run, total: int, held: contextlib.ExitStack) -> Checkpoints:
    """The checkpoints of the run's folder, which is this training's alone while `held` is open.
    Raises UserError if it is another's, or if another process would train something else.
    """
    load.check_place(run.folder)
    make_folder(run.folder, "`workdir`")
    held.enter_context(run_lock(run.folder))
    check_same_training(run.stored, total, run.folder)
    trust.remember(run.experiment)
    checkpoints = Checkpoints(run.folder / "checkpoints", run.experiment.keep)
    checkpoints.remove_unfinished()
    return checkpoints


def _open_data(experiment: Experiment) -> OpenedDataset:
    """Process 0 first, since it may have to prepare what the others then read."""
    with _naming_the_field(experiment):
        if jax.process_count() == 1:
            return experiment.data.open()
        opened = experiment.data.open() if jax.process_index() == 0 else None
        multihost_utils.sync_global_devices("data prepared")
        return opened or experiment.data.open()


@contextlib.contextmanager
def _naming_the_field(experiment: Experiment) -> Iterator[None]:
    """A path that is missing may be a config's own, which its user never wrote: the sentence says
    by which field it is set.
    """
    try:
        yield
    except UserError as error:
        for name, text in named_outside(experiment.data, "config.data").items():
            if str(Path(text)) in str(error) and not Path(text).expanduser().exists():
                raise UserError(f"{error} It is set by `{name}=PATH`.") from None
        raise


def _restore_or_init(
    program: Program, checkpoints: Checkpoints, stored: Any
) -> tuple[TrainState, dict[str, Any] | None]:
    try:
        try:
            restored = checkpoints.restore(program.like)
        except OtherArraysError as error:
            like = program.shapes_with_pools_of(error.metadata["arrays"])
            if like is None:
                raise
            state, metadata = checkpoints.restore(like) or (None, {})
            assert state is not None, "there is a checkpoint: it raised"
            state, text = program.with_own_pools(state)
            say(text)
            restored = state, metadata
    except OtherArraysError as error:
        raise _of_another_config(error, program, checkpoints, stored) from None
    if restored is None:
        say("Initialising the networks …")
        state = program.initial_state()
        if program.experiment.init_from:
            source, recipe = program.experiment.init_from, program.experiment.recipe
            state, text = warm_start.started_from(state, source, program.like, recipe)
            say(f"Starting with {text}")
        return state, None
    before, now = (_looks(config) for config in ((restored[1] or {}).get("config"), stored))
    if before != now:
        raise UserError(
            f"The looks of this run are {', '.join(before)}, and cannot be changed to "
            f"{', '.join(now)}: undo it, or give another `workdir` with "
            f"`config.init_from={checkpoints.folder.parent}`, which goes on with those it knows."
        )
    return restored


def _looks(config: Any) -> list[str]:
    """The names of what a stored config's network knows, in its order; [] for most methods."""
    recipe = config.get("recipe", {}) if isinstance(config, dict) else {}
    return [str(look.get("name")) for look in recipe.get("looks", ())]


def _of_another_config(
    error: OtherArraysError, program: Program, checkpoints: Checkpoints, stored: Any
) -> UserError:
    """What a checkpoint has that the config has not, and what can be done."""
    changed = differences(error.metadata.get("config"), stored) or ["the program itself"]
    what, instead = "networks", "to train anew"
    pairs = error.metadata["arrays"].items() ^ named_shapes(program.like).items()
    if all(name.split("/")[1:2] == ["opt"] for name, _ in pairs):
        folder = checkpoints.folder.parent
        what, instead = "optimizers", f"with `config.init_from={folder}` to begin with its networks"
    return UserError(
        f"The checkpoint in {checkpoints.folder} has other {what} than this config "
        f"({'; '.join(changed)}): undo the change, or give another `workdir` {instead}."
    )


@contextlib.contextmanager
def _gone_on_from(folder: Path) -> Iterator[None]:
    """Raises UserError for whatever a made-up position in the data can bring about."""
    try:
        yield
    except Exception as error:
        raise UserError(
            f"The checkpoint in {folder} has no position in the data that can be gone on from "
            f"({type(error).__name__}: {str(error)[:200]}); bring back a copy, or give another "
            "`workdir` to train anew."
        ) from None


def _over(run: Run, first: int, total: int) -> str:
    """What is to be said if no step is left; '' otherwise."""
    if first >= total:
        page = run.folder / "index.html"
        return (
            f"{run.folder} has already been trained for {first} steps; see {page}. A larger "
            "--steps goes on."
        )
    return no_better(run, first) if first else ""


def _set_position(iterator: BatchIterator, run: Run, metadata: dict[str, Any] | None) -> int:
    """Goes on in the data where a checkpoint was, at the same picture however large its batches
    were; returns the position of the next batch.
    """
    if not metadata or metadata.get("data") is None:  # it is new, or a run that convert made
        return 0
    with _gone_on_from(run.folder):
        position = metadata["data"]["next_index"] * _rows(metadata) // run.batches.batch_size
        iterator.set_state(metadata["data"] | {"next_index": position})
    return position


def _epochs_done(step: int, metadata: dict[str, Any], pictures: OpenedDataset) -> Fraction:
    """How many epochs a checkpoint had behind it. One of an older version does not say: then as
    many as `step` steps of its own batches are of the present pictures.
    """
    if "epochs" in metadata:
        return Fraction(*metadata["epochs"])
    return Fraction(step, pictures.steps_per_epoch(_rows(metadata)))


def _rows(metadata: dict[str, Any]) -> int:
    """The rows of a checkpoint's batches."""
    return next(iter(metadata["batch"].values()))[0]


def _epochs_text(program: Program, step: int) -> str:
    done = program.epochs(step)
    return f" ({float(done):.4g} epoch{'' if done == 1 else 's'})"


def _say_length(program: Program, first: int, total: int, steps: int | None) -> None:
    """How long the training is, and where a schedule is too short for it or for anything."""
    say(f"{total} steps in all{_epochs_text(program, total)}.")
    if steps is None and total < FEW_STEPS:
        say(
            f"{total} steps are few: with so little data lengthen config.optimizer.schedule; "
            f"{FEW_STEPS} are a beginning."
        )
    late = first + (total - 1 - first) * 9 // 10
    at_first, at_late, at_last = (program.rates(step) for step in (0, late, total - 1))
    for name, rate in at_last.items():
        length = program.schedule_end(name)
        over = length is not None and total > length and rate == 0
        if over or at_late[name] < 1e-4 * at_first[name]:
            of = " of the critics" if name == "critic_optimizer" else ""
            say(
                f"The last steps have a learning rate{of} of {rate:.2g}: the schedule is over "
                f"before; lengthen config.{name}.schedule."
            )


def _resumed(program: Program, step: int, metadata: dict[str, Any], now: Any) -> str:
    changed = differences(metadata.get("config"), now)
    text = f"Going on from step {step}{_epochs_text(program, step)}."
    before, devices = metadata.get("versions", {}).get("devices"), versions()["devices"]
    if before and before != devices:
        text += f" It ran on {before}, and now on {devices}."
    if changed:
        text += (
            f" The config has changed since; from step {step} on the new values hold:\n  "
            + "\n  ".join(changed)
        )
    return text
