"""A training that starts from the networks of another. Imports inference, config and engine."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imgtrans_jax.config.stored import names_in, to_json
from imgtrans_jax.engine import sharding
from imgtrans_jax.engine.checkpoint import Checkpoints
from imgtrans_jax.engine.game import Networks
from imgtrans_jax.engine.state import TrainState
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.generator_file import example_shapes, flatten_arrays
from imgtrans_jax.inference.load import check_place, load_generator
from imgtrans_jax.inference.pytorch import is_folder_of_pth
from imgtrans_jax.methods.base import Recipe
from imgtrans_jax.training.program import Program
from imgtrans_jax.types import UserError


def save_run(generator: TrainedGenerator, folder: Path) -> str:
    """Makes a run that has not been trained any further: its networks, new optimizers, and new
    critics if it has none.

    Args:
        generator: Whose networks it gets.
        folder: Of the run.

    Returns:
        Which networks these are.

    Raises:
        UserError: If the folder holds a run, .pth files, or files that a run would write over.
    """
    if (folder / "checkpoints").exists() or is_folder_of_pth(folder):
        raise UserError(f"{folder} holds networks already; give another folder.")
    check_place(folder)
    stored = to_json(generator.experiment)
    batch = example_shapes(generator.batch)
    program = Program(generator.experiment, sharding.one_device(), batch, 1)
    state, text = _with_networks(program.initial_state(), generator, program.like, "the source")
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
    """The state with the networks of another training.

    Args:
        state: To be trained.
        source: A run, a folder of .pth files, or a file, which is a generator alone.
        like: Shapes and devices of the state.
        recipe: Of the config.

    Returns:
        The state; and which networks it got: the generators, and the critics where the source has
        them and they are the same networks.

    Raises:
        UserError: If the source cannot be used, or a generator is another than that of `recipe`.
    """
    # its code is in use here anyway
    found = load_generator(source, names_in(recipe), critics=True)
    params = recipe.adopted(found.params, found.experiment.recipe)
    found = dataclasses.replace(found, params=params)
    try:
        return _with_networks(state, found, like, f"{source} (config.init_from)")
    except UserError as error:
        raise UserError(f"{error}{_advice(recipe, found)}") from None


def _advice(ours: Recipe, found: TrainedGenerator) -> str:
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
    flags = [f"`config.recipe.generator.{name}={getattr(wanted, name)}`" for name in other]
    return (
        " Add " + " ".join(flags)
        if flags
        else f" It takes pictures of {channels[0]} channels: `config.data.channels`."
    )


def _with_networks(
    state: TrainState, found: TrainedGenerator, like: TrainState, source: str
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
            lambda x, y: sharding.to_global(np.array(x, y.dtype), y.sharding), new, old
        )

    params[name] = copied(new, params[name])
    if name in stats and new_stats:
        stats[name] = copied(new_stats, stats[name])


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {
        name: x.shape
        for name, x in (flatten_arrays(tree) if isinstance(tree, Mapping) else {"it": tree}).items()
    }
