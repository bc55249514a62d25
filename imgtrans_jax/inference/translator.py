"""A trained generator ready for pictures, whole or in tiles. Imports config, io, runtime and
`tiling`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from imgtrans_jax import models
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.inference.drawings import Fills, LineDrawings, Lines, Paper
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.receptive_field import NotLocalError, largest_map
from imgtrans_jax.inference.tiling import TiledNetwork
from imgtrans_jax.io import images
from imgtrans_jax.methods.base import new_game
from imgtrans_jax.models.style_network import StyleNetwork
from imgtrans_jax.runtime import memory
from imgtrans_jax.runtime.target import platform
from imgtrans_jax.types import Direction, UserError

TestMode = Literal["paper", "eval"]

WHOLE_AT_MOST = 2 * 2**30
"""Bytes; on a CPU a picture whose maps would need more goes through the network in tiles."""

TILE = 512
"""Pixels a side of a tile, unless --tile says otherwise: larger ones are slower, for they leave a
CPU's caches.
"""

SMALLEST = 16
"""Pixels a side that a network sees at least; smaller pictures are mirrored to it."""

# of the largest one are in memory at once, as the compiler reports for the networks here
_MAPS = 2.5

# pixels of pictures of one size that go through the network at once, if the memory takes them
_BATCH = {"cpu": 2**19}
_BATCH_ELSEWHERE = 2**23

_OF_OWN_SIZE = 16  # pictures at once, where these are brought to a size that the method knows


class Translation:
    """A trained generator in one direction: (N, H, W, C) inputs -> outputs in [-1, 1], each picture
    by itself, compiled once for every shape. H and W are multiples of `multiple`.

    Args:
        loaded: The generator.
        direction: Of the translation.
        test_mode: Instead of the recipe's, where it has one; None for the recipe's.
        look: Instead of the recipe's, where it has several: a name, or names with weights
            ("wave:0.6, chalk:0.4"); None for the recipe's.
        lines: `keep` lays a drawing's own ink over the result; None: of a network that learned from
            line drawings.
        paper: `clean` takes the light of a drawing's paper out; None: of a network that learned
            from line drawings, where it is not white.
        fills: `flat` gives every shape that lines close one colour; None: of a network that learned
            from line drawings.

    Raises:
        UserError: For a direction, a mode or a look that the recipe has not got, or one that makes
            pictures from nothing.
    """

    def __init__(
        self,
        loaded: TrainedGenerator,
        direction: Direction = "a2b",
        test_mode: TestMode | None = None,
        look: str | None = None,
        lines: Lines | None = None,
        paper: Paper | None = None,
        fills: Fills | None = None,
    ) -> None:
        recipe = loaded.experiment.recipe
        if not recipe.directions:
            raise UserError(
                f"A {type(recipe).__name__} run makes pictures from nothing: imgtrans generate RUN "
                "does that."
            )
        if direction not in recipe.directions:
            known = " and ".join(recipe.directions)
            other = "give one of them" if len(recipe.directions) > 1 else "leave `direction` out"
            raise UserError(f"This generator knows {known}, and no direction {direction}; {other}.")
        for name, value in (("test_mode", test_mode), ("look", look)):
            if value is not None:
                if not isinstance(value, str):
                    raise UserError(f"`{name}` is {value!r}; it must be a text.")
                if getattr(recipe, name) is None:
                    raise UserError(f"A {type(recipe).__name__} run has no `{name}`; leave it out.")
                recipe = dataclasses.replace(recipe, **{name: value})  # type: ignore[type-var]
                new_game(recipe)  # which refuses what it has not got
        self.experiment, self.direction = loaded.experiment, direction
        self.best_size = loaded.best_size
        expected = loaded.experiment.data.takes_line_drawings(direction)
        self.drawings = _line_drawings(expected, lines, paper, fills)
        network = recipe.generator
        # one of the user's own that names no base: as most are
        known = network if isinstance(network, models.Generator) else models.Generator()
        self.multiple, self.channels = known.multiple, known.channels
        self.smallest = max(self.multiple, SMALLEST)
        self.has_own_size = recipe.has_own_size
        if self.has_own_size:
            self.multiple = self.smallest = 1
        self.weights = jax.device_put({"params": loaded.params, "stats": loaded.stats})
        self.function = lambda weights, x: recipe.translate(
            weights["params"], weights["stats"], x, direction
        )
        # in tiles grain and register are parts of the picture, and none of every tile's
        self.prepared: Callable[[np.ndarray], np.ndarray] = lambda x: x
        local = recipe
        if isinstance(network, StyleNetwork):
            self.prepared = lambda x: np.asarray(network.prepared(jnp.asarray(x)))
            plain = network.clone(register=0.0, grain=0.0)
            local = dataclasses.replace(recipe, generator=plain)
        self.local = lambda weights, x: local.translate(
            weights["params"], weights["stats"], x, direction
        )
        self._plan: tuple[Any, ...] = ()  # the last shape, tile, and the plan for them
        # In pix2pix's mode `paper` a picture's batch statistics are its own, whatever it is in one
        # batch with.
        self.whole = jax.jit(
            lambda weights, x: jax.vmap(lambda one: self.function(weights, one[None])[0])(x)
        )

    def __call__(self, x: np.ndarray) -> jax.Array:
        return self.whole(self.weights, x)

    def padded(self, x: np.ndarray, tile: int | None = None) -> np.ndarray:
        """The same for any height and width: mirrored outwards to what the network takes, and cut
        back.

        Args:
            x: (N, H, W, C) in [-1, 1].
            tile: Works in tiles of so many pixels; None for whole pictures, or tiles of TILE if the
                memory does not take them whole.

        Returns:
            (N, kH, kW, C') in [-1, 1], k the network's factor.

        Raises:
            UserError: As `in_tiles` does.
        """
        wide = images.pad_to_multiple(x, self.multiple, self.smallest)
        tile = tile or self.tile_for(*wide.shape[1:])
        result = (
            np.asarray(self(wide))
            if not tile
            else np.concatenate([self.in_tiles(one[None], tile) for one in wide])
        )
        enlarged = result.shape[1] // wide.shape[1]
        return result[:, : enlarged * x.shape[1], : enlarged * x.shape[2]]

    def of_pixels(
        self, pictures: np.ndarray, size: int | None = None, tile: int | None = None
    ) -> np.ndarray:
        """The translations of pictures of any size.

        Args:
            pictures: (N, H, W, C), uint8 or float32 in [0, 1].
            size: What the network sees has its shorter side at so many pixels; None for the
                pictures' own, or what `size_for` says.
            tile: As for `padded`.

        Returns:
            Of the same type and size, times the network's factor.

        Raises:
            UserError: If the memory does not take it.
        """
        height, width = pictures.shape[1:3]
        size = size or self.size_for(min(height, width))
        scale = size / min(height, width) if size else 1.0
        seen = max(1, round(height * scale)), max(1, round(width * scale))
        check_memory("The picture", *seen)
        data = self.experiment.data
        read = [self.drawings.read(picture) for picture in pictures]
        resized = [images.to_signed(self.drawings.resize(picture, *seen)) for picture in read]
        inputs = np.stack([data.encode_input(picture) for picture in resized])
        made = self.padded(inputs, tile)
        factor = made.shape[1] // seen[0]
        if factor == 1:
            made = data.decode_output(inputs, made)
        deep = pictures.dtype != np.uint8
        made = [(one + 1) / 2 if deep else images.to_uint8(one) for one in made]
        large = [images.resize(one, factor * height, factor * width) for one in made]
        return np.stack(list(map(self.drawings.finish, large, read)))

    @property
    def gives_arrays(self) -> bool:
        """Whether its results have other channels than a picture can have."""
        return not self.experiment.data.shows_pictures and self.channels not in (1, 3, 4)

    def size_for(self, shorter: int) -> int | None:
        """What a picture is worked at unless the user says otherwise: the one size that a U-Net
        knows which reduces its training pictures to one pixel, or that which a finished network is
        best at, for pictures that are larger by a quarter.

        Args:
            shorter: Pixels of the picture's shorter side.

        Returns:
            Pixels of the shorter side; None for the picture's own.
        """
        trained_at = self.experiment.data.cut.crop_size
        if self.multiple >= trained_at > 0:
            return trained_at
        return self.best_size if self.best_size and shorter > 1.25 * self.best_size else None

    def in_tiles(
        self,
        x: np.ndarray,
        tile: int,
        progress: Callable[[float], object] = lambda share: None,
        folder: Path | None = None,
    ) -> np.ndarray:
        """The same for one picture, with bounded memory.

        Args:
            x: (1, H, W, C) in [-1, 1]; H and W are multiples of `multiple`.
            tile: Pixels of a tile's side.
            progress: Is told the share of the work that each tile was.
            folder: For large maps, which are in files; None for the system's own.

        Returns:
            (1, kH, kW, C') in [-1, 1].

        Raises:
            UserError: For a network that has no tiles.
        """
        if self.has_own_size:
            raise UserError("This run works at a size of its own, not in tiles; leave `tile` out.")
        height = x.shape[1]
        x = self.prepared(x)
        if self._plan[:2] != (x.shape, tile):
            try:
                self._plan = (
                    x.shape,
                    tile,
                    TiledNetwork(self.local, self.weights, x.shape[1:], tile, self.multiple),
                )
            except NotLocalError as error:
                raise UserError(f"{error} Leave `tile` out, or use a smaller `size`.") from None
        made = self._plan[2](self.weights, x, progress, folder)
        return made[:, : made.shape[1] // x.shape[1] * height]  # without the register

    def tile_for(self, height: int, width: int, channels: int) -> int | None:
        """The tile that a picture needs here.

        Args:
            height: In pixels.
            width: In pixels.
            channels: Of the network's input.

        Returns:
            Pixels of the tile's side; None if the memory takes the picture whole.
        """
        return None if self._memory_takes(height, width, channels) >= 1 else TILE

    def at_once(self, height: int, width: int, channels: int) -> int:
        """How many pictures of a size go through the network together.

        Args:
            height: In pixels.
            width: In pixels.
            channels: Of the network's input.

        Returns:
            1 or more.
        """
        pixels = _BATCH.get(platform(), _BATCH_ELSEWHERE)
        return max(
            1, min(pixels // (height * width), int(self._memory_takes(height, width, channels)))
        )

    def _memory_takes(self, height: int, width: int, channels: int) -> float:
        """How many pictures of this size the memory of the device takes at once."""
        if self.has_own_size:
            return _OF_OWN_SIZE
        side = max(self.multiple, 64)
        largest = self._largest(side, channels) * (height * width) / side**2
        free = memory.free() or 2 * WHOLE_AT_MOST
        allowed = min(WHOLE_AT_MOST, free // 2) if platform() == "cpu" else free // 2
        return allowed / (_MAPS * largest)

    @functools.cache  # noqa: B019  (there is one of it in a program)
    def _largest(self, side: int, channels: int) -> int:
        return largest_map(self.function, self.weights, (side, side, channels))


def _line_drawings(
    expected: bool, lines: Lines | None, paper: Paper | None, fills: Fills | None
) -> LineDrawings:
    """What is done about lines and paper: what is asked for, or what suits the network."""
    for name, value, known in (
        ("lines", lines, Lines),
        ("paper", paper, Paper),
        ("fills", fills, Fills),
    ):
        if value is not None and value not in get_args(known):
            choices = " or ".join(get_args(known))
            raise UserError(f"`{name}` is {value!r}; it must be {choices}.")
    return LineDrawings(
        expected if lines is None else lines == "keep",
        (None if expected else False) if paper is None else paper == "clean",
        expected if fills is None else fills == "flat",
        expected,
    )


def generator(
    run: str | Path, direction: Direction, trust_code: bool = False
) -> tuple[Translation, Experiment]:
    """The translation by a run or a file, and its experiment.

    Args:
        run: A run, or a file of a generator.
        direction: Of the translation.
        trust_code: Runs the code outside imgtrans_jax that the run names.

    Returns:
        The translation, and the experiment.

    Raises:
        UserError: As `load_generator` and `Translation` do.
    """
    loaded = load_generator(run, trust_code)
    return Translation(loaded, direction), loaded.experiment


def check_sizes(size: int | None, tile: int | None) -> None:
    """Refuses sides that no network works at.

    Args:
        size: The shorter side that is worked at, in pixels; None for any.
        tile: The side of a tile; None for no tiles.

    Raises:
        UserError: For one that is no whole number, or under 8.
    """
    for name, value in (("size", size), ("tile", tile)):
        if value is None:
            continue
        if not isinstance(value, int):
            raise UserError(f"`{name}` is {value!r}; it must be a whole number of pixels.")
        if value < images.MIN_SIDE:
            raise UserError(
                f"`{name}={value}` pixels is too small; give {images.MIN_SIDE} or more."
            )


def check_memory(name: str, height: int, width: int) -> None:
    """Before a size is tried that would fill the memory with the picture alone.

    Args:
        name: Of the picture, for the error.
        height: In pixels, as it is worked at.
        width: The same.

    Raises:
        UserError: If there is less free.
    """
    # input, padded input and result as float32, and a copy of it
    needed, free = 40 * height * width, memory.free()
    if free is not None and needed > free:
        raise UserError(
            f"{name} would be worked at {width}x{height}, which needs {needed / 2**30:.0f} "
            f"GB of memory and {free / 2**30:.0f} GB are free: give a smaller `size`."
        )
