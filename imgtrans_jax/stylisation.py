"""Style transfer from files to files: a picture, or a folder of frames, in the look of others. Read from top to bottom."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imgtrans_jax import colour, images, samples
from imgtrans_jax.canvas import (
    LEAST,
    SMALLEST,
    Compiled,
    Progress,
    compiled_for,
    in_and_out,
    preview_beside,
    say,
    sentence,
    to_area,
    unit,
    working_size,
)
from imgtrans_jax.files import make_folder
from imgtrans_jax.image_opt import Optimised, optimise_image
from imgtrans_jax.models.vgg import Depth
from imgtrans_jax.pretrained.vgg import load_vgg
from imgtrans_jax.recipes.gatys import Gatys
from imgtrans_jax.types import UserError

SAME_SCENE = 0.12  # mean absolute difference, of [0, 1], between two frames of one scene
SAMPLE_SIZE = 320  # pixels of the shorter side: a minute and a half on two CPU cores
FRAME_STEPS = 0.5  # of the last scale's steps, for a frame that starts from the one before


def stylise(
    recipe: Gatys,
    content: str | Path,
    styles: Sequence[str | Path],
    out: str | Path,
    *,
    style_weights: Sequence[float] = (),
    masks: Sequence[str | Path] = (),
    size: int | None = None,
) -> list[Path]:
    """Gives the content picture, or every picture of a folder, the look of the styles; returns the files written.

    Results have their content's size. size: the shorter side that is optimised; by default the picture's own, up to
    MOST_PIXELS in all. style_weights: one for each style. masks: one grey picture for each style, white where it goes. The
    pictures of a folder are frames, in order of their names: one that is like the frame before starts from its result. Raises
    UserError for anything the user can mend.
    """
    sources, targets = in_and_out(Path(content), Path(out), "_".join(Path(s).stem for s in styles))
    studio = Studio(recipe, styles, style_weights, masks, size)
    before: tuple[np.ndarray, np.ndarray] | None = None
    written, refused = [], []
    for number, (source, target) in enumerate(zip(sources, targets, strict=True), 1):
        try:
            picture = unit(images.read_picture(source))
            if len(sources) > 1:
                say(f"Frame {number} of {len(sources)}: {source.name}")
            result = studio.paint(picture, before, preview_beside(target))
        except UserError as error:
            if len(sources) == 1:
                raise
            refused.append(str(error))
            continue
        before = (picture, result)
        make_folder(target.parent, "--out")
        images.write_picture(target, images.from_unit(images.resize(result, *picture.shape[:2])))
        written.append(target)
    if refused:
        raise UserError(f"{len(written)} of {len(sources)} pictures were written to {out}. Left out: " + " ".join(refused))
    return written


def stylise_samples(recipe: Gatys, out: str | Path, size: int | None = None) -> list[Path]:
    """A sample photograph after a sample painting, all three written to `out`: what a newcomer sees first."""
    folder = Path(out)
    folder = folder.parent if folder.suffix.lower() in images.WRITABLE else folder
    make_folder(folder, "--out")
    say("No --content and --style: a sample photograph after a painting that is drawn for it.")
    content, style = folder / "sample_photograph.png", folder / "sample_painting.png"
    images.write_picture(content, samples.photograph())
    images.write_picture(style, samples.painting())
    (result,) = stylise(recipe, content, [style], folder / "sample_result.png", size=size or SAMPLE_SIZE)
    return [result, content, style]


class Studio:
    """The network, the styles and the compiled programs of one recipe, kept from picture to picture."""

    def __init__(
        self,
        recipe: Gatys,
        styles: Sequence[str | Path],
        style_weights: Sequence[float] = (),
        masks: Sequence[str | Path] = (),
        size: int | None = None,
    ) -> None:
        _check(recipe, styles, style_weights, masks)
        self.recipe, self.size = recipe, size
        self.styles = [unit(images.read_picture(path)) for path in styles]
        self.masks = [unit(images.read_picture(path, channels=1)) for path in masks]
        self.style_weights = list(style_weights) or [1.0] * len(styles)
        self.start = None if recipe.start in ("content", "noise") else unit(images.read_picture(recipe.start))
        for path, picture in zip(styles, self.styles, strict=True):
            if min(picture.shape[:2]) < LEAST:
                raise UserError(f"The style {path} is smaller than {LEAST} pixels a side; choose a larger one.")
        self.depth: Depth
        self.depth, params = load_vgg(recipe.weights)
        self.params = jax.device_put(params)
        with sentence():
            recipe.network(self.depth, recipe.content_layers, recipe.style_layers)
            self.objective = recipe.objective(self.depth)
        self.content_targets = jax.jit(functools.partial(recipe.content_targets, self.depth))
        self.style_targets = jax.jit(functools.partial(recipe.style_targets, self.depth))
        self.programs: dict[tuple[int, ...], Compiled] = {}

    def paint(
        self, content: np.ndarray, before: tuple[np.ndarray, np.ndarray] | None = None, preview: Path | None = None
    ) -> np.ndarray:
        """(H, W, 3) -> its stylised form at the size that was optimised, both unit float32.

        before: the frame before and its result, to start from if the two frames are of one scene.
        """
        height, width = working_size(content, self.size)
        started = None
        if before is not None and _same_scene(before[0], content):
            started = images.resize(before[1], height, width)
        elif before is not None:
            say("A new scene: it starts anew.")
        plan = self._plan(height, width, started is not None)
        progress = Progress(plan, preview)
        image = None if started is None else started[None]
        frozen: Any = None
        for (h, w), steps in plan:
            frozen, first = self._prepare(content, h, w)
            image = first if image is None else images.resize(image[0], h, w)[None]
            compiled = self._program(image, frozen, h, w, steps, progress)
            found = optimise_image(
                self.objective, image, frozen, self.recipe.optimizer, steps, watch=progress, compiled=compiled
            )
            _say_if_diverged(found)
            image = np.asarray(found.image)
            progress.done(steps, h * w)
        progress.close()
        assert image is not None, "a plan has at least one size"
        picture = image[0]
        return colour.with_luminance(images.resize(content, height, width), picture) if self._keeps_chroma else picture

    @property
    def _keeps_chroma(self) -> bool:
        return self.recipe.colours == "luminance"

    def _plan(self, height: int, width: int, warm: bool) -> list[tuple[tuple[int, int], int]]:
        """The sizes to go through and the steps at each; the last alone for a frame that has a start."""
        scales, steps = self.recipe.scales, self.recipe.steps
        if warm:
            return [((height, width), max(1, round(FRAME_STEPS * steps[-1])))]
        sizes = [(max(1, round(height * s / scales[-1])), max(1, round(width * s / scales[-1]))) for s in scales]
        plan = list(zip(sizes, steps, strict=True))
        return [entry for entry in plan[:-1] if min(entry[0]) >= SMALLEST] + plan[-1:]

    def _prepare(self, content: np.ndarray, height: int, width: int) -> tuple[Any, np.ndarray]:
        """At one size: what the objective needs, and a picture (1, H, W, 3) to start from."""
        recipe = self.recipe
        aimed = images.resize(content, height, width)
        styles = [to_area(style, height * width * recipe.style_scale**2) for style in self.styles]
        masks = [images.resize(mask, height, width) for mask in self.masks]
        if self._keeps_chroma:
            aimed = colour.luminance(aimed)
            styles = [_like(colour.luminance(style), aimed) for style in styles]
        elif recipe.colours == "content":
            styles = [_like(style, aimed) for style in styles]
        elif recipe.recolour:
            aimed = _recoloured(aimed, styles, self.style_weights, masks)
        batches = [style[None] for style in styles]
        if masks:
            regions = tuple(self.style_targets(self.params, [s], [1.0]) for s in batches)  # a style's share is its area
        else:
            regions = (self.style_targets(self.params, batches, self.style_weights),)
        frozen = {
            "params": self.params,
            "weights": {name: jnp.float32(weight) for name, weight in recipe.weighting().items()},
            "content": self.content_targets(self.params, aimed[None]),
            "styles": regions,
            "masks": tuple(recipe.masks(self.depth, jnp.asarray(mask)) for mask in masks),
        }
        if recipe.start == "noise":
            return frozen, np.random.default_rng(recipe.seed).uniform(size=(1, height, width, 3)).astype(np.float32)
        return frozen, (aimed if self.start is None else images.resize(self.start, height, width))[None]

    def _program(self, image: np.ndarray, frozen: Any, height: int, width: int, steps: int, progress: Progress) -> Compiled:
        key = (height, width, steps)
        if key not in self.programs:
            self.programs[key] = compiled_for(
                self.objective, jnp.asarray(image), frozen, self.recipe.optimizer, steps, progress
            )
        return self.programs[key]


def _check(recipe: Gatys, styles: Sequence[Any], style_weights: Sequence[float], masks: Sequence[Any]) -> None:
    if not styles:
        raise UserError("Which style? Give --style=PICTURE, once or several times.")
    if style_weights and len(style_weights) != len(styles):
        raise UserError(f"{len(style_weights)} style weights were given for {len(styles)} styles; give one for each.")
    if style_weights and (min(style_weights) < 0 or sum(style_weights) == 0):
        raise UserError("Style weights must not be negative, nor all 0.")
    if masks and len(masks) != len(styles):
        raise UserError(f"{len(masks)} masks were given for {len(styles)} styles; give one for each.")
    if len(recipe.scales) != len(recipe.steps) or not recipe.scales:
        raise UserError("config.scales and config.steps must be equally long: a number of steps for each scale.")
    if min(recipe.steps) < 1 or min(recipe.scales) <= 0 or recipe.style_scale <= 0:
        raise UserError("config.steps, config.scales and config.style_scale must be above 0.")
    if min(recipe.content_weight, recipe.style_weight, recipe.tv_weight) < 0 or not recipe.weighting():
        raise UserError("The weights content_weight, style_weight and tv_weight must not be negative, nor all 0.")


def _recoloured(
    content: np.ndarray, styles: Sequence[np.ndarray], weights: Sequence[float], masks: Sequence[np.ndarray]
) -> np.ndarray:
    """The content with the colours of the styles, where they go. It is what the content's features are taken of: a picture
    that has to keep a blue sky's features and get a red one's colours ends between the two."""
    if not masks:
        target = colour.blend([colour.statistics(style) for style in styles], weights)
        return np.clip(colour.match(content, colour.statistics(content), target), 0, 1)
    result, covered = np.zeros_like(content), np.zeros_like(masks[0])
    for style, mask in zip(styles, masks, strict=True):
        matched = colour.match(content, colour.statistics(content, mask), colour.statistics(style))
        result, covered = result + mask * np.clip(matched, 0, 1), covered + mask
    return (result / np.maximum(covered, 1) + content * np.maximum(1 - covered, 0)).astype(np.float32)


def _like(style: np.ndarray, content: np.ndarray) -> np.ndarray:
    return np.clip(colour.match(style, colour.statistics(style), colour.statistics(content)), 0, 1)


def _same_scene(before: np.ndarray, now: np.ndarray) -> bool:
    if before.shape != now.shape:
        return False
    small = [images.resize(frame, 32, 32) for frame in (before, now)]
    return float(np.mean(np.abs(small[0] - small[1]))) < SAME_SCENE


def _say_if_diverged(found: Optimised) -> None:
    if found.diverged is not None:
        say(
            f"The loss exploded by step {found.diverged}; the best picture, of step {found.best_at + 1}, was kept. "
            "A lower --config.optimizer.rate, or --config.optimizer=LBFGS, goes further."
        )
