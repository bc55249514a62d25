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
from imgtrans_jax.config.stored import differences, to_json
from imgtrans_jax.data.datasets import OpenedDataset
from imgtrans_jax.engine import sharding
from imgtrans_jax.engine.checkpoint import Checkpoints, OtherArraysError
from imgtrans_jax.engine.state import TrainState
from imgtrans_jax.evaluation import evaluator
from imgtrans_jax.inference import load
from imgtrans_jax.io.files import make_folder
from imgtrans_jax.report.run_page import Report
from imgtrans_jax.runtime.clock import Clock
from imgtrans_jax.runtime.console import duration, say
from imgtrans_jax.runtime.distributed import run_lock
from imgtrans_jax.runtime.signals import Stop
from imgtrans_jax.training import warm_start
from imgtrans_jax.training.checks import (
    check_config,
    check_pictures,
    check_same_training,
    total_steps,
)
from imgtrans_jax.training.program import Program, new_game
from imgtrans_jax.training.records import Records, request, versions, write_json
from imgtrans_jax.types import UserError

FEW_STEPS = 300

# ----------------------------------------------------------------------------------------- training


def train(
    experiment: Experiment,
    workdir: str | Path,
    steps: int | None = None,
    stop: Stop | None = None,
    verbose: bool = False,
) -> TrainState:
    """Trains, or goes on training, in the folder `workdir`, and returns the last state.

    steps: where to stop, counted from the very start; None for the experiment's own length. The
    same call goes on from the newest checkpoint. Ctrl-C, SIGTERM and SIGHUP save and raise
    `Interrupted`. stop: the context for signals that the caller has entered already, if there is
    one. verbose: every loss term on the console.

    Raises UserError for anything the user can mend, a loss that is no longer finite among them.
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
    stored = to_json(experiment)

    # ---- data
    check_config(experiment)
    game = new_game(experiment)
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
    if getattr(experiment.data, "direction", "a2b") == "b2a":
        say("Learning from b to a (config.data.direction=b2a).")
    if rows > pictures.largest():
        say(
            f"A batch of {rows} is more than the {pictures.largest()} pictures: each is in it "
            "several times."
        )

    # ---- programs and state
    groups = game.pool_groups if game.pool_size else None
    mesh = sharding.device_mesh(
        experiment.mesh, experiment.batch_size, groups, experiment.accumulate
    )
    program = Program(experiment, mesh, batches[0], per_epoch)
    load.check_place(folder)
    make_folder(folder, "--workdir")
    held.enter_context(run_lock(folder))
    check_same_training(stored, total_steps(experiment, program, steps), folder)
    trust.remember(experiment)
    checkpoints = Checkpoints(folder / "checkpoints", experiment.keep)
    checkpoints.clean()
    state, metadata = _restore_or_init(program, checkpoints, stored)
    first = int(state.step)
    if metadata:
        with _gone_on_from(folder):
            program.go_on(first, _epochs_done(first, metadata, pictures))
    total = total_steps(experiment, program, steps)
    if first >= total:
        say(
            f"{folder} has already been trained for {first} steps; see {folder / 'index.html'}. A "
            "larger --steps goes on."
        )
        return state
    iterator = batches.iterator()
    position = 0  # of the next batch in the stream
    if metadata and metadata.get("data") is not None:  # else it is a run that convert made
        with _gone_on_from(folder):
            position = metadata["data"]["next_index"] * _rows(metadata) // rows
            iterator.set_state(metadata["data"] | {"next_index": position})
    if metadata:
        say(_resumed(program, first, metadata, stored))
    say(f"{total} steps in all{_epochs_text(program, total)}.")
    if steps is None and total < FEW_STEPS:
        say(
            f"{total} steps are few: with so little data lengthen config.optimizer.schedule; "
            f"{FEW_STEPS} are a beginning."
        )
    _warn_of_no_rate(program, first, total)
    say("Compiling the training step …")
    compiled, seconds, needs = program.compile()
    write_json(folder / "config.json", stored)
    say(f"Compiled in {duration(seconds)}. {needs}")
    if experiment.evaluation.every:
        wanted = request(experiment).within(
            evaluator.impossible(experiment.recipe.directions, pictures)
        )
        # so that weights that cannot be had are said before the first step
        evaluator.MetricSuite(wanted)
        if experiment.evaluation.best and experiment.evaluation.best not in wanted.metrics:
            raise UserError(
                f"config.evaluation.best is '{experiment.evaluation.best}', which cannot be "
                "measured here; choose another."
            )

    # ---- the loop
    facts = versions() | {"compiled in": duration(seconds)}
    report = (
        Report(folder, stored, facts, first, experiment.recipe.notes)
        if jax.process_index() == 0
        else None
    )
    clock = Clock(first, total, rows, verbose)
    records = Records(
        experiment,
        stored,
        folder,
        pictures,
        batches,
        program,
        iterator,
        checkpoints,
        report,
        clock,
        position - first,
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
                raise Interrupted(
                    f"Stopped at step {step} of {total} and saved; the same command goes on from "
                    "there."
                )

    say(
        f"Finished {total} steps in {duration(time.monotonic() - began)}. Look at "
        f"{folder / 'index.html'}"
    )
    return state


class Interrupted(Exception):
    """Training was stopped by a signal after its state had been saved."""


def _open_data(experiment: Experiment) -> OpenedDataset:
    """Process 0 first, since it may have to prepare what the others then read."""
    if jax.process_count() == 1:
        return experiment.data.open()
    opened = experiment.data.open() if jax.process_index() == 0 else None
    multihost_utils.sync_global_devices("data prepared")
    return opened or experiment.data.open()


def _restore_or_init(
    program: Program, checkpoints: Checkpoints, stored: Any
) -> tuple[TrainState, dict[str, Any] | None]:
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
        changed = differences(error.metadata.get("config"), stored) or ["the program itself"]
        raise UserError(
            f"The checkpoint in {checkpoints.folder} has other networks than this config "
            f"({'; '.join(changed)}): undo the change, or give another --workdir to train anew."
        ) from None
    if restored is None:
        say("Initialising the networks …")
        state = program.initial()
        if program.experiment.init_from:
            source, recipe = program.experiment.init_from, program.experiment.recipe
            state, text = warm_start.started_from(state, source, program.like, recipe)
            say(f"Starting with {text}")
        return state, None
    return restored


@contextlib.contextmanager
def _gone_on_from(folder: Path) -> Iterator[None]:
    """Raises UserError for whatever a made-up position in the data can bring about."""
    try:
        yield
    except Exception as error:
        raise UserError(
            f"The checkpoint in {folder} has no position in the data that can be gone on from "
            f"({type(error).__name__}: {str(error)[:200]}); bring back a copy, or give another "
            "--workdir to train anew."
        ) from None


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


def _warn_of_no_rate(program: Program, first: int, total: int) -> None:
    """Where a schedule is too short for the run, its last steps teach nothing."""
    late, length = first + (total - 1 - first) * 9 // 10, program.length()
    over = length is not None and total > length and program.rate(total - 1) == 0
    if over or program.rate(late) < 1e-4 * program.rate(0):
        say(
            f"The last steps have a learning rate of {program.rate(total - 1):.2g}: the schedule "
            "is over before; lengthen config.optimizer.schedule."
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
