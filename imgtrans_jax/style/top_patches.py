"""Which patches of pictures excite each channel most (Zeiler and Fergus 2014). Imports
`experiments`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from imgtrans_jax.io import images, results
from imgtrans_jax.io.files import refuse_inputs
from imgtrans_jax.models.vgg import MEAN, VGG, Depth, receptive_field, stands_in
from imgtrans_jax.runtime.console import reraise_as_user_error, say_here
from imgtrans_jax.style.experiments import grid_target, load_network, write_grid
from imgtrans_jax.style.gatys import apply
from imgtrans_jax.style.workspace import unit
from imgtrans_jax.types import UserError, Weights


@dataclasses.dataclass(frozen=True)
class TopPatches:
    """The nine patches, of a folder of pictures, that excite a unit most (Zeiler and Fergus 2014,
    figure 2), layer by layer.

    A patch is exactly what the unit sees: its receptive field, filled with ImageNet's mean colour
    beyond the picture, where the network sees zeros. Each comes from another picture.

    Attributes:
        weights: The network: `embedded` (VGG-16), `vgg16`, `vgg19`, or a file of either.
        layers: By name.
        units: So many of each layer, drawn by the seed among those that react to nine pictures.
        side: Pictures are cut to a square of so many pixels.
        patch: Pixels of a patch's side in the grid.
        seed: Of the units that are drawn.
    """

    weights: Weights = "embedded"
    layers: tuple[str, ...] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
    units: int = 6
    side: int = 224
    patch: int = 64
    seed: int = 0

    def run(self, folder: str | Path, out: str | Path, overwrite: bool = False) -> list[Path]:
        """Shows the patches of a folder's pictures.

        Args:
            folder: At least nine pictures.
            out: The file to write if it ends like a picture's name, else a folder for grid.png.
            overwrite: Replaces a file that is there.

        Returns:
            The file written.

        Raises:
            UserError: For pictures, settings or an `out` that cannot be used.
        """
        target = grid_target(out, overwrite, self.weights)
        refuse_inputs(
            [target], (path for path in images.list_pictures(folder) if not results.is_one(path))
        )
        paths = results.inputs_of(Path(folder), target)
        depth, params = load_network(self.weights)
        with reraise_as_user_error():
            layers = tuple(stands_in(layer, depth) for layer in self.layers)
        pictures, strongest = _responses(VGG(depth, layers), params, paths, self.side)
        if len(pictures) < 9:
            raise UserError(
                f"{folder} has {len(pictures)} pictures that can be read; nine patches of a unit "
                "need nine."
            )
        rows, captions = [], []
        for layer in layers:
            values, places, columns = strongest[layer]
            alive = np.flatnonzero(np.sort(values, axis=0)[-9] > 0)
            units = np.sort(np.random.default_rng(self.seed).permutation(alive)[: self.units])
            row = []
            for number in units:
                best = np.argsort(-values[:, number], kind="stable")[:9]
                patches = []
                for i in best:
                    y, x = divmod(int(places[i, number]), columns)
                    patches.append(
                        images.resize(
                            field(pictures[i], layer, depth, y, x), self.patch, self.patch
                        )
                    )
                row.append(images.grid([patches[k : k + 3] for k in (0, 3, 6)], gap=1))
            rows.append(row)
            side = receptive_field(layer, depth)[0]
            captions.append([f"{layer} unit {number}, {side} px" for number in units])
        title = (
            f"The nine patches that excite a unit of VGG-{depth} most, of {len(pictures)} pictures"
        )
        return write_grid(target, paths[0], rows, captions, title)


def field(picture: np.ndarray, layer: str, depth: Depth, y: int, x: int) -> np.ndarray:
    """What one unit of a layer sees of the picture.

    Args:
        picture: (H, W, 3) uint8, as the network saw it.
        layer: By name.
        depth: Of the network, 16 or 19.
        y: The unit's row in the layer's map.
        x: The unit's column in the layer's map.

    Returns:
        (side, side, 3) uint8, `side` the receptive field; beyond the picture it has the mean
        colour.
    """
    side, distance, center = receptive_field(layer, depth)
    top, left = (round(center + i * distance - (side - 1) / 2) for i in (y, x))
    patch = np.empty((side, side, 3), np.uint8)
    patch[:] = images.unit_to_uint8(np.array(MEAN))
    rows, columns = (
        slice(max(0, start), min(start + side, size))
        for start, size in zip((top, left), picture.shape, strict=False)
    )
    patch[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = picture[
        rows, columns
    ]
    return patch


def _responses(
    network: VGG, params: Any, paths: list[Path], side: int
) -> tuple[list[np.ndarray], dict[str, tuple[np.ndarray, np.ndarray, int]]]:
    """The pictures as they were shown, and for each layer the largest response (N, C), where (N,
    C), and the map's width.
    """

    @jax.jit
    def largest(params: Any, batch: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
        flat = {
            name: f.reshape(f.shape[0], -1, f.shape[-1])
            for name, f in apply(network, params, batch).items()
        }
        return {name: (jnp.max(f, axis=1), jnp.argmax(f, axis=1)) for name, f in flat.items()}

    pictures = []
    for path in tqdm(paths, desc="Reading", unit="picture", delay=2, disable=None):
        try:
            pictures.append(
                images.resize(
                    _square(images.unit_to_uint8(unit(images.read_picture(path)))), side, side
                )
            )
        except UserError as error:
            say_here(f"Left out: {error}")
    if not pictures:
        raise UserError(f"None of the pictures can be read; the first is {paths[0]}.")
    found: list[dict[str, tuple[np.ndarray, np.ndarray]]] = []
    for start in tqdm(
        range(0, len(pictures), 8), desc="Looking", unit="batch", delay=2, disable=None
    ):
        batch = np.stack(pictures[start : start + 8]).astype(np.float32) / 255
        padded = np.concatenate([batch, np.zeros((8 - len(batch), *batch.shape[1:]), np.float32)])
        kept = jax.tree.map(lambda x, n=len(batch): np.asarray(x)[:n], largest(params, padded))
        found.append(kept)
    shapes = jax.eval_shape(
        lambda x: apply(network, params, x), jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    )
    joined = {
        name: (
            *(np.concatenate([batch[name][k] for batch in found]) for k in (0, 1)),
            shapes[name].shape[2],
        )
        for name in shapes
    }
    return pictures, joined  # type: ignore[return-value]


def _square(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    return picture[top : top + size, left : left + size]
