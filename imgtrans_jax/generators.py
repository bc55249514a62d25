"""Trained generators, from wherever they are: a run, a file of ours, or files of the common PyTorch
code.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save

from imgtrans_jax import config, json_files, sharding
from imgtrans_jax.checkpoint import Checkpoints, OtherArraysError
from imgtrans_jax.config import Experiment, Trust
from imgtrans_jax.exchange import Generator, imported_file, imported_folder, is_folder_of_pth
from imgtrans_jax.files import whole
from imgtrans_jax.pretrained.pytorch import Network, described, recognised, state_dict
from imgtrans_jax.pretrained.tensors import read_tensors
from imgtrans_jax.program import Program, new_game
from imgtrans_jax.recipes.recipe import Recipe
from imgtrans_jax.state import Networks, TrainState, generator_shapes
from imgtrans_jax.types import UserError


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
        found = _ours(path, arrays, metadata["imgtrans_jax"], trust_code)
    else:
        found = recognised(arrays, str(path))
    if isinstance(found, Network):
        print(f"{path} is {described(found)}.", flush=True)
    return found


def save_generator(generator: Generator, path: str | Path) -> None:
    """Writes a .safetensors file: arrays by name, with the experiment in its metadata."""
    arrays = _flat({"params": generator.params, "stats": generator.stats})
    _save(path, arrays, {"config": config.to_json(generator.experiment), "batch": generator.batch})


def save_network(network: Network, path: str | Path) -> None:
    """Writes one network, such as a critic, alone: a .safetensors file with the module in its
    metadata.
    """
    arrays = _flat({"params": network.params, "stats": network.stats})
    _save(path, arrays, {"network": config.to_json(network.module)})


def save_run(generator: Generator, folder: Path) -> str:
    """Makes a run that has not been trained any further: its networks, new optimisers, and new
    critics if it has none; says which networks these are.

    Raises UserError if the folder holds a run or .pth files.
    """
    if (folder / "checkpoints").exists() or is_folder_of_pth(folder):
        raise UserError(f"{folder} holds networks already; give another folder.")
    check_place(folder)
    stored = config.to_json(generator.experiment)
    program = _program(generator.experiment, generator.batch)
    state, text = _with_networks(program.initial(), generator, program.like, "the source")
    versions = {
        "imgtrans_jax": "converted",
        "jax": jax.__version__,
        "python": platform.python_version(),
    }
    record = {"config": stored, "data": None, "batch": generator.batch, "versions": versions}
    checkpoints = Checkpoints(folder / "checkpoints")
    checkpoints.save(0, state, record)
    checkpoints.finish()
    (folder / "config.json").write_text(json.dumps(stored, indent=1) + "\n")
    return text


def started_from(
    state: TrainState, source: str, like: TrainState, recipe: Recipe
) -> tuple[TrainState, str]:
    """The state with the networks of another training, and which these are: its generators, and its
    critics where the source has them (a run or a folder; a file is a generator alone) and they are
    the same networks.

    Raises UserError if a generator is another than that of the config's `recipe`.
    """
    found = load_generator(source, config.names_in(recipe))  # code that is in use here anyway
    try:
        return _with_networks(state, found, like, f"{source} (config.init_from)")
    except UserError as error:
        raise UserError(f"{error}{_advice(recipe, found)}") from None


def _advice(ours: Recipe, found: Generator) -> str:
    """The flags that make our generator that one, where both are of one kind."""
    mine, wanted = ours.generator, found.experiment.recipe.generator
    channels = [shape[-1] for shape in found.batch.values()]
    if type(mine) is not type(wanted):
        return (
            f" It is a {type(wanted).__name__}, and this config's a {type(mine).__name__}: "
            "take a config that has one."
        )
    if len(set(channels)) > 1:
        return (
            f" It makes {channels[1]} channels of {channels[0]}, which stylize.py does, but "
            "no training here."
        )
    fields = [
        f.name
        for f in dataclasses.fields(mine)
        if f.init and f.name not in ("parent", "name", "kernel_init", "dtype")
    ]
    other = [name for name in fields if getattr(mine, name) != getattr(wanted, name)]
    flags = [f"--config.recipe.generator.{name}={getattr(wanted, name)}" for name in other]
    return (
        " Add " + " ".join(flags)
        if flags
        else f" It takes pictures of {channels[0]} channels: --config.data.channels."
    )


def _with_networks(
    state: TrainState, found: Generator, like: TrainState, source: str
) -> tuple[TrainState, str]:
    params, stats, taken = dict(state.g.params), dict(state.g.stats), []
    for ours, theirs in _matched(like.g.params, found.params):
        wanted, given = _shapes(like.g.params[ours]), _shapes(found.params[theirs])
        if wanted != given:
            changed = sorted(
                name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name)
            )
            raise UserError(
                f"{source} has another generator than this config: {', '.join(changed[:3])} differ."
            )
        _put(params, stats, ours, found.params[theirs], found.stats.get(theirs))
        taken.append(ours)
    if not taken:
        raise UserError(
            f"{source} has another generator than this config: {', '.join(found.params)} is none "
            "of its networks."
        )
    g = state.g.replace(params=params, stats=stats)
    params, stats = dict(state.d.params), dict(state.d.stats)
    for ours, theirs in _matched(like.d.params, found.critics.params if found.critics else {}):
        assert found.critics is not None
        if _shapes(like.d.params[ours]) == _shapes(found.critics.params[theirs]):
            _put(params, stats, ours, found.critics.params[theirs], found.critics.stats.get(theirs))
            taken.append(ours)
    d = state.d.replace(params=params, stats=stats)
    fresh = [name for name in (*like.g.params, *like.d.params) if name not in taken]
    others = (
        " (the source's critics are other networks)"
        if found.critics and not {*like.d.params} & {*taken}
        else ""
    )
    text = f"{', '.join(taken)} from {source}" + (
        f"; {', '.join(fresh)} from the seed{others}." if fresh else "."
    )
    ema = None if state.ema is None else jax.tree.map(jnp.copy, Networks(g.params, g.stats))
    return state.replace(g=g, d=d, ema=ema), text


def _matched(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Networks of one name, or the only one of a training and those from a to b of another."""
    for name in ours:
        others = {"g": "g_ab", "g_ab": "g", "d": "d_b", "d_b": "d"}
        if name in theirs:
            yield name, name
        elif others.get(name) in theirs:
            yield name, others[name]


def _put(
    params: dict[str, Any], stats: dict[str, Any], name: str, new: Any, new_stats: Any
) -> None:
    """Puts a network in its place, on the devices and with the sharding of the one before."""

    def copied(new: Any, old: Any) -> Any:
        return jax.tree.map(
            lambda x, y: sharding.placed(np.array(x, y.dtype), y.sharding), new, old
        )

    params[name] = copied(new, params[name])
    if name in stats and new_stats:
        stats[name] = copied(new_stats, stats[name])


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
    with _sound(f"The checkpoint in {run}", advice):
        _check_numbers(metadata, metadata["arrays"].values())
        experiment = _experiment(metadata["config"], trust_code)
        try:
            found = checkpoints.restore(
                _program(experiment, metadata["batch"]).like, set_aside=False
            )
        except OtherArraysError:
            raise UserError(
                f"The checkpoint in {run} has other arrays than its config makes here: {advice}."
            ) from None
        assert found is not None, "there is metadata, so there is a step"
        return found[0], experiment, metadata["batch"]


def _ours(
    path: Path, arrays: Mapping[str, np.ndarray], text: str, trust_code: Trust
) -> Generator | Network:
    """What `save_generator` or `save_network` wrote. The arrays are compared with the networks that
    the config describes.
    """
    with _sound(
        f"What {path} says of itself",
        f"make it again with python -m imgtrans_jax.convert RUN {path.name}",
    ):
        stored = json_files.parsed(text)
        if stored.pop("sha256") != _digest(arrays, stored):
            raise UserError(
                f"The weights in {path} are not those that were saved; get the file again."
            )
        _check_numbers(stored, [f"{array.dtype}{list(array.shape)}" for array in arrays.values()])
        tree = unflatten_dict(arrays, sep="/")
        if "network" in stored:
            network = Network(
                config.from_json(stored["network"], trust_code),
                tree["params"],
                tree.get("stats", {}),
            )
            return recognised(state_dict(network), str(path))
        experiment, batch = _experiment(stored["config"], trust_code), stored["batch"]
        shapes = generator_shapes(new_game(experiment), _examples(batch))
        wanted = _flat({"params": shapes.params, "stats": shapes.stats})
        if {name: (x.shape, x.dtype) for name, x in wanted.items()} != {
            name: (x.shape, x.dtype) for name, x in arrays.items()
        }:
            raise UserError(
                f"The arrays of {path} are not those of the network that it names; the file is "
                "damaged."
            )
        return Generator(experiment, tree["params"], tree.get("stats", {}), batch)


@contextlib.contextmanager
def _sound(what: str, advice: str) -> Iterator[None]:
    """Turns everything that a made-up config can bring about into one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{what} is damaged ({type(error).__name__}: {str(error)[:200]}); {advice}."
        ) from None


def _check_numbers(stored: Mapping[str, Any], arrays: Iterable[str]) -> None:
    """Refuses a config whose networks would be far larger or deeper than its arrays ("float32[3, 3,
    64, 64]"), before they are traced.
    """
    shapes = [[int(side) for side in re.findall(r"\d+", text.partition("[")[2])] for text in arrays]
    largest = max([64, len(shapes), *(side for shape in shapes for side in shape)])
    recipe = stored["config"]["recipe"] if "config" in stored else {}
    modules = [stored.get("network"), recipe.get("generator"), recipe.get("critic")]
    sizes = [side for shape in stored.get("batch", {}).values() for side in shape]
    depths = (n for name, n in _numbers(modules) if name in ("blocks", "layers", "levels"))
    if any(abs(n) > largest for _, n in _numbers(modules)) or any(n > len(shapes) for n in depths):
        raise ValueError("its config names numbers that its arrays have not")
    if any(type(n) is not int or not 0 < n < 2**16 for n in sizes):
        raise ValueError("its pictures have sizes that no pictures have")


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """All numbers within a stored config, with the names of the fields that they are in."""
    if isinstance(value, (int, float)):
        yield name, value
    elif isinstance(value, (list, dict)):
        for key, item in (
            value.items() if isinstance(value, dict) else ((name, item) for item in value)
        ):
            yield from _numbers(item, key)


def _experiment(stored: Any, trust_code: Trust) -> Experiment:
    # the user's own losses are not needed here, so their code is not asked for
    stored["recipe"].pop("extra", None)
    experiment = config.from_json(stored, trust_code)
    if not isinstance(experiment, Experiment):
        raise UserError("The stored config is no experiment; the run is damaged.")
    return experiment


def _program(experiment: Experiment, batch: Mapping[str, list[int]]) -> Program:
    return Program(experiment, sharding.one_device(), _examples(batch), 1)


def _examples(batch: Mapping[str, list[int]]) -> dict[str, jax.ShapeDtypeStruct]:
    return {
        side: jax.ShapeDtypeStruct(tuple(shape), np.dtype(np.float32))
        for side, shape in batch.items()
    }


def _save(path: str | Path, arrays: dict[str, np.ndarray], stored: dict[str, Any]) -> None:
    # others safetensors would scramble
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps(stored | {"sha256": _digest(arrays, stored)})
    with whole(Path(path)) as partial:
        partial.write_bytes(save(arrays, {"imgtrans_jax": text}))


def _digest(arrays: Mapping[str, np.ndarray], stored: Mapping[str, Any]) -> str:
    """The checksum of everything in a file: a change of any byte of its config or its arrays is
    noticed.
    """
    found = hashlib.sha256(json.dumps(stored, sort_keys=True).encode())
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        found.update(arrays[name].tobytes())
    return found.hexdigest()


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: np.asarray(x) if isinstance(x, jax.Array) else x
        for name, x in flatten_dict(tree, sep="/").items()
    }


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {
        name: x.shape
        for name, x in (_flat(tree) if isinstance(tree, Mapping) else {"it": tree}).items()
    }
