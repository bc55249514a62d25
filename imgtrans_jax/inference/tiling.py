"""Pictures of any size through a generator in tiles, with the very result of the whole picture.

A generator is local, but for its norms, which see the statistics of the whole picture. So the
network is cut there: the map that a norm takes in is computed tile by tile, its mean and variance
are gathered over all tiles, and only then the tiles go on. Maps that are small are kept meanwhile;
the large ones of the outer layers are computed again when they are needed, so that memory stays
bounded. The networks know nothing of it: their own `__call__` is traced, with a norm's input
replaced by what was kept, and what is not needed for the next cut falls away.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.extend import core
from jax.interpreters.partial_eval import dce_jaxpr

from imgtrans_jax.convolution.forms import form
from imgtrans_jax.inference.receptive_field import Apply, NotLocalError, ReceptiveFieldTracer
from imgtrans_jax.models.layers import Moments, Norm, remat
from imgtrans_jax.models.resnet import ResidualBlock

KEPT = 16
"""Maps of more floats for a pixel of the picture, or of over a quarter of the network's largest,
are not kept but computed again; the smallest are always kept, for else all of the network would be.
"""

IN_MEMORY = 2**30
"""Bytes of the largest map that is kept in memory; larger ones are in files without a name."""

Named = dict[str, Any]
Box = tuple[int, int, int, int]
"""Top, bottom, left and right of a part of the picture, in its pixels."""

_RESULT = ""  # the name of the network's result among the cuts


# --------------------------------------------------------------------------------- the network, cut


@dataclasses.dataclass(frozen=True)
class CutNetwork:
    """A network as it runs over a part of the picture, cut at its norms and residual blocks.

    Attributes:
        apply: The network.
        full: Height and width of the whole picture.
    """

    apply: Apply
    full: tuple[int, ...]

    def __call__(self, given: Named, norms: set[str] | None = None) -> Named:
        """The map at every cut, and the result.

        Args:
            given: `weights`; `window`, the part (1, h, w, C); `corner`, its place in the picture
                (2,); `maps`, which are used instead of those computed here; `statistics`, (mean,
                variance) for norms instead of the window's own.
            norms: Is filled with the names of those cuts that are norms' inputs; None if nobody
                asks.

        Returns:
            The maps by name; the result is ''.

        Raises:
            NotLocalError: If the network applies a layer twice.
        """
        cuts: Named = {}
        current = _RESULT  # the norm that is being applied

        def cut(name: str, value: jax.Array) -> jax.Array:
            if name in cuts:
                raise NotLocalError(
                    f"The network applies its layer {name} twice, and tiles do not know which is "
                    "which."
                )
            cuts[name] = value
            return given["maps"].get(name, value)

        def intercept(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            nonlocal current
            module, name = context.module, "/".join(context.module.path)
            if context.method_name != "__call__":
                return call(*args, **kwargs)
            match module:
                case Norm() if module.kind == "instance" or (module.kind == "batch" and args[1]):
                    current = name
                    if norms is not None:
                        norms.add(name)
                    return call(cut(name, args[0]), *args[1:], **kwargs)
                case Moments() if current in given["statistics"]:
                    return given["statistics"][current]
                case ResidualBlock():
                    return cut(name, call(*args, **kwargs))
                case nn.Dropout() if module.rate and not kwargs.get(
                    "deterministic", module.deterministic
                ):
                    return self._dropped(module, args[0], given)
            return call(*args, **kwargs)

        with nn.intercept_methods(intercept), remat(False):
            result = self.apply(given["weights"], given["window"])
        return cuts | {_RESULT: result}

    def _dropped(self, module: nn.Dropout, x: jax.Array, given: Named) -> jax.Array:
        """Dropout by the window's part of the whole picture's mask."""
        scale = given["window"].shape[1] // x.shape[1]
        shape = (x.shape[0], self.full[0] // scale, self.full[1] // scale, x.shape[3])
        mask = jax.random.bernoulli(module.make_rng("dropout"), 1 - module.rate, shape)
        row, column = given["corner"] // scale
        return jnp.where(
            jax.lax.dynamic_slice(mask, (0, row, column, 0), x.shape), x / (1 - module.rate), 0
        )


# ----------------------------------------------------------------------------------------- the plan


@dataclasses.dataclass(frozen=True)
class TileStep:
    """The computing of one cut's map.

    Attributes:
        target: The map's name.
        kept: The map is kept; else it serves for its statistics alone.
        uses: The maps that it is computed from.
        last_use: Those of them that no later step needs.
        halo: Pixels that a tile must see around it.
        cost: In multiplications, by which the time left is told.
    """

    target: str
    kept: bool
    uses: tuple[str, ...]
    last_use: tuple[str, ...]
    halo: int
    cost: float


class TiledNetwork:
    """A network made ready for pictures of one size, in tiles and what they must see around them;
    calling it gives what apply(weights, picture) gives.

    Args:
        apply: The network.
        weights: Its weights, whose shapes are read.
        shape: (H, W, C) of the pictures. H and W are multiples of `multiple`.
        tile: Pixels of a tile's side, rounded down to a multiple of `multiple`.
        multiple: Pixels to which tiles are aligned.

    Raises:
        NotLocalError: For a network with layers that no tile can compute alone.
    """

    def __init__(
        self, apply: Apply, weights: Any, shape: tuple[int, ...], tile: int, multiple: int
    ) -> None:
        self.flow, self.weights, self.channels, self.multiple = (
            CutNetwork(apply, shape[:2]),
            weights,
            shape[2],
            multiple,
        )
        self.tile = max(multiple, tile // multiple * multiple)
        self.norms: set[str] = set()
        self.shapes = self._shapes()
        floats = {
            name: math.prod(x.shape) / math.prod(self.flow.full) for name, x in self.shapes.items()
        }
        limit = max(
            min(KEPT, max(floats.values()) / 4), min(floats[name] for name in self.norms or floats)
        )
        self.small = [name for name in self.shapes if floats[name] <= limit or name == _RESULT]
        self._traced = functools.lru_cache(self._trace)
        self._programs: dict[str, Any] = {}
        self.steps = self._steps()
        self.cost = sum(step.cost for step in self.steps)

    def __call__(
        self,
        weights: Any,
        picture: np.ndarray,
        progress: Callable[[float], object] = lambda share: None,
        folder: Path | None = None,
    ) -> np.ndarray:
        """Applies the network.

        Args:
            weights: Of the same shapes.
            picture: (1, H, W, C) in [-1, 1].
            progress: Is told the share of the work that each tile was.
            folder: Where maps are that are too large for the memory; None for the system's own,
                which may be in the memory too.

        Returns:
            (1, kH, kW, C').
        """
        maps: Named = {}
        statistics: Named = {}
        for step in self.steps:
            program, boxes, scale = (
                self.program(step),
                list(self.boxes(step.halo)),
                self.scale(step.target),
            )
            stored = _allocate(self.shapes[step.target], folder) if step.kept else None
            sums = []
            for box, part in boxes:
                given = {
                    "weights": weights,
                    "window": picture[:, *_slices(box, 1)],
                    "corner": np.array([box[0], box[2]], np.int32),
                    "maps": {
                        name: maps[name][:, *_slices(box, self.scale(name))] for name in step.uses
                    },
                    "statistics": statistics,
                }
                value, sums_of_part = program(given, _own_masks(part, box, scale))
                if stored is not None:
                    stored[:, *_slices(part, scale)] = np.asarray(value)[
                        :, *_slices(_inside(part, box), scale)
                    ]
                sums.append(jax.device_get(sums_of_part))
                progress(step.cost / self.cost / len(boxes))
            if step.target in self.norms:
                statistics[step.target] = _merge_moments(sums)
            if stored is not None:
                maps[step.target] = stored
            for name in step.last_use:
                del maps[name]
        return maps[_RESULT]

    def _shapes(self) -> Named:
        """The shapes of all maps over the whole picture, in the order in which the network makes
        them.
        """
        names: list[str] = []

        def noted(given: Named) -> Named:
            cuts = self.flow(given, self.norms)
            names.extend(cuts)
            return cuts

        given = self._given(self.flow.full) | {"maps": {}, "statistics": {}}
        found = jax.eval_shape(noted, given)
        return {name: found[name] for name in names}

    def _given(self, size: Sequence[int]) -> Named:
        """The shapes of what `CutNetwork` takes in for a window of a size, all that it may take."""
        parts: Named = {
            "weights": jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), self.weights)
        }
        parts["window"] = jax.ShapeDtypeStruct((1, *size, self.channels), jnp.float32)
        parts["corner"] = jax.ShapeDtypeStruct((2,), jnp.int32)
        if not hasattr(self, "small"):
            return parts
        maps = {name: self.shapes[name] for name in self.small if name != _RESULT}
        parts["maps"] = {
            name: jax.ShapeDtypeStruct(
                (1, *(round(s / self.scale(name)) for s in size), x.shape[3]), x.dtype
            )
            for name, x in maps.items()
        }
        of_norm = {name: self.shapes[name].shape[3] for name in self.norms}
        parts["statistics"] = {
            name: (jax.ShapeDtypeStruct((1, 1, 1, c), jnp.float32),) * 2
            for name, c in of_norm.items()
        }
        return parts

    def scale(self, name: str) -> float:
        """How many pixels of the picture lie beside one another in one of the map: 1, 2, 4, …, or
        1/4 for an enlargement.
        """
        return self.flow.full[0] / self.shapes[name].shape[1]

    def boxes(self, halo: int) -> Iterator[tuple[Box, Box]]:
        """Windows, all of one size, and the part of each that is its own."""
        size = self._window(halo)
        starts = [range(0, side, self.tile) for side in self.flow.full]
        for top in starts[0]:
            for left in starts[1]:
                part, box = [], []
                for start, side, length in zip((top, left), self.flow.full, size, strict=True):
                    first = min(max(0, start - halo), side - length)
                    box += [first, first + length]
                    part += [start, min(start + self.tile, side)]
                yield (box[0], box[1], box[2], box[3]), (part[0], part[1], part[2], part[3])

    def _window(self, halo: int) -> tuple[int, ...]:
        return tuple(min(side, self.tile + 2 * halo) for side in self.flow.full)

    def _trace(self, size: tuple[int, ...]) -> tuple[core.ClosedJaxpr, list[str]]:
        """The whole flow over a window, and the names of its maps in the order of the jaxpr's
        results.
        """
        with form("direct"):  # of which it can be read how far a pixel reaches
            traced = jax.make_jaxpr(lambda given: self.flow(given))(self._given(size))
        return traced, sorted(self.shapes)

    def _pruned(self, target: str, size: tuple[int, ...]) -> tuple[core.ClosedJaxpr, list[bool]]:
        """What computes one map, and which of the flattened inputs it uses."""
        traced, names = self._traced(size)
        jaxpr, used = dce_jaxpr(traced.jaxpr, [name == target for name in names])
        return core.ClosedJaxpr(jaxpr, traced.consts), used

    def _steps(self) -> list[TileStep]:
        labels = [
            (path[0].key, path[1].key if path[0].key == "maps" else "")
            for path, _ in self._leaves()
        ]
        provisional = self._window(self.multiple)
        found: list[TileStep] = []
        for target in self.shapes:
            if target not in self.norms and target not in self.small:
                continue
            jaxpr, used = self._pruned(target, provisional)
            inputs = [label for label, is_used in zip(labels, used, strict=True) if is_used]
            uses = tuple(name for kind, name in inputs if kind == "maps")
            reaches = [0.0 if kind in ("window", "maps") else None for kind, _ in inputs]
            local = ReceptiveFieldTracer(provisional[0])
            reach = max(
                (r for r in local.through(jaxpr.jaxpr, reaches) if r is not None), default=0.0
            )
            # 1: no window is smaller than a network takes
            halo = max(1, math.ceil(reach / self.multiple)) * self.multiple
            pixels = math.prod(provisional) / math.prod(self.flow.full)
            found.append(
                TileStep(target, target in self.small, uses, (), halo, local.cost / pixels)
            )
        # Maps that nothing is computed from are not kept, and the others only until their last use.
        last = {name: step.target for step in found for name in step.uses}
        return [
            dataclasses.replace(
                step,
                kept=step.target in last or step.target == _RESULT,
                last_use=tuple(name for name in step.uses if last[name] == step.target),
            )
            for step in found
            if step.target in self.norms or step.target in last or step.target == _RESULT
        ]

    def _leaves(self) -> list[Any]:
        return jax.tree_util.tree_leaves_with_path(self._given(self._window(self.multiple)))

    def program(
        self, step: TileStep
    ) -> Callable[[Named, tuple[np.ndarray, np.ndarray]], tuple[jax.Array, Any]]:
        """The compiled computing of a step: what `CutNetwork` is given, and the marks of the tile's
        own rows and columns -> the window's map, and of the marked part count, mean and sum of
        squared differences from it, by channel.
        """
        jaxpr, used = self._pruned(step.target, self._window(step.halo))
        # Blocks of one form are one program: its text names everything but the values that it is
        # given.
        text = re.sub(r" at 0x[0-9a-f]+", "", str(jaxpr.jaxpr))
        if jaxpr.consts or text not in self._programs:
            function = core.jaxpr_as_fun(jaxpr)

            def run(
                inputs: list[jax.Array], rows: jax.Array, columns: jax.Array
            ) -> tuple[jax.Array, Any]:
                (value,) = function(*inputs)
                return value, _sums(value, rows[None, :, None, None] * columns[None, None, :, None])

            self._programs[text] = jax.jit(run)
        compiled = self._programs[text]
        wanted = [path for (path, _), is_used in zip(self._leaves(), used, strict=True) if is_used]

        def call(given: Named, marks: tuple[np.ndarray, np.ndarray]) -> tuple[jax.Array, Any]:
            return compiled([_at(given, path) for path in wanted], *marks)

        return call


def _at(tree: Any, path: Sequence[Any]) -> Any:
    for key in path:
        tree = tree[key.key if hasattr(key, "key") else key.idx]
    return tree


# ----------------------------------------------------------------------------- maps, boxes and sums


def _allocate(like: Any, folder: Path | None) -> np.ndarray:
    """Space for a map of the whole picture: in memory, or a large one in a file of the folder,
    which has no name and is gone when the map is, or the program, however it ends.
    """
    size = math.prod(like.shape) * like.dtype.itemsize
    if size <= IN_MEMORY:
        return np.empty(like.shape, like.dtype)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            # a full disk is an error here, and not a crash later
            os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, like.dtype, "w+", shape=like.shape)


def _slices(box: Box, scale: float) -> tuple[slice, slice]:
    top, bottom, left, right = (round(side / scale) for side in box)
    return slice(top, bottom), slice(left, right)


def _inside(part: Box, box: Box) -> Box:
    return part[0] - box[0], part[1] - box[0], part[2] - box[2], part[3] - box[2]


def _own_masks(part: Box, box: Box, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """1 for the rows, and for the columns, of a window's map that are its own, 0 for the others."""
    marks = []
    for own, length in zip(
        _slices(_inside(part, box), scale), (box[1] - box[0], box[3] - box[2]), strict=True
    ):
        marks.append(np.zeros(round(length / scale), np.float32))
        marks[-1][own] = 1
    return marks[0], marks[1]


def _sums(x: jax.Array, marks: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    count = jnp.sum(marks)
    mean = jnp.sum(wide * marks, axis=(0, 1, 2)) / count
    return count, mean, jnp.sum(jnp.square(wide - mean) * marks, axis=(0, 1, 2))


def _merge_moments(
    sums: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (1, 1, 1, C) of all parts from those of each (Chan, Golub and LeVeque
    1983), in float64.
    """
    counts, means, squares = (
        np.stack([np.asarray(s, np.float64) for s in column]) for column in zip(*sums, strict=True)
    )
    counts = counts[:, None]
    mean = (counts * means).sum(0) / counts.sum()
    variance = (squares.sum(0) + (counts * np.square(means - mean)).sum(0)) / counts.sum()
    shape = (1, 1, 1, mean.size)
    return mean.astype(np.float32).reshape(shape), variance.astype(np.float32).reshape(shape)
