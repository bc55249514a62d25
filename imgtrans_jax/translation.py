"""Using what was trained: translating a picture or a folder, and making pictures from nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import jax
import numpy as np
from tqdm import tqdm

from imgtrans_jax import images
from imgtrans_jax.config import Experiment
from imgtrans_jax.files import make_folder
from imgtrans_jax.generators import Generator, load_generator
from imgtrans_jax.types import Direction, UserError

TestMode = Literal["paper", "eval"]


def translate(
    source: str | Path,
    pictures: str | Path,
    out: str | Path,
    direction: Direction = "a2b",
    size: int | None = None,
    trust_code: bool = False,
    test_mode: TestMode | None = None,
) -> list[Path]:
    """Applies a trained generator, of a run or of a file, to a picture or to every picture of a folder; returns the files
    written: PNG in the folder `out`, or the file `out`.

    The result has the size of its input, four times that for super-resolution. With `size` the network sees the picture with
    its shorter side at that many pixels, near those that it was trained on, and the result is enlarged again; a U-Net that
    reduces its training pictures to one pixel knows no other size, so that its own is taken. The smoothed generator is used if
    there is one. test_mode: instead of the recipe's, where it has one.

    Raises UserError if the run or the input cannot be used; pictures that cannot be read are named at the end, after all
    others are done.
    """
    loaded = load_generator(source, trust_code)
    apply = compiled(loaded, direction, test_mode)
    experiment, pictures, out = loaded.experiment, Path(pictures), Path(out)
    if not pictures.exists():
        raise UserError(f"There is no {pictures}; give a picture or a folder of pictures.")
    if size is not None and size < images.MIN_SIDE:
        raise UserError(f"A size of {size} pixels is too small; give {images.MIN_SIDE} or more.")
    multiple = getattr(experiment.recipe.generator, "multiple", 4)
    if size is None and multiple >= experiment.data.cut.crop_size > 0:
        size = experiment.data.cut.crop_size
        print(f"Working at {size} pixels, the size that this U-Net was trained at; --size changes it.")
    paths = [pictures] if pictures.is_file() else images.list_pictures(pictures)
    targets = _targets(paths, pictures, out)
    shapes: set[tuple[int, ...]] = set()
    written, refused = [], []
    for path, target in tqdm(list(zip(paths, targets, strict=True)), unit="picture", delay=2, disable=None):
        try:
            picture = experiment.data.read(path)
        except UserError as error:
            refused.append(str(error))
            continue
        height, width = picture.shape[:2]
        scale = size / min(height, width) if size else 1.0
        seen = images.to_signed(images.resize(picture, round(height * scale), round(width * scale)))
        padded = images.pad_to_multiple(experiment.data.given(seen)[None], multiple, max(multiple, 16))
        if padded.shape not in shapes:
            shapes.add(padded.shape)
            tqdm.write(f"Compiling for {seen.shape[1]}x{seen.shape[0]} …")
        result = np.asarray(apply(padded))
        enlarged = result.shape[1] // padded.shape[1]
        if enlarged == 1:
            result = experiment.data.shown(padded, result)
        result = images.to_bytes(result[0, : enlarged * seen.shape[0], : enlarged * seen.shape[1]])
        make_folder(target.parent, "--out")
        images.write_picture(target, images.resize(result, enlarged * height, enlarged * width))
        written.append(target)
    if refused:
        done = f"{len(written)} of {len(paths)} pictures were written to {out}. Left out: " if len(paths) > 1 else ""
        raise UserError(done + " ".join(refused))
    return written


def compiled(
    loaded: Generator, direction: Direction = "a2b", test_mode: TestMode | None = None
) -> Callable[[np.ndarray], jax.Array]:
    """(N, H, W, C) inputs -> outputs in [-1, 1], compiled once for every shape.

    Raises UserError for a direction or a mode that the recipe has not got.
    """
    recipe = loaded.experiment.recipe
    if not recipe.directions:
        raise UserError(f"A {type(recipe).__name__} run makes pictures from nothing: use --count instead of --input.")
    if direction not in recipe.directions:
        raise UserError("This generator knows one direction; leave --direction out.")
    if test_mode is not None:
        if not hasattr(recipe, "test_mode"):
            raise UserError(f"A {type(recipe).__name__} run has no --test_mode; leave it out.")
        recipe = dataclasses.replace(recipe, test_mode=test_mode)  # type: ignore[type-var]
    jitted = jax.jit(lambda params, stats, x: recipe.translate(params, stats, x, direction))
    return lambda x: jitted(loaded.params, loaded.stats, x)


def generator(run: str | Path, direction: Direction, trust_code: bool = False) -> tuple[Callable, Experiment]:
    """`compiled` for a run or a file, and its experiment."""
    loaded = load_generator(run, trust_code)
    return compiled(loaded, direction), loaded.experiment


def generate(
    source: str | Path, out: str | Path, count: int, label: int | None = None, seed: int = 0, trust_code: bool = False
) -> list[Path]:
    """Makes `count` pictures from nothing, of one class or of all in turn, and a sheet of them; returns the files.

    Raises UserError if the run or file cannot be used, or has no such class.
    """
    loaded = load_generator(source, trust_code)
    out = Path(out)
    if out.suffix.lower() in images.SUFFIXES:
        raise UserError(f"--count makes several files: give a folder, --out={out.with_suffix('')}.")
    pictures = images.to_bytes(sampled(loaded, count, label, seed))
    make_folder(out, "--out")
    digits = len(str(count))
    written = [out / f"{i:0{digits}d}.png" for i in range(count)]
    for path, picture in zip(written, pictures, strict=True):
        images.write_picture(path, picture)
    columns = max(1, round(count**0.5))
    rgb = [np.repeat(p, 3, axis=2) if p.shape[2] == 1 else p for p in pictures]
    images.write_picture(out / "sheet.png", images.grid([rgb[i : i + columns] for i in range(0, count, columns)]))
    return [out / "sheet.png", *written]


def sampled(loaded: Generator, count: int, label: int | None = None, seed: int = 0, at_once: int = 64) -> np.ndarray:
    """(count, H, W, C) in [-1, 1] from nothing, of one class or of all in turn. Raises UserError if there is no such class."""
    classes = loaded.batch["y"][1] if "y" in loaded.batch else 1
    if count < 1:
        raise UserError(f"--count={count} pictures are none; give 1 or more.")
    if label is not None and not 0 <= label < classes:
        raise UserError(f"There is no class {label}; this run has 0 to {classes - 1}.")
    recipe = loaded.experiment.recipe
    if label is not None and not getattr(recipe, "conditional", False):
        raise UserError("This run was trained without its classes (config.recipe.conditional); leave --label out.")
    labels = np.arange(count) % classes if label is None else np.full(count, label)
    make = jax.jit(recipe.generate)
    parts = []
    for number, start in enumerate(range(0, count, at_once)):
        y = np.eye(classes, dtype=np.float32)[np.resize(labels[start : start + at_once], at_once)]
        key = jax.random.fold_in(jax.random.key(seed), number)
        parts.append(np.asarray(make(loaded.params, loaded.stats, key, y)))
    return np.concatenate(parts)[:count]


def _targets(paths: list[Path], source: Path, out: Path) -> list[Path]:
    if out.suffix.lower() in images.SUFFIXES and (source.is_dir() or out.is_dir()):
        raise UserError(f"--out={out} is a picture's name, and a folder is needed: --out={out.with_suffix('')}.")
    if source.is_file() and out.resolve() == source.resolve():
        raise UserError(f"--out={out} is the input, which would be overwritten; choose another name.")
    if source.is_file() and out.suffix.lower() in images.WRITABLE:
        return [out]
    if source.is_file() and out.suffix.lower() in images.SUFFIXES:
        raise UserError(f"Results can be {', '.join(images.WRITABLE)}: --out={out.with_suffix('.png')}, or a folder.")
    root = source.parent if source.is_file() else source
    if out.resolve() == root.resolve():
        raise UserError(f"--out={out} is the folder of the input, whose pictures would be overwritten; choose another.")
    targets = [out / path.relative_to(root).with_suffix(".png") for path in paths]
    # Two inputs that differ in their suffix alone keep it in the result's name.
    return [
        out / f"{path.relative_to(root)}.png" if targets.count(target) > 1 else target
        for path, target in zip(paths, targets, strict=True)
    ]
