"""Trained generators and single networks as .safetensors files of our own. Imports config, engine,
weights."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.stored import Trust, from_json, to_json
from imgtrans_jax.engine.state import network_shapes
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.io import json_files
from imgtrans_jax.io.files import whole
from imgtrans_jax.methods.base import new_game
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.pytorch_layouts import Network, state_dict
from imgtrans_jax.weights.pytorch_recognition import recognized

Precision = Literal["float32", "float16", "int8"]

SCALE = "@scale"
"""What the name of an int8 array's scales ends in."""


def save_generator(
    generator: TrainedGenerator, path: str | Path, precision: Precision = "float32"
) -> None:
    """Writes a .safetensors file: arrays by name, with the experiment in its metadata.

    Args:
        generator: Of whose training the generators alone are written.
        path: Of the file, which is replaced if it is there.
        precision: Of the weights: float16 for half the size; int8 for a quarter, with a scale for
            each output channel of a kernel, and all that is no kernel as float16. A reader makes
            float32 of them.

    Raises:
        UserError: If the experiment has code that cannot be named, such as a lambda, or if
            weights are beyond float16 where that is asked for.
    """
    arrays = flatten_arrays({"params": generator.params, "stats": generator.stats})
    if precision != "float32":
        arrays = narrowed(arrays, precision == "int8")
    stored = {"config": to_json(generator.experiment), "batch": generator.batch}
    if generator.best_size:
        stored["best_size"] = generator.best_size
    _save(path, arrays, stored)


def narrowed(arrays: Mapping[str, Any], kernels_int8: bool) -> dict[str, np.ndarray]:
    """Arrays by name as float16, kernels as int8 with scales if so wanted; `widened` undoes it.

    Raises:
        UserError: If some are too large for float16.
    """
    narrow = {}
    for name, array in arrays.items():
        x = np.asarray(array, np.float32)
        if kernels_int8 and x.ndim == 4:
            largest = np.abs(x).max(axis=(0, 1, 2))
            scale = np.where(largest > 0, largest / 127, 1)
            narrow[name] = np.rint(x / scale).astype(np.int8)
            narrow[name + SCALE] = scale.astype(np.float32)
        else:
            with np.errstate(over="ignore"):  # what is too large is told next
                narrow[name] = x.astype(np.float16)
    if not all(np.isfinite(x).all() for x in narrow.values()):
        raise UserError("Some weights are too large for float16; use float32.")
    return narrow


def widened(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `narrowed` made as float32 again; other arrays as they are."""
    wide = {}
    for name, x in arrays.items():
        if name.endswith(SCALE):
            continue
        scale = arrays.get(name + SCALE)
        if x.dtype == np.int8 and scale is not None:
            wide[name] = x * scale.astype(np.float32)
        else:
            wide[name] = x.astype(np.float32) if x.dtype == np.float16 else x
    return wide


def save_network(network: Network, path: str | Path) -> None:
    """Writes one network, such as a critic, alone: a .safetensors file with the module in its
    metadata.

    Args:
        network: The module and its weights.
        path: Of the file, which is replaced if it is there.

    Raises:
        UserError: If the module has code that cannot be named, such as a lambda.
    """
    arrays = flatten_arrays({"params": network.params, "stats": network.stats})
    _save(path, arrays, {"network": to_json(network.module)})


def read_generator_file(
    path: Path, arrays: Mapping[str, np.ndarray], text: str, trust_code: Trust
) -> TrainedGenerator | Network:
    """What `save_generator` or `save_network` wrote. The arrays are compared with the networks that
    the config describes.

    Args:
        path: Of the file, for the errors.
        arrays: All arrays of the file, by name.
        text: The JSON in its metadata.
        trust_code: Whether code outside imgtrans_jax may be run: all, none, or these names.

    Returns:
        The generators of a training, or one network.

    Raises:
        UserError: If text or arrays are damaged or do not fit together, or if code is named that
            may not be run.
    """
    with one_sentence_errors(
        f"What {path} says of itself",
        f"make it again with imgtrans convert RUN {path.name}",
    ):
        stored = json_files.parsed(text)
        if stored.pop("sha256") != _digest(arrays, stored):
            raise UserError(
                f"The weights in {path} are not those that were saved; get the file again."
            )
        arrays = widened(arrays)
        check_numbers(stored, [f"{array.dtype}{list(array.shape)}" for array in arrays.values()])
        tree = unflatten_dict(arrays, sep="/")
        if "network" in stored:
            network = Network(
                from_json(stored["network"], trust_code),
                tree["params"],
                tree.get("stats", {}),
            )
            return recognized(state_dict(network), str(path))
        experiment, batch = stored_experiment(stored["config"], trust_code), stored["batch"]
        game = new_game(experiment.recipe)
        shapes, _ = network_shapes(game, example_shapes(batch), critics=False)
        wanted = flatten_arrays({"params": shapes.params, "stats": shapes.stats})
        if {name: (x.shape, x.dtype) for name, x in wanted.items()} != {
            name: (x.shape, x.dtype) for name, x in arrays.items()
        }:
            raise UserError(
                f"The arrays of {path} are not those of the network that it names; the file is "
                "damaged."
            )
        best_size = stored.get("best_size")
        if best_size is not None and not (type(best_size) is int and 8 <= best_size < 2**16):
            raise ValueError("its best size is none that a picture has")
        return TrainedGenerator(
            experiment, tree["params"], tree.get("stats", {}), batch, best_size=best_size
        )


@contextlib.contextmanager
def one_sentence_errors(what: str, advice: str) -> Iterator[None]:
    """Turns everything that a made-up config can bring about into one sentence.

    Args:
        what: The sentence's subject.
        advice: What the user can do, its end.

    Yields:
        Nothing, for a `with` block.

    Raises:
        UserError: For any error within the block.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{what} is damaged ({type(error).__name__}: {str(error)[:200]}); {advice}."
        ) from None


def check_numbers(stored: Mapping[str, Any], arrays: Iterable[str], critics: bool = False) -> None:
    """Refuses a config whose networks would be far larger or deeper than its arrays, before they
    are traced.

    Args:
        stored: What a file or a checkpoint says of itself: `config` or `network`, and `batch`.
        arrays: Type and shape of each, such as "float32[3, 3, 64, 64]".
        critics: Whether the critics are among them, not the generators alone.

    Raises:
        ValueError: If the config has larger numbers than its arrays, or sizes of pictures that no
            picture has.
    """
    shapes = [[int(side) for side in re.findall(r"\d+", text.partition("[")[2])] for text in arrays]
    largest = max([64, len(shapes), *(side for shape in shapes for side in shape)])
    recipe = stored["config"]["recipe"] if "config" in stored else {}
    parts = ("generator", "encoder", "refiner", "conditioning", *(["critic"] if critics else []))
    modules = [stored.get("network"), *(recipe.get(name) for name in parts)]
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


def stored_experiment(stored: Any, trust_code: Trust) -> Experiment:
    """The experiment that a run or a file has stored, for its networks alone.

    Args:
        stored: As JSON; it is changed: what its recipe has in `extra` is left out.
        trust_code: Whether code outside imgtrans_jax may be run: all, none, or these names.

    Returns:
        The experiment, without the user's own losses.

    Raises:
        UserError: If it is damaged, is no experiment, or names code that may not be run.
    """
    # the user's own losses are not needed here, so their code is not asked for
    stored["recipe"].pop("extra", None)
    experiment = from_json(stored, trust_code)
    if not isinstance(experiment, Experiment):
        raise UserError("The stored config is no experiment; the run is damaged.")
    return experiment


def example_shapes(batch: Mapping[str, list[int]]) -> dict[str, jax.ShapeDtypeStruct]:
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


def flatten_arrays(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: np.asarray(x) if isinstance(x, jax.Array) else x
        for name, x in flatten_dict(tree, sep="/").items()
    }
