"""Looking into the network: three experiments, each a config whose `run` writes one labelled
picture."""

from __future__ import annotations

import dataclasses
import functools
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from imgtrans_jax.io import images, results
from imgtrans_jax.io.files import make_folder, refuse_existing, refuse_inputs
from imgtrans_jax.losses.style import content_mean, style_mean, style_relative
from imgtrans_jax.models.vgg import Depth, Pooling, layer_names, stands_in
from imgtrans_jax.optim.pixels import LBFGS, PixelOptimizer
from imgtrans_jax.runtime import memory
from imgtrans_jax.runtime.console import reraise_as_user_error, say_here
from imgtrans_jax.style.gatys import Gatys
from imgtrans_jax.style.optimize import lower_step, optimize_image, optimize_many
from imgtrans_jax.style.workspace import Progress, compiled_for, lowered_for, to_area, unit
from imgtrans_jax.types import UserError, Weights
from imgtrans_jax.weights.vgg import load_vgg


@dataclasses.dataclass(frozen=True)
class ContentReconstruction:
    """What each layer still knows of a picture: from noise to the layer's features of it (Gatys et
    al. 2016, figure 1).

    Attributes:
        weights: The network: `embedded` (VGG-16), `vgg16`, `vgg19`, or a file of either.
        layers: By name; where the network lacks one, the deepest of its block stands in.
        side: Pixels of the picture's longer side.
        steps: Gradient evaluations for each layer.
        optimizer: Of the pixels.
        seed: Of the noise.
    """

    weights: Weights = "embedded"
    layers: tuple[str, ...] = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")
    side: int = 256
    steps: int = 200
    optimizer: PixelOptimizer = LBFGS()
    seed: int = 0

    def run(self, content: str | Path, out: str | Path, overwrite: bool = False) -> list[Path]:
        """Rebuilds a picture from each layer.

        Args:
            content: A picture, whose longer side becomes `side` pixels.
            out: The file to write if it ends like a picture's name, else a folder for grid.png.
            overwrite: Replaces a file that is there.

        Returns:
            The file written.

        Raises:
            UserError: For a picture, settings or an `out` that cannot be used.
        """
        target = grid_target(out, overwrite, content, self.weights)
        picture = _to_side(content, self.side)
        depth, params = load_network(self.weights)
        layers, note = _stand_ins(self.layers, depth)
        rows = [images.unit_to_uint8(picture)]
        for layer in layers:
            recipe = Gatys(
                content_layers=(layer,),
                content_weight=1.0,
                style_weight=0.0,
                laplacian_weight=0.0,
                optimizer=self.optimizer,
            )
            with reraise_as_user_error():
                wanted = jax.jit(functools.partial(recipe.content_targets, depth))(
                    params, picture[None]
                )
            noise = np.random.default_rng(self.seed).uniform(size=picture.shape).astype(np.float32)
            found = _optimized(
                recipe, depth, {"params": params, "content": wanted}, noise, self.steps
            )
            rows.append(images.unit_to_uint8(found))
        title = (
            f"{Path(content).name} rebuilt from noise by what one layer of VGG-{depth} knows "
            f"of it, {self.steps} steps{note}"
        )
        return write_grid(target, content, [rows], [["the picture", *layers]], title)


@dataclasses.dataclass(frozen=True)
class BrushStrokes:
    """What each layer takes for style: from faint noise to one layer's Gram matrix of a painting,
    with no content.

    From white noise at full size the deep layers, which see it as nearly nothing, would leave most
    of it as it is, and no stroke would be seen.

    Attributes:
        weights: The network: `embedded` (VGG-16), `vgg16`, `vgg19`, or a file of either.
        layers: By name; where the network lacks one, the deepest of its block stands in.
        side: Pixels of the painting's longer side.
        scales: Sizes to go through, relative to the last.
        steps: Gradient evaluations at each size.
        pooling: As in `Gatys`.
        noise: Standard deviation of the noise about the mean colour, in [0, 1].
        columns: Pictures in a row of the grid.
        optimizer: Of the pixels.
        seed: Of the noise.
    """

    weights: Weights = "embedded"
    layers: tuple[str, ...] = (
        "conv2_2", "conv3_1", "conv3_2", "conv3_3",
        "conv4_1", "conv4_3", "conv4_4", "conv5_1", "conv5_4",
    )  # fmt: skip
    side: int = 256
    scales: tuple[float, ...] = (0.5, 1.0)
    steps: tuple[int, ...] = (150, 100)
    pooling: Pooling = "average"
    noise: float = 0.03
    columns: int = 5
    optimizer: PixelOptimizer = LBFGS()
    seed: int = 0

    def run(self, style: str | Path, out: str | Path, overwrite: bool = False) -> list[Path]:
        """Draws the strokes of each layer; returns the file written.

        Args:
            style: A picture, whose longer side becomes `side` pixels.
            out: The file to write if it ends like a picture's name, else a folder for grid.png.
            overwrite: Replaces a file that is there.

        Raises:
            UserError: For a picture, settings or an `out` that cannot be used.
        """
        target = grid_target(out, overwrite, style, self.weights)
        if (
            len(self.scales) != len(self.steps)
            or not self.scales
            or min(*self.scales, *self.steps) <= 0
        ):
            raise UserError(
                f"config.scales has {len(self.scales)} entries and config.steps "
                f"{len(self.steps)}; give a number of steps above 0 for each scale."
            )
        picture = _to_side(style, self.side)
        depth, params = load_network(self.weights)
        layers, note = _stand_ins(self.layers, depth)
        found = [images.unit_to_uint8(picture)]
        for layer in layers:
            recipe = Gatys(
                style_layers=(layer,),
                style_loss=style_relative,
                content_weight=0.0,
                laplacian_weight=0.0,
                pooling=self.pooling,
                optimizer=self.optimizer,
            )
            image = None
            for scale, steps in zip(self.scales, self.steps, strict=True):
                height, width = (
                    round(side * scale / self.scales[-1]) for side in picture.shape[:2]
                )
                painting = images.resize(picture, height, width)
                if image is None:
                    draws = np.random.default_rng(self.seed).normal(size=painting.shape)
                    image = np.clip(picture.mean(axis=(0, 1)) + self.noise * draws, 0, 1).astype(
                        np.float32
                    )
                with reraise_as_user_error():
                    wanted = jax.jit(functools.partial(recipe.style_targets, depth))(
                        params, [painting[None]], [1.0]
                    )
                frozen = {"params": params, "styles": (wanted,)}
                image = _optimized(
                    recipe, depth, frozen, images.resize(image, height, width), steps
                )
            assert image is not None, "there is a scale"
            found.append(images.unit_to_uint8(image))
        title = (
            f"Brush strokes of {Path(style).name}: from noise, by the Gram matrix of one "
            f"layer of VGG-{depth}{note}"
        )
        names = ["the painting", *layers]
        rows = [slice(i, i + self.columns) for i in range(0, len(found), self.columns)]
        return write_grid(target, style, [found[r] for r in rows], [names[r] for r in rows], title)


@dataclasses.dataclass(frozen=True)
class WeightRatios:
    """How much style for how much content: one transfer for each ratio style_weight /
    content_weight, content_weight 1.

    The losses are means: of the squared difference of features, and of Gram matrices divided by
    their channels and positions.

    Attributes:
        weights: The network: `embedded` (VGG-16), `vgg16`, `vgg19`, or a file of either.
        ratios: Of the weights, each above 0.
        content_layer: By name.
        style_layers: By name.
        side: Pixels of both pictures' longer side.
        steps: Gradient evaluations for each ratio.
        side_by_side: All ratios in one program; None where the memory is enough for it.
        optimizer: Of the pixels.
    """

    weights: Weights = "embedded"
    ratios: tuple[float, ...] = (1.0, 1e3, 1e6, 1e9)
    content_layer: str = "relu4_2"
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    side: int = 256
    steps: int = 100
    side_by_side: bool | None = None
    optimizer: PixelOptimizer = LBFGS()

    def run(
        self, content: str | Path, style: str | Path, out: str | Path, overwrite: bool = False
    ) -> list[Path]:
        """Prints the table of weighted losses, and returns the file written. Raises UserError.

        Args:
            content: A picture, whose longer side becomes `side` pixels.
            style: A picture, whose longer side becomes `side` pixels.
            out: The file to write if it ends like a picture's name, else a folder for grid.png.
            overwrite: Replaces a file that is there.
        """
        target = grid_target(out, overwrite, content, style, self.weights)
        if min(self.ratios, default=0) <= 0:
            raise UserError("config.ratios must be above 0.")
        picture, painting = _to_side(content, self.side), _to_side(style, self.side)
        depth, params = load_network(self.weights)
        recipe = Gatys(
            content_layers=(self.content_layer,),
            style_layers=self.style_layers,
            content_loss=content_mean,
            style_loss=style_mean,
            content_weight=1.0,
            laplacian_weight=0.0,
            optimizer=self.optimizer,
        )
        with reraise_as_user_error():
            frozen = {
                "params": params,
                "content": jax.jit(functools.partial(recipe.content_targets, depth))(
                    params, picture[None]
                ),
                "styles": (
                    jax.jit(functools.partial(recipe.style_targets, depth))(
                        params, [painting[None]], [1.0]
                    ),
                ),
                "shares": (jnp.float32(1),),
                "masks": (),
            }
        found, terms = self._optimize(recipe, depth, picture, frozen)
        captions = [
            f"ratio {r:g}: content {c:.3g}, style {s:.3g}"
            for r, c, s in zip(self.ratios, *terms, strict=True)
        ]
        say_here(
            f"{'ratio':>8}  {'content loss':>14}  {'style loss':>14}   (weighted, after "
            f"{self.steps} evaluations)"
        )
        for ratio, c, s in zip(self.ratios, *terms, strict=True):
            say_here(f"{ratio:>8g}  {c:>14.6g}  {s:>14.6g}")
        title = (
            f"{Path(content).name} in the style of {Path(style).name}: VGG-{depth}, "
            f"{self.steps} steps"
        )
        return write_grid(
            target,
            content,
            [found[i : i + 2] for i in range(0, len(found), 2)],
            [captions[i : i + 2] for i in range(0, len(found), 2)],
            title,
        )

    def _optimize(
        self, recipe: Gatys, depth: Depth, picture: np.ndarray, frozen: dict[str, Any]
    ) -> tuple[list[np.ndarray], tuple[list[float], list[float]]]:
        """The pictures, and their content and style terms at the best evaluation."""
        objective, image = recipe.objective(depth), jnp.asarray(picture[None])
        weights = {
            "content": jnp.ones(len(self.ratios)),
            "style": jnp.array(self.ratios, jnp.float32),
        }
        progress = Progress([(picture.shape[:2], self.steps)] * len(self.ratios))
        together = self.side_by_side
        if together is None:
            alone = lower_step(
                objective, image, frozen | {"weights": _at(weights, 0)}, self.optimizer, self.steps
            ).compile()
            together = len(self.ratios) * memory.needed(alone) < 0.8 * (memory.free() or math.inf)
        if together:
            return self._side_by_side(objective, image, frozen, weights)
        pictures, content, style = [], [], []
        for i in range(len(self.ratios)):
            own = frozen | {"weights": _at(weights, i)}
            found = optimize_image(
                objective,
                image,
                own,
                self.optimizer,
                self.steps,
                watch=progress,
                each=progress.each,
            )
            progress.ended()
            if found.diverged is not None:
                kept = f"the best picture, of step {found.best_at + 1}, was kept"
                say_here(
                    f"Ratio {self.ratios[i]:g}: the loss exploded by step {found.diverged}; {kept}."
                )
            pictures.append(images.unit_to_uint8(np.asarray(found.image[0])))
            content.append(float(found.history["content"][found.best_at]))
            style.append(float(found.history["style"][found.best_at]))
        return pictures, (content, style)

    def _side_by_side(
        self, objective: Any, image: jax.Array, frozen: dict[str, Any], weights: dict[str, Any]
    ) -> tuple[list[np.ndarray], tuple[list[float], list[float]]]:
        """The same, all ratios in one program."""
        say_here(f"{len(self.ratios)} ratios side by side.")
        bar = tqdm(total=self.steps, unit="step", delay=2)
        best, history = optimize_many(
            objective,
            image,
            frozen,
            {"weights": weights},
            self.optimizer,
            self.steps,
            watch=lambda n: bar.update(n - bar.n),
        )
        bar.close()
        totals = np.where(np.isfinite(history["total"]), history["total"], np.inf)
        at, every = np.argmin(totals, axis=0), range(len(self.ratios))
        content, style = (
            [float(history[name][at[i], i]) for i in every] for name in ("content", "style")
        )
        return [images.unit_to_uint8(np.asarray(best[i, 0])) for i in every], (content, style)


def load_network(weights: str) -> tuple[Depth, Any]:
    depth, params = load_vgg(weights)
    return depth, jax.device_put(params)


def _stand_ins(layers: tuple[str, ...], depth: Depth) -> tuple[list[str], str]:
    """The layers of this network, each once, and a note for the title where another one stood
    in.
    """
    with reraise_as_user_error():
        own = list(dict.fromkeys(stands_in(layer, depth) for layer in layers))
    missing = [layer for layer in layers if layer not in layer_names(depth)]
    return (
        own,
        f" ({', '.join(missing)} of VGG-19: the deepest layer of the block stands in)"
        if missing
        else "",
    )


def _to_side(path: str | Path, side: int) -> np.ndarray:
    """The picture with its longer side at `side` pixels, unit float32."""
    picture = unit(images.read_picture(path))
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if min(height, width) * scale < 32:
        raise UserError(
            f"{path} is {width}x{height}, which is too narrow; its shorter side would be under 32 "
            "pixels."
        )
    return to_area(picture, height * width * scale**2)


def _at(weights: dict[str, jax.Array], i: int) -> dict[str, jax.Array]:
    return {name: values[i] for name, values in weights.items()}


def _optimized(
    recipe: Gatys, depth: Depth, frozen: dict[str, Any], image: np.ndarray, steps: int
) -> np.ndarray:
    """(H, W, 3): what a recipe of one layer makes of an image."""
    (layer,) = recipe.content_layers if recipe.content_weight else recipe.style_layers
    height, width = image.shape[:2]
    weights = {name: jnp.float32(weight) for name, weight in recipe.weighting().items()}
    frozen = {
        "content": {},
        "styles": (),
        "shares": (jnp.float32(1),),
        "masks": (),
        "weights": weights,
    } | frozen
    with reraise_as_user_error():
        objective = recipe.objective(depth)
    say_here(f"{layer}:")
    progress, optimizer = Progress([((height, width), steps)]), recipe.optimizer
    step = lowered_for(objective, image[None], frozen, optimizer, steps)
    compiled = compiled_for(step, height, width)
    found = optimize_image(
        objective,
        image[None],
        frozen,
        optimizer,
        steps,
        watch=progress,
        each=progress.each,
        compiled=compiled,
    )
    return np.asarray(found.image[0])


def grid_target(out: str | Path, overwrite: bool, *inputs: str | Path) -> Path:
    """The file to write, before any work.

    Args:
        out: The file if it ends like a picture's name, else a folder for grid.png.
        overwrite: Replaces a file that is there.
        *inputs: Files that are read.

    Returns:
        The file's path.

    Raises:
        UserError: If the file is there and may not be replaced, or is one of `inputs`.
    """
    path = Path(out)
    if path.suffix.lower() not in images.WRITABLE:
        path = path / "grid.png"
    refuse_inputs([path], [Path(each) for each in inputs])
    refuse_existing(path, overwrite=overwrite)
    return path


def write_grid(
    path: Path, source: str | Path, rows: list[Any], captions: list[list[str]], title: str
) -> list[Path]:
    """Writes pictures with captions as one.

    Args:
        path: Of the file; its folder is made.
        source: The picture that it is marked as made of.
        rows: Of uint8 RGB pictures (H, W, 3).
        captions: One for each picture, in the same rows.
        title: Above all.

    Returns:
        The file written, alone in a list.

    Raises:
        UserError: If the folder cannot be made.
    """
    make_folder(path.parent, "`out`")
    images.write_picture(
        path, images.captioned_grid(rows, captions, title), results.mark(Path(source))
    )
    return [path]
