"""Style transfer from files to files: a picture, or a folder of frames, in the look of others. Read from top to bottom."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
    transfer = StyleTransfer(recipe, styles, style_weights, masks, size)
    done: Done | None = None
    written, refused = [], []
    for number, (source, target) in enumerate(zip(sources, targets, strict=True), 1):
        try:
            picture = images.read_picture(source)
            if len(sources) > 1:
                say(f"Frame {number} of {len(sources)}: {source.name}")
            done = transfer(picture, done, preview_beside(target))
        except UserError as error:
            if len(sources) == 1:
                raise
            refused.append(str(error))
            continue
        make_folder(target.parent, "--out")
        images.write_picture(target, images.resize(images.from_unit(done.result), *picture.shape[:2]))
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
    photograph = samples.photograph()
    height, width = photograph.shape[:2]
    images.write_picture(content, images.resize(photograph, SAMPLE_SIZE, round(width * SAMPLE_SIZE / height)))
    images.write_picture(style, samples.painting())
    (result,) = stylise(recipe, content, [style], folder / "sample_result.png", size=size)
    return [result, content, style]


class Done(NamedTuple):
    """A picture at the size that was optimised, and its stylised form: (H, W, 3) unit float32."""

    content: np.ndarray
    result: np.ndarray


class Aims(NamedTuple):
    """The pictures whose features are wanted, each (1, H, W, 3), and for every style its region (H, W, 1), or no regions."""

    content: np.ndarray
    styles: tuple[np.ndarray, ...]
    masks: tuple[np.ndarray, ...]


class StyleTransfer:
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
        self.masks = [_read_mask(path) for path in masks]
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
        self._content_targets = jax.jit(functools.partial(recipe.content_targets, self.depth))
        self._style_targets = jax.jit(functools.partial(recipe.style_targets, self.depth))
        self.programs: dict[tuple[int, ...], Compiled] = {}

    def __call__(self, picture: np.ndarray, before: Done | None = None, preview: Path | None = None) -> Done:
        """A picture, as read, at the size that is optimised, and its stylised form.

        before: the frame before, to start from if both are of one scene. Raises UserError for a picture that is too small, or
        too large for the memory, before any work is done.
        """
        content = unit(images.resize(picture, *working_size(picture, self.size)))
        height, width = content.shape[:2]
        image = None
        if before is not None and _same_scene(before.content, content):
            image = before.result
        elif before is not None:
            say("A new scene: it starts anew.")
        plan = self._plan(height, width, warm=image is not None)
        progress = Progress(plan, preview)
        stages = [self._aims(content, h, w) for (h, w), _ in plan]
        for aims, (_, steps) in reversed(list(zip(stages, plan, strict=True))):  # the largest first: it may not fit
            self._compile(aims, steps, progress)
        for aims, ((h, w), steps) in zip(stages, plan, strict=True):
            image = self._start(aims) if image is None else images.resize(image, h, w)
            frozen, compiled = self._frozen(aims), self.programs[h, w, steps]
            found = optimise_image(
                self.objective, image[None], frozen, self.recipe.optimizer, steps, watch=progress, compiled=compiled
            )
            _say_if_diverged(found)
            image = np.asarray(found.image[0])
            progress.done(steps, h * w)
        progress.close()
        assert image is not None, "a plan has at least one size"
        return Done(content, colour.with_luminance(content, image) if self.recipe.colours == "luminance" else image)

    def _plan(self, height: int, width: int, warm: bool) -> list[tuple[tuple[int, int], int]]:
        """The sizes to go through and the steps at each; the last alone for a frame that has a start."""
        scales, steps = self.recipe.scales, self.recipe.steps
        if warm:
            return [((height, width), max(1, round(FRAME_STEPS * steps[-1])))]
        sizes = [(max(1, round(height * s / scales[-1])), max(1, round(width * s / scales[-1]))) for s in scales]
        plan = list(zip(sizes, steps, strict=True))
        return [entry for entry in plan[:-1] if min(entry[0]) >= SMALLEST] + plan[-1:]

    def _aims(self, content: np.ndarray, height: int, width: int) -> Aims:
        """At one size: the pictures whose features are wanted, and where."""
        aimed = images.resize(content, height, width)
        styles = [to_area(style, height * width * self.recipe.style_scale**2) for style in self.styles]
        masks = [images.resize(mask, height, width) for mask in self.masks]
        if self.recipe.colours == "luminance":
            aimed = colour.luminance(aimed)
            styles = [_like(colour.luminance(style), aimed) for style in styles]
        elif self.recipe.colours == "content":
            styles = [_like(style, aimed) for style in styles]
        elif self.recipe.recolour:
            aimed = _recoloured(aimed, styles, self.style_weights, masks)
        return Aims(aimed[None], tuple(style[None] for style in styles), tuple(masks))

    def _start(self, aims: Aims) -> np.ndarray:
        height, width = aims.content.shape[1:3]
        if self.recipe.start == "noise":
            return np.random.default_rng(self.recipe.seed).uniform(size=(height, width, 3)).astype(np.float32)
        return aims.content[0] if self.start is None else images.resize(self.start, height, width)

    def _frozen(self, aims: Aims) -> dict[str, Any]:
        """What the objective needs besides the image."""
        recipe, weights = self.recipe, self.style_weights
        if aims.masks:  # every style has a region, and its Gram matrix for itself
            regions = tuple(self._style_targets(self.params, [style], [1.0]) for style in aims.styles)
            shares = [weight / sum(weights) for weight in weights]
        else:
            regions = (self._style_targets(self.params, list(aims.styles), weights),)
            shares = [1.0]
        return {
            "params": self.params,
            "weights": {name: jnp.float32(weight) for name, weight in recipe.weighting().items()},
            "content": self._content_targets(self.params, aims.content) if recipe.content_weight else {},
            "styles": regions,
            "shares": tuple(jnp.float32(share) for share in shares),
            "masks": tuple(recipe.masks(self.depth, jnp.asarray(mask)) for mask in aims.masks),
        }

    def _compile(self, aims: Aims, steps: int, progress: Progress) -> None:
        """From shapes alone, so that what does not fit is known before anything is computed."""
        height, width = aims.content.shape[1:3]
        if (height, width, steps) not in self.programs:
            image = jax.ShapeDtypeStruct(aims.content.shape, jnp.float32)
            frozen = jax.eval_shape(lambda: self._frozen(aims))
            compiled = compiled_for(self.objective, image, frozen, self.recipe.optimizer, steps, progress)
            self.programs[height, width, steps] = compiled


def _check(recipe: Gatys, styles: Sequence[Any], style_weights: Sequence[float], masks: Sequence[Any]) -> None:
    if not styles:
        raise UserError("Which style? Give --style=PICTURE, once or several times.")
    for path in styles:
        if Path(path).is_dir():
            raise UserError(f"--style={path} is a folder; give one picture, or several times --style=PICTURE.")
    if style_weights and len(style_weights) != len(styles):
        raise UserError(f"{len(style_weights)} style weights were given for {len(styles)} styles; give one for each.")
    if style_weights and (min(style_weights) < 0 or sum(style_weights) == 0):
        raise UserError("Style weights must not be negative, nor all 0.")
    if masks and len(masks) != len(styles):
        raise UserError(f"{len(masks)} masks were given for {len(styles)} styles; give one for each.")
    if len(recipe.scales) != len(recipe.steps) or not recipe.scales:
        raise UserError(
            f"config.scales has {len(recipe.scales)} entries and config.steps {len(recipe.steps)}; give a number of steps for "
            "each scale."
        )
    if min(recipe.steps) < 1 or min(recipe.scales) <= 0 or recipe.style_scale <= 0:
        raise UserError("config.steps, config.scales and config.style_scale must be above 0.")
    if min(recipe.content_weight, recipe.style_weight, recipe.tv_weight) < 0 or not recipe.weighting():
        raise UserError("The weights content_weight, style_weight and tv_weight must not be negative, nor all 0.")


def _read_mask(path: str | Path) -> np.ndarray:
    """(H, W, 1): how bright, times how opaque."""
    picture = unit(images.read_picture(path, channels=4))
    return colour.luminance(picture[..., :3])[..., :1] * picture[..., 3:]


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
