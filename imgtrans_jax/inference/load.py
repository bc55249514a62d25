"""Trained generators, from wherever they are: a run, a file of ours, or files of
junyanz/pytorch-CycleGAN-and-pix2pix.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.stored import Trust
from imgtrans_jax.engine import sharding
from imgtrans_jax.engine.game import Networks
from imgtrans_jax.engine.state import network_shapes
from imgtrans_jax.inference import shelf
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.generator_file import (
    check_numbers,
    example_shapes,
    one_sentence_errors,
    read_generator_file,
    stored_experiment,
)
from imgtrans_jax.inference.pytorch import imported_file, imported_folder, is_folder_of_pth
from imgtrans_jax.io import json_files
from imgtrans_jax.methods.base import new_game
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.pytorch_layouts import Network, described
from imgtrans_jax.weights.pytorch_recognition import recognized
from imgtrans_jax.weights.tensors import read_tensors


def load_generator(
    source: str | Path, trust_code: Trust = False, critics: bool = False
) -> TrainedGenerator:
    """A trained generator, from a run, a file or a folder of files.

    Args:
        source: The name of a network that comes with the package; the folder of a run; a
            .safetensors file that `save_generator` wrote; a .pth or .safetensors file of
            junyanz/pytorch-CycleGAN-and-pix2pix, or a folder of such (latest_net_G_A.pth, …),
            whose networks are recognised by their shapes, which is printed.
        trust_code: Whether code outside imgtrans_jax may be run: all, none, or these names.
        critics: Loads the critics too, of a run or a folder.

    Returns:
        The generator; the smoothed one of a run that has one.

    Raises:
        UserError: If it is missing or damaged, or names code outside imgtrans_jax and `trust_code`
            is not set.
    """
    path = shelf.found(source)
    if path.is_dir():
        return (
            imported_folder(path)
            if is_folder_of_pth(path) and not is_run(path)
            else _from_run(path, trust_code, critics)
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
    that a run would write over.

    Raises:
        UserError: With the file, if not.
    """
    stored = json_files.read_or_none(folder / "config.json") or {}
    kind = str(stored.get("type")).rpartition(":")[2]
    if (folder / "checkpoints").is_dir() or kind == "Experiment":
        return
    for name in ("config.json", "index.html", "metrics.jsonl", "columns.json", "watch.json"):
        if os.path.lexists(folder / name):
            raise UserError(
                f"{folder / name} is there already and is no run's, which would write over it; "
                "give another folder."
            )


def load_file(path: Path, trust_code: Trust = False) -> TrainedGenerator | Network:
    """What a .safetensors or .pth file holds.

    Args:
        path: Of the file.
        trust_code: As for `load_generator`.

    Returns:
        A training's generators, or one network alone, which is said.

    Raises:
        UserError: As `load_generator` does.
    """
    arrays, metadata = read_tensors(path)
    if "imgtrans_jax" in metadata:
        found = read_generator_file(path, arrays, metadata["imgtrans_jax"], trust_code)
    else:
        found = recognized(arrays, str(path))
    if isinstance(found, Network):
        print(f"{path} is {described(found)}.", flush=True)
    return found


def _from_run(run: Path, trust_code: Trust, critics: bool) -> TrainedGenerator:
    """The generators of a run's newest checkpoint that has them sound: its smoothed ones if it has
    them; nothing else of the state is read but the `critics`, where they are wanted.
    """
    # orbax takes half a second to import, which a file of a network does not need
    from imgtrans_jax.engine.checkpoint import Checkpoints, OtherArraysError

    if not (run / "checkpoints").is_dir():
        raise UserError(
            f"{run} is no trained run (it has no checkpoints), nor does it hold files such as "
            f"latest_net_G.pth; train one with `workdir={run}`, or check the path."
        )
    checkpoints = Checkpoints(run / "checkpoints")
    advice = (
        "use it with the version of imgtrans_jax that trained it, bring back a copy, or "
        "train it anew"
    )
    found: dict[str, Experiment] = {}

    def choose(record: dict[str, Any]) -> dict[str, Any]:
        with_critics = critics and any(name.startswith("d/params/") for name in record["arrays"])
        check_numbers(record, record["arrays"].values(), with_critics)
        experiment = stored_experiment(copy.deepcopy(record["config"]), trust_code)
        found["experiment"] = experiment
        return _wanted(experiment, record, with_critics)

    with one_sentence_errors(f"The checkpoint in {run}", advice):
        try:
            restored = checkpoints.restore_part(choose)
        except OtherArraysError:
            raise UserError(
                f"The checkpoint in {run} has other arrays than its config makes here: {advice}."
            ) from None
        if restored is None:
            damaged = checkpoints.manager.all_steps() or (checkpoints.folder / "damaged").exists()
            why = (
                "none of its checkpoints is sound; bring back a copy"
                if damaged
                else "no checkpoint yet; train it for longer"
            )
            raise UserError(f"{run} cannot be used: {why}.")
        part, record = restored
        generators = part.get("ema") or part["g"]
        d = Networks(part["d"]["params"], part["d"].get("stats", {})) if "d" in part else None
        params, stats = generators["params"], generators.get("stats", {})
        step = int(part["step"])
        return TrainedGenerator(found["experiment"], params, stats, record["batch"], d, step)


def _wanted(experiment: Experiment, record: Mapping[str, Any], critics: bool) -> dict[str, Any]:
    """The parts of a state that make a generator, as the config describes them."""
    game = new_game(experiment.recipe)
    g, d = network_shapes(game, example_shapes(record["batch"]), critics)
    smoothed = any(name.startswith("ema/") for name in record["arrays"])
    parts = {"ema" if smoothed else "g": g} | ({"d": d} if critics else {})
    wanted: dict[str, Any] = {"step": jax.ShapeDtypeStruct((), np.dtype(np.int32))}
    for name, networks in parts.items():
        both = {"params": networks.params, "stats": networks.stats}
        wanted[name] = {key: tree for key, tree in both.items() if tree}
    whole = sharding.replicated(sharding.one_device())
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=whole), wanted)
