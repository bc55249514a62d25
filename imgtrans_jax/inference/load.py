"""Trained generators, from wherever they are: a run, a file of ours, or files of the common PyTorch
code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.stored import Trust
from imgtrans_jax.engine import sharding
from imgtrans_jax.engine.checkpoint import Checkpoints, OtherArraysError
from imgtrans_jax.engine.game import Networks
from imgtrans_jax.engine.state import TrainState
from imgtrans_jax.inference.generator import Generator
from imgtrans_jax.inference.generator_file import (
    check_numbers,
    example_shapes,
    one_sentence_errors,
    read_generator_file,
    stored_experiment,
)
from imgtrans_jax.inference.pytorch import imported_file, imported_folder, is_folder_of_pth
from imgtrans_jax.io import json_files
from imgtrans_jax.training.program import Program
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.pytorch_layouts import Network, described, recognized
from imgtrans_jax.weights.tensors import read_tensors


def load_generator(source: str | Path, trust_code: Trust = False) -> Generator:
    """From the folder of a run; a .safetensors file that `save_generator` wrote; a .pth or
    .safetensors file of the common PyTorch code, or a folder of such (latest_net_G_A.pth, …), whose
    networks are recognised by their shapes, which is printed.

    Raises UserError if it is missing or damaged, or names code outside imgtrans_jax and
    `trust_code` is not set.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return (
            imported_folder(path)
            if is_folder_of_pth(path) and not is_run(path)
            else _from_run(path, trust_code)
        )
    if not path.exists():
        raise UserError(
            f"There is no {path}; give the folder of a trained run, or a .safetensors or .pth "
            "file of a generator."
        )
    found = load_file(path, trust_code)
    return imported_file(found, str(path)) if isinstance(found, Network) else found


def is_run(folder: Path) -> bool:
    """Whether something was trained there: it then counts, and not .pth files that may lie beside
    it.
    """
    return any(step.name.isdecimal() for step in (folder / "checkpoints").glob("*"))


def check_place(folder: Path) -> None:
    """Sees that a run may be made in a folder: that it has one, or has had one, or holds nothing
    that a run would write over. Raises UserError, with the file, if not.
    """
    stored = json_files.read_or_none(folder / "config.json") or {}
    if (folder / "checkpoints").is_dir() or str(stored.get("type")).rpartition(":")[
        2
    ] == "Experiment":
        return
    for name in ("config.json", "index.html", "metrics.jsonl", "columns.json", "watch.json"):
        if os.path.lexists(folder / name):
            raise UserError(
                f"{folder / name} is there already and is no run's, which would write over it; "
                "give another folder."
            )


def load_file(path: Path, trust_code: Trust = False) -> Generator | Network:
    """What a .safetensors or .pth file holds: a training's generators, or one network alone, which
    is said.
    """
    arrays, metadata = read_tensors(path)
    if "imgtrans_jax" in metadata:
        found = read_generator_file(path, arrays, metadata["imgtrans_jax"], trust_code)
    else:
        found = recognized(arrays, str(path))
    if isinstance(found, Network):
        print(f"{path} is {described(found)}.", flush=True)
    return found


def restored(run: str | Path, trust_code: Trust = False) -> tuple[TrainState, Experiment]:
    """The newest sound state of a run, and its experiment. Raises UserError as `load_generator`
    does.
    """
    state, experiment, _ = _restored(Path(run).expanduser(), trust_code)
    return state, experiment


def _from_run(run: Path, trust_code: Trust) -> Generator:
    state, experiment, batch = _restored(run, trust_code)
    critics = Networks(state.d.params, state.d.stats) if state.d.params else None
    return Generator(
        experiment, state.generators.params, state.generators.stats, batch, critics, int(state.step)
    )


def _restored(run: Path, trust_code: Trust) -> tuple[TrainState, Experiment, dict[str, list[int]]]:
    if not (run / "checkpoints").is_dir():
        raise UserError(
            f"{run} is no trained run (it has no checkpoints), nor does it hold files such as "
            f"latest_net_G.pth; train one with train.py --workdir={run}, or check the path."
        )
    checkpoints = Checkpoints(run / "checkpoints")
    metadata = checkpoints.metadata()
    if metadata is None:
        damaged = checkpoints.manager.all_steps() or (checkpoints.folder / "damaged").exists()
        advice = (
            "none of its checkpoints is sound; bring back a copy"
            if damaged
            else "no checkpoint yet; train it for longer"
        )
        raise UserError(f"{run} cannot be used: {advice}.")
    advice = (
        "use it with the version of imgtrans_jax that trained it, bring back a copy, or "
        "train it anew"
    )
    with one_sentence_errors(f"The checkpoint in {run}", advice):
        check_numbers(metadata, metadata["arrays"].values())
        experiment = stored_experiment(metadata["config"], trust_code)
        try:
            found = checkpoints.restore(
                program_for(experiment, metadata["batch"]).like, set_aside=False
            )
        except OtherArraysError:
            raise UserError(
                f"The checkpoint in {run} has other arrays than its config makes here: {advice}."
            ) from None
        assert found is not None, "there is metadata, so there is a step"
        return found[0], experiment, metadata["batch"]


def program_for(experiment: Experiment, batch: Mapping[str, list[int]]) -> Program:
    return Program(experiment, sharding.one_device(), example_shapes(batch), 1)
