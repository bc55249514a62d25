"""Pictures from nothing, by a trained generator. Imports io and `load`."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np

from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.io import images
from imgtrans_jax.io.files import make_folder, refuse_existing, refuse_inputs
from imgtrans_jax.io.listing import SAYS_SHEET, SHEET
from imgtrans_jax.types import UserError

_AT_ONCE = 64  # pictures in one batch of the network


def generate(
    source: str | Path,
    out: str | Path,
    count: int,
    label: int | None = None,
    seed: int = 0,
    trust_code: bool = False,
    overwrite: bool = False,
    text: str | None = None,
) -> list[Path]:
    """Makes pictures from nothing, and a sheet of them, which no listing of the folder takes for
    one.

    Args:
        source: A run, or a file of a generator.
        out: A folder for 0.png, 1.png, … and sheet.png.
        count: How many pictures, 1 or more.
        label: Their class, from 0; None for all in turn.
        seed: Of the noise.
        trust_code: Runs the code outside imgtrans_jax that the run names.
        overwrite: Replaces pictures that are there.
        text: What they show, for a run that reads texts.

    Returns:
        The files: the sheet, then the pictures.

    Raises:
        UserError: If the run or file cannot be used, or has no such class, if `out` is a picture's
            name, or if pictures are there already and are not to be overwritten.
    """
    out = Path(out)
    if out.suffix.lower() in images.SUFFIXES:
        raise UserError(f"`count` makes several files: give a folder, `out={out.with_suffix('')}`.")
    digits = len(str(count))
    written = [out / f"{i:0{digits}d}.png" for i in range(count)]
    refuse_inputs([out / SHEET, *written], [Path(source)])
    refuse_existing(out / SHEET, *written, overwrite=overwrite)
    loaded = load_generator(source, trust_code)
    pictures = images.to_uint8(sampled(loaded, count, label, seed, text))
    make_folder(out, "`out`")
    for path, picture in zip(written, pictures, strict=True):
        images.write_picture(path, picture)
    columns = max(1, round(count**0.5))
    rgb = [np.repeat(p, 3, axis=2) if p.shape[2] == 1 else p for p in pictures]
    sheet = images.grid([rgb[i : i + columns] for i in range(0, count, columns)])
    images.write_picture(out / SHEET, sheet, SAYS_SHEET)
    return [out / SHEET, *written]


def sampled(
    loaded: TrainedGenerator,
    count: int,
    label: int | None = None,
    seed: int = 0,
    text: str | None = None,
    conditions: np.ndarray | None = None,
) -> np.ndarray:
    """Pictures from nothing.

    Args:
        loaded: The generator.
        count: How many, 1 or more.
        label: Their class, from 0; None for all in turn.
        seed: Of the noise.
        text: What they show, for a run that reads texts.
        conditions: (count, d), what the network gets of classes or texts, instead of both.

    Returns:
        (count, H, W, C) in [-1, 1].

    Raises:
        UserError: If `count` is under 1, there is no such class, the run does not know its classes,
            or a text is missing, or of no use.
    """
    if count < 1:
        raise UserError(f"`count={count}` pictures are none; give 1 or more.")
    y = _conditions(loaded, count, label, text) if conditions is None else conditions
    make = jax.jit(loaded.experiment.recipe.generate)
    parts = []
    for number, start in enumerate(range(0, count, _AT_ONCE)):
        rows = np.resize(y[start : start + _AT_ONCE], (_AT_ONCE, y.shape[1]))
        key = jax.random.fold_in(jax.random.key(seed), number)
        parts.append(np.asarray(make(loaded.params, loaded.stats, key, rows)))
    return np.concatenate(parts)[:count]


def _conditions(
    loaded: TrainedGenerator, count: int, label: int | None, text: str | None
) -> np.ndarray:
    recipe, length = loaded.experiment.recipe, loaded.batch["y"][1] if "y" in loaded.batch else 1
    if text is not None and not isinstance(text, str):
        raise UserError(f"`text` is {text!r}; it must be a text.")
    if recipe.reads_texts and label is not None:
        raise UserError("This run knows no classes: leave `label` out and give `text`.")
    if recipe.reads_texts and text is None:
        raise UserError(
            "This run makes pictures of a text: give `text`, in words of the captions that it "
            "learned from."
        )
    if text is not None:
        row, unknown = recipe.read(loaded.params, text, length)
        if unknown:
            print(f"Left out, for this run never met them: {', '.join(unknown)}.", flush=True)
        return np.tile(row, (count, 1))
    if label is not None and not 0 <= label < length:
        raise UserError(f"There is no class {label}; this run has 0 to {length - 1}.")
    if label is not None and not recipe.knows_classes:
        raise UserError(
            "This run was trained without its classes (config.recipe.conditional); leave `label` "
            "out."
        )
    labels = np.arange(count) % length if label is None else np.full(count, label)
    return np.eye(length, dtype=np.float32)[labels]
