"""What is refused before the first step. Imports config, data, inference and runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.overrides import check_types
from imgtrans_jax.config.stored import differences
from imgtrans_jax.data.datasets import Captioned, Mixed, OneDomain, OpenedDataset, Unpaired
from imgtrans_jax.inference import shelf
from imgtrans_jax.runtime.distributed import check_agreement
from imgtrans_jax.training.program import Program
from imgtrans_jax.training.scores import evaluation_spec
from imgtrans_jax.types import UserError

_FIT = {("a", "b"): "Unpaired or Paired", ("a",): "OneDomain or Unpaired", ("x", "y"): "Labelled"}
"""Data that has these arrays."""


def check_pictures(experiment: Experiment, pictures: OpenedDataset) -> None:
    """Refuses pictures that do not fit the recipe.

    Args:
        experiment: Of the training.
        pictures: Its pictures, opened.

    Raises:
        UserError: If the recipe needs what they have not: a side, texts, or classes.
    """
    recipe, data = experiment.recipe, experiment.data
    has = {name for stream in pictures.streams for name in stream.prepare(stream.train[0], None)}
    lacks_texts = recipe.reads_texts and not isinstance(data, Captioned)
    if lacks_texts or not has.issuperset(recipe.needs):
        needed = "pictures with texts" if recipe.reads_texts else " and ".join(recipe.needs)
        fit = "Captioned" if recipe.reads_texts else _FIT.get(recipe.needs, "data that has it")
        raise UserError(
            f"config.recipe ({type(recipe).__name__}) learns from {needed}, and config.data "
            f"({type(data).__name__}) does not have that; take {fit}."
        )
    if len(pictures.classes) < 2 and recipe.knows_classes:
        raise UserError(
            "A conditional GAN needs classes: give a folder with a folder of pictures for each "
            "class."
        )


def total_steps(experiment: Experiment, program: Program, steps: int | None) -> int:
    """The number of the last step.

    Args:
        experiment: Of the training.
        program: Its functions, which know how long its schedule is.
        steps: As given; None for what the experiment says, or else the end of its schedule.

    Returns:
        1 or more.

    Raises:
        UserError: If none of the three says how long to train, or if it is under 1.
    """
    if steps is None:
        steps = experiment.steps
    if steps is None:
        steps = program.schedule_end()
    if steps is None:
        raise UserError(
            "Neither the config nor its schedule says how long to train; give `steps` or "
            "config.steps."
        )
    if steps < 1:
        raise UserError(f"{steps} steps are none; give 1 or more.")
    return steps


def check_config(experiment: Experiment) -> None:
    check_types(experiment)
    if not 0 <= experiment.seed < 2**31:
        raise UserError(f"config.seed is {experiment.seed}; it must be from 0 to 2147483647.")
    data, recipe = experiment.data, experiment.recipe
    if recipe.needs_pairs and isinstance(data, (Unpaired, Mixed, OneDomain)):
        raise UserError(
            f"config.recipe ({type(recipe).__name__}) compares translations with their partners, "
            f"and in config.data ({type(data).__name__}) not all pictures have one; take Paired."
        )
    start = experiment.init_from
    if start and start not in shelf.names() and not Path(start).expanduser().exists():
        raise UserError(f"There is no {start} to start from (config.init_from); check the path.")
    wanted = experiment.evaluation
    evaluation_spec(experiment).check()
    if wanted.every < 0:
        raise UserError(f"config.evaluation.every is {wanted.every}; it is in epochs, 0 for none.")
    if wanted.best and wanted.best not in wanted.metrics:
        raise UserError(
            f"config.evaluation.best is '{wanted.best}', which is not among "
            f"config.evaluation.metrics ({', '.join(wanted.metrics)}); add it there."
        )
    if wanted.best and not wanted.every:
        raise UserError(
            "config.evaluation.best needs evaluations: give `config.evaluation.every=N`, in epochs."
        )
    if wanted.patience < 0 or (wanted.patience and not wanted.best):
        raise UserError(
            f"config.evaluation.patience is {wanted.patience}; it is in epochs, 0 for none, and "
            "needs a score to go by: give `config.evaluation.best=kid`."
        )
    for name in (
        "batch_size",
        "accumulate",
        "log_every",
        "sample_every",
        "save_every",
        "keep",
        "samples",
    ):
        if getattr(experiment, name) < 1:
            raise UserError(f"config.{name} is {getattr(experiment, name)}; it must be 1 or more.")
    if experiment.batch_size % experiment.accumulate:
        raise UserError(
            f"config.accumulate={experiment.accumulate} does not divide "
            f"batch_size={experiment.batch_size}; the parts of a batch are of one size."
        )


def check_same_training(stored: Any, total: int, folder: Path) -> None:
    """Sees that all processes train the same thing in the same folder.

    Args:
        stored: The experiment as JSON.
        total: The number of the last step.
        folder: Of the run.

    Raises:
        UserError: If this process differs from process 0, or does not see its folder.
    """
    theirs = json.loads(check_agreement(json.dumps({"config": stored, "total": total}), folder))
    different = differences(theirs["config"], stored)
    if theirs["total"] != total:
        different.append(f"steps: {theirs['total']} -> {total}")
    if different:
        raise UserError(
            f"Process {jax.process_index()} would train something else than process 0 "
            f"({'; '.join(different)}): start the same command on all."
        )
