"""A trained generator alone: out of a run, into one file, and back, without the rest of the training."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from imgtrans_jax import config
from imgtrans_jax.checkpoint import Checkpoints
from imgtrans_jax.config import Experiment
from imgtrans_jax.files import whole
from imgtrans_jax.program import Program
from imgtrans_jax.state import Networks, TrainState
from imgtrans_jax.types import Params, UserError


@dataclasses.dataclass(frozen=True)
class Generator:
    """The generator player of a run: its experiment, parameters (the smoothed ones if it has them) and batch statistics.

    batch: the shapes that it was trained on, by name.
    """

    experiment: Experiment
    params: Params
    stats: Any
    batch: dict[str, list[int]]


def load_generator(source: str | Path, trust_code: bool = False) -> Generator:
    """From the folder of a run, or from a file that `save_generator` wrote.

    Raises UserError if it is missing or damaged, or names code outside imgtrans_jax and `trust_code` is not set.
    """
    path = Path(source)
    return _from_file(path, trust_code) if path.is_file() else _from_run(path, trust_code)


def save_generator(generator: Generator, path: str | Path) -> None:
    """Writes a .safetensors file: arrays by name, with the experiment in its metadata."""
    arrays = _flat({"params": generator.params, "stats": generator.stats})
    stored = {"config": config.to_json(generator.experiment), "batch": generator.batch, "sha256": _digest(arrays)}
    with whole(Path(path)) as partial:
        partial.write_bytes(save(arrays, {"imgtrans_jax": json.dumps(stored)}))


def started_from(state: TrainState, source: str, like: TrainState) -> TrainState:
    """The state with the generators of another training, whose networks must be the same.

    Raises UserError if they are not.
    """
    found = load_generator(source)
    wanted, given = ({name: x.shape for name, x in _flat(tree).items()} for tree in (like.g.params, found.params))
    if wanted != given:
        changed = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
        raise UserError(f"{source} (config.init_from) has another generator than this config: {', '.join(changed[:3])} differ.")

    def copied(new: Any, old: Any) -> Any:
        return jax.tree.map(lambda x, y: jax.device_put(jnp.array(x), y.sharding), new, old)

    own = Networks(state.g.params, state.g.stats)
    ready = copied(Networks(found.params, found.stats), own)
    player = state.g.replace(params=ready.params, stats=ready.stats)
    return state.replace(g=player, ema=None if state.ema is None else jax.tree.map(jnp.copy, ready))


def restored(run: str | Path, trust_code: bool = False) -> tuple[TrainState, Experiment]:
    """The newest sound state of a run, and its experiment. Raises UserError as `load_generator` does."""
    state, experiment, _ = _restored(Path(run), trust_code)
    return state, experiment


def _from_run(run: Path, trust_code: bool) -> Generator:
    state, experiment, batch = _restored(run, trust_code)
    return Generator(experiment, state.generators.params, state.generators.stats, batch)


def _restored(run: Path, trust_code: bool) -> tuple[TrainState, Experiment, dict[str, list[int]]]:
    if not (run / "checkpoints").is_dir():
        raise UserError(
            f"{run} is no trained run (it has no checkpoints); train one with train.py --workdir={run}, or check the path."
        )
    checkpoints = Checkpoints(run / "checkpoints")
    metadata = checkpoints.metadata()
    if metadata is None:
        raise UserError(f"{run} has no checkpoint yet, or none that is sound; train it for longer.")
    experiment = _experiment(metadata["config"], trust_code)
    found = checkpoints.restore(_like(experiment, metadata["batch"]), set_aside=False)
    assert found is not None, "there is metadata, so there is a step"
    return found[0], experiment, metadata["batch"]


def _from_file(path: Path, trust_code: bool) -> Generator:
    try:
        with safe_open(path, framework="numpy") as file:
            stored = json.loads((file.metadata() or {})["imgtrans_jax"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        experiment, batch = _experiment(stored["config"], trust_code), stored["batch"]
        like = _like(experiment, batch).g
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is no generator that imgtrans_jax saved, or is damaged ({type(error).__name__}: {error}); make it again "
            f"with python -m imgtrans_jax.convert RUN {path.name}."
        ) from None
    wanted = _flat({"params": like.params, "stats": like.stats})
    if {name: (x.shape, x.dtype) for name, x in wanted.items()} != {name: (x.shape, x.dtype) for name, x in arrays.items()}:
        raise UserError(f"The arrays of {path} are not those of the network that it names; the file is damaged.")
    if _digest(arrays) != stored.get("sha256"):
        raise UserError(f"The weights in {path} are not those that were saved; get the file again.")
    tree = jax.tree.map_with_path(
        lambda where, _: jnp.array(arrays[_name(where)]), {"params": like.params, "stats": like.stats}
    )
    return Generator(experiment, tree["params"], tree["stats"], batch)


def _experiment(stored: Any, trust_code: bool) -> Experiment:
    stored["recipe"].pop("extra", None)  # the user's own losses are not needed here, so their code is not asked for
    experiment = config.from_json(stored, trust_code)
    if not isinstance(experiment, Experiment):
        raise UserError("The stored config is no experiment; the run is damaged.")
    return experiment


def _like(experiment: Experiment, batch: Mapping[str, list[int]]) -> TrainState:
    example = {side: jax.ShapeDtypeStruct(shape, np.dtype(np.float32)) for side, shape in batch.items()}
    mesh = Mesh(np.array(jax.devices()[:1]), ("data",))
    return Program(experiment, mesh, example, 1).like


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def _name(where: Any) -> str:
    return jax.tree_util.keystr(where, simple=True, separator="/")


def _flat(tree: Any) -> dict[str, Any]:
    return {_name(where): np.asarray(x) if isinstance(x, jax.Array) else x for where, x in jax.tree.leaves_with_path(tree)}
