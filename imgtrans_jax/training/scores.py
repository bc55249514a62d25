"""Scores while it trains: the best is kept, and none better for long ends the training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.engine.checkpoint import Checkpoints
from imgtrans_jax.evaluation import evaluator, records
from imgtrans_jax.evaluation.metric_suite import EvaluationSpec
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.io import json_files
from imgtrans_jax.metrics import registry
from imgtrans_jax.runtime.console import say
from imgtrans_jax.training.hooks import Disk, SaveCheckpoint, Step
from imgtrans_jax.training.run import Run, write_json
from imgtrans_jax.types import UserError


class Evaluate:
    """Scores of the generators, by process 0; keeps the state in the folder `best` if none before
    was better.
    """

    def __init__(self, run: Run, save: SaveCheckpoint, disk: Disk) -> None:
        """Loads what the metrics need.

        Args:
            run: The training.
            save: Saves the best state.
            disk: Of the run's folder.

        Raises:
            UserError: If nothing can be measured here, or not what the best is chosen by, or if
                weights cannot be had.
        """
        self.run, self.save, self.disk = run, save, disk
        experiment = run.experiment
        self.wanted = experiment.evaluation.best
        # Without weights: every call brings its own.
        networks = TrainedGenerator(experiment, {}, {}, run.program.batch_shapes())
        self.examiner = evaluator.GeneratorEvaluator(
            networks, run.pictures, evaluation_spec(experiment)
        )
        if self.wanted and self.wanted not in self.examiner.judge.request.metrics:
            raise UserError(
                f"config.evaluation.best is '{self.wanted}', which cannot be measured here; choose "
                "another."
            )

    def due(self, step: Step) -> bool:
        every = self.run.experiment.evaluation.every
        return step.number == step.total or self.run.program.epochs(step.number) % every == 0

    def __call__(self, step: Step, logged: bool) -> None:
        if not self.due(step):
            return
        score = self._score(step) if jax.process_index() == 0 else math.nan
        if self.wanted:
            self._keep_if_best(step, score)
            step.ends_for = no_better(self.run, step.number)

    def _score(self, step: Step) -> float:
        """Scores all directions, and returns the mean of what the best is chosen by."""
        networks = jax.device_get(step.state.generators)
        shapes = self.run.program.batch_shapes()
        loaded = TrainedGenerator(self.run.experiment, networks.params, networks.stats, shapes)
        found = self.examiner(loaded, step.number, str(self.run.folder))
        with self.disk.tolerating_errors():
            records.append_records(found, self.run.folder / records.FILE)
        values = {
            f"score/{r['what']}/{name}": value for r in found for name, value in r["scores"].items()
        }
        scores = (f"{name} {value:.4f}" for name, value in values.items())
        say("  ".join([f"step {step.number}", *scores]))
        step.figures.update(values)
        return float(np.mean([r["scores"].get(self.wanted, math.nan) for r in found]))

    def _keep_if_best(self, step: Step, score: float) -> None:
        folder = self.run.folder / "best"
        sign = -1 if registry.known()[self.wanted].better == "higher" else 1
        before = json_files.read_or_none(folder / "best.json") or {}
        value = json_files.number(before.get("value"))
        better = math.isfinite(score) and (
            before.get("metric") != self.wanted or value is None or sign * score < sign * value
        )
        if jax.process_count() > 1:  # process 0 alone knows the score
            better = bool(multihost_utils.broadcast_one_to_all(np.int32(better)))
        if not better:
            return
        with self.disk.tolerating_errors():
            self._keep(folder, step, {"metric": self.wanted, "value": score, "step": step.number})

    def _keep(self, folder: Path, step: Step, about: dict[str, Any]) -> None:
        """Makes the step's state the best one; what is said of it is written when it is there."""
        best = Checkpoints(folder / "checkpoints", keep=1)
        self.save.save(best, step.number, step.state, replace=True)
        try:
            best.finish()
        except UserError as error:
            say(str(error))
            return
        write_json(folder / "config.json", self.run.stored)
        write_json(folder / "best.json", about)
        say(f"The best so far by {self.wanted}: kept in {folder}.")


def no_better(run: Run, step: int) -> str:
    """Why a training is over before its last step: the best of its scores is as old as
    `evaluation.patience` allows.

    Args:
        run: The training.
        step: That it has come to.

    Returns:
        A sentence; '' if it goes on.
    """
    patience, folder = run.experiment.evaluation.patience, run.folder / "best"
    if not patience:
        return ""
    best = json_files.count((json_files.read_or_none(folder / "best.json") or {}).get("step"))
    if jax.process_count() > 1:  # others may not see the file yet
        best = int(multihost_utils.broadcast_one_to_all(np.int32(best or 0)))
    if not best or run.program.epochs(step) - run.program.epochs(best) < patience:
        return ""
    return (
        f"No better score in {patience} epochs (config.evaluation.patience): the best is that of "
        f"step {best}, in {folder}."
    )


def evaluation_spec(experiment: Experiment) -> EvaluationSpec:
    """The scores that an experiment wants as it trains."""
    wanted = experiment.evaluation
    return EvaluationSpec(wanted.metrics, wanted.features, wanted.count)
