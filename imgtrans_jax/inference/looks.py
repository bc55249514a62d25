"""A picture in every look that a network knows, on one sheet. Imports io and `translator`."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from imgtrans_jax.inference import shelf
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.translator import SMALLEST, check_memory, check_sizes
from imgtrans_jax.io import images, results
from imgtrans_jax.io.files import make_folder, refuse_existing, refuse_inputs
from imgtrans_jax.methods.fast_style import FastStyle
from imgtrans_jax.types import UserError

SIDE = 256  # pixels of the shorter side of each picture
COLUMNS = 4


def sheet_of_looks(
    source: str | Path,
    picture: str | Path,
    out: str | Path,
    size: int | None = None,
    overwrite: bool = False,
    trust_code: bool = False,
) -> Path:
    """Writes a sheet of one picture in all looks of a network, with their names.

    Args:
        source: The network, as for `load_generator`.
        picture: A picture.
        out: The file to write, or a folder, where it is called like the picture.
        size: Pixels of each picture's shorter side; None for its own, SIDE at most.
        overwrite: Replaces a sheet that is there.
        trust_code: Runs the code outside imgtrans_jax that a run names.

    Returns:
        The file.

    Raises:
        UserError: If the network has no looks, or something cannot be read or written.
    """
    check_sizes(size, None)
    path, target = shelf.found(source), Path(picture)
    loaded = load_generator(path, trust_code)
    recipe = loaded.experiment.recipe
    if not isinstance(recipe, FastStyle):
        raise UserError(f"A {type(recipe).__name__} run has no looks; leave `look` out.")
    if not target.is_file():
        raise UserError(f"`look=all` makes a sheet of one picture, and {picture} is none.")
    pixels = images.read_picture(target)
    shorter = min(pixels.shape[:2])
    scale = (size or min(SIDE, shorter)) / shorter
    height, width = (max(images.MIN_SIDE, round(scale * side)) for side in pixels.shape[:2])
    check_memory(target.name, height, width)
    sheet = Path(out)
    if sheet.suffix.lower() not in images.WRITABLE:
        sheet = sheet / f"{target.stem}_looks.png"
    refuse_inputs([sheet], [path, target])
    refuse_existing(sheet, overwrite=overwrite)
    make_folder(sheet.parent, "`out`")
    print(f"{len(recipe.looks)} looks at {width}x{height} …", flush=True)
    small = images.to_signed(images.resize(pixels, height, width))
    made = in_all_looks(recipe, loaded.params, loaded.stats, small)
    names = list(made)
    rows = [names[i : i + COLUMNS] for i in range(0, len(names), COLUMNS)]
    drawn = images.captioned_grid([[made[name] for name in row] for row in rows], rows, target.name)
    images.write_picture(sheet, drawn, results.mark(target))
    return sheet


def in_all_looks(
    recipe: FastStyle, params: object, stats: object, picture: np.ndarray
) -> dict[str, np.ndarray]:
    """A picture in each look.

    Args:
        recipe: That of the network.
        params: Its parameters.
        stats: Its batch statistics.
        picture: (H, W, 3) in [-1, 1].

    Returns:
        (H, W, 3) uint8 by the look's name.
    """
    multiple = recipe.generator.multiple  # type: ignore[attr-defined]
    wide = jnp.asarray(images.pad_to_multiple(picture[None], multiple, SMALLEST))
    height, width = picture.shape[:2]
    # one by one: a batch of all would leave the processor's caches, and take half as long again
    stylized = jax.jit(recipe.stylized)
    return {
        look.name: images.to_uint8(
            np.asarray(stylized(params, stats, wide, weights[None])[0, :height, :width])
        )
        for look, weights in zip(recipe.looks, np.eye(len(recipe.looks), dtype="f"), strict=True)
    }
