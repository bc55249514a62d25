"""Style transfer: a picture in the look of others. Read from top to bottom."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imgtrans_jax.io import color, images
from imgtrans_jax.io.python_pictures import Picture, to_pixels
from imgtrans_jax.models.vgg import Depth
from imgtrans_jax.optim.pixels import LBFGS, PixelOptimizer
from imgtrans_jax.runtime.console import reraise_as_user_error, say_here, say_once
from imgtrans_jax.style import flow
from imgtrans_jax.style.gatys import Gatys
from imgtrans_jax.style.optimize import Optimized, optimize_image
from imgtrans_jax.style.workspace import (
    MIN_COARSE_SIDE,
    MIN_SIDE,
    Compiled,
    Job,
    Progress,
    compiled_for,
    lowered_for,
    to_area,
    unit,
    working_size,
)
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.vgg import load_vgg

SAME_SCENE = 0.12  # mean absolute difference, of [0, 1], between two frames of one scene
STRETCHED = 1.02  # a mask's aspect, by the picture's, from which it is said
FEW = 0.005  # of the picture; so much in no mask, or in several, is not worth a word
COMPILERS = 2  # at a time
CONTENT_PASSES = 20  # of smoothing chroma, each by a pixel around
FRAME_STEPS = 1 / 3  # of the last scale's steps, for a frame that starts from the one before


class Stylized(NamedTuple):
    """A picture at the size that was optimised, and its stylised form.

    Attributes:
        content: (H, W, 3) float32 in [0, 1].
        result: (H, W, 3) float32 in [0, 1].
    """

    content: np.ndarray
    result: np.ndarray


class Targets(NamedTuple):
    """The pictures whose features are wanted.

    Attributes:
        content: (1, H, W, 3).
        styles: Each (1, H, W, 3).
        masks: The region of every style, (H, W, 1); empty for no regions.
        follows: Of a frame that follows another what it is to be like, (H, W, 3), and where,
            (H, W, 1); else empty.
    """

    content: np.ndarray
    styles: tuple[np.ndarray, ...]
    masks: tuple[np.ndarray, ...]
    follows: tuple[np.ndarray, ...] = ()


class StyleTransfer:
    """The network, the styles and the compiled programs of one recipe, kept from picture to
    picture.

    Args:
        recipe: The settings.
        styles: Pictures, one or several.
        style_weights: One for each style; empty for equally much.
        masks: One grey picture for each style, white where it goes; empty for everywhere.
        size: The shorter side, in pixels, that is optimised; None for the picture's own, up to
            MOST_PIXELS in all.

    Raises:
        UserError: For settings that do not fit together or no network, and pictures or weights that
            cannot be used.
    """

    def __init__(
        self,
        recipe: Gatys,
        styles: Sequence[Picture],
        style_weights: Sequence[float] = (),
        masks: Sequence[Picture] = (),
        size: int | None = None,
    ) -> None:
        _check(recipe, styles, style_weights, masks)
        self.recipe, self.size = recipe, size
        self.styles = [unit(to_pixels(style)) for style in styles]
        names = [_name(mask, number) for number, mask in enumerate(masks, 1)]
        self.masks = [_mask(mask, name) for mask, name in zip(masks, names, strict=True)]
        self.names_of_masks = names
        self.said_of_masks: set[tuple[int, int]] = set()
        self.style_weights = list(style_weights) or [1.0] * len(styles)
        self.start = (
            None
            if recipe.start in ("content", "noise")
            else unit(images.read_picture(recipe.start))
        )
        for number, (style, picture) in enumerate(zip(styles, self.styles, strict=True), 1):
            if min(picture.shape[:2]) < MIN_SIDE:
                raise UserError(
                    f"The style {_name(style, number)} is smaller than {MIN_SIDE} pixels a side; "
                    "choose a larger one."
                )
        self.depth: Depth
        self.depth, params = load_vgg(recipe.weights)
        self.params = jax.device_put(params)
        with reraise_as_user_error():
            recipe.network(self.depth, recipe.content_layers, recipe.style_layers)
            self.objective = recipe.objective(self.depth)
        self._content_targets = jax.jit(functools.partial(recipe.content_targets, self.depth))
        self._style_targets = jax.jit(functools.partial(recipe.style_targets, self.depth))
        self.programs: dict[tuple[Any, ...], Future[Compiled]] = {}

    def __call__(
        self, picture: np.ndarray, before: Stylized | None = None, job: Job | None = None
    ) -> tuple[Stylized, str]:
        """Gives one picture the look of the styles.

        Args:
            picture: (H, W, 3), as read.
            before: The frame before, to start from if both are of one scene.
            job: For progress and a stop.

        Returns:
            The picture at the size that is optimised and its stylised form; and, if the job was
            stopped on the way, the flags that go on from there, else ''.

        Raises:
            UserError: For a picture too small, or too large for the memory, before any work is
                done.
        """
        content = self._seen(picture)
        height, width = content.shape[:2]
        if (height, width) not in self.said_of_masks:
            self.said_of_masks.add((height, width))
            _say_of_masks(self.names_of_masks, self.masks, height, width)
        if before is not None and not _same_scene(before.content, content):
            say_here("A new scene: it starts anew.")
            before = None
        plan = self._plan(height, width, warm=before is not None)
        stages = [self._aims(content, h, w) for (h, w), _ in plan]
        image = None
        if before is not None:
            stages = [self._after(stages[0], before, content)]
            image = stages[0].follows[0]
        missing = ""
        counts = [steps for _, steps in plan]
        with self._compiling(stages, counts) as programs, Progress(plan, job) as progress:
            for aims, program, ((h, w), steps) in zip(stages, programs, plan, strict=True):
                image = self._start(aims) if image is None else images.resize(image, h, w)
                frozen, compiled = self._frozen(aims), program.result()
                optimizer = self.recipe.optimizer
                found = optimize_image(
                    self.objective,
                    image[None],
                    frozen,
                    optimizer,
                    steps,
                    watch=progress,
                    each=progress.each,
                    compiled=compiled,
                    tolerance=self.recipe.tolerance,
                )
                _say_if_diverged(found, optimizer)
                image = np.asarray(found.image[0])
                if stopped := progress.ended():
                    missing = self._missing(*stopped, job)
                    break
        assert image is not None, "a plan has at least one size"
        image = images.resize(image, height, width)
        return Stylized(content, self._colored(image, content)), missing

    def recalled(self, source: Path, result: Path) -> Stylized | None:
        """A frame that another run has done, from its files.

        Args:
            source: The picture.
            result: What was made of it.

        Returns:
            The frame; None if the files cannot be read.
        """
        try:
            content = self._seen(images.read_picture(source))
            return Stylized(
                content, images.resize(unit(images.read_picture(result)), *content.shape[:2])
            )
        except UserError:
            return None

    def _seen(self, picture: np.ndarray) -> np.ndarray:
        sides = working_size(picture, self.size, self.recipe.most_pixels)
        return unit(images.resize(picture, *sides))

    def _colored(self, image: np.ndarray, content: np.ndarray) -> np.ndarray:
        match self.recipe.colors:
            case "luminance":
                return color.with_luminance(content, image)
            case "clean":
                wanted = _recolored(content, self.styles, self.style_weights, self._masks(content))
                return color.with_clean_chroma(image, wanted)
            case "content":
                return color.with_clean_chroma(image, image, CONTENT_PASSES)
        return image

    def _masks(self, picture: np.ndarray) -> list[np.ndarray]:
        return [images.resize(mask, *picture.shape[:2]) for mask in self.masks]

    def _missing(self, sizes: int, steps: int, job: Job | None) -> str:
        """The flags that go on from a result: its path as the start, and the sizes and steps that
        are left.
        """
        scales, counts = (
            self.recipe.scales[-sizes:],
            (steps, *self.recipe.steps[len(self.recipe.steps) - sizes + 1 :]),
        )
        start = shlex.quote(str(job.target)) if job else "PICTURE"
        listed = [",".join(f"{x:g}" for x in values) for values in (scales, counts)]
        return f"--config.start={start} --config.scales={listed[0]} --config.steps={listed[1]}"

    def _plan(self, height: int, width: int, warm: bool) -> list[tuple[tuple[int, int], int]]:
        """The sizes to go through and the steps at each; the last alone for a frame that has a
        start.
        """
        scales, steps = self.recipe.scales, self.recipe.steps
        if warm:
            return [((height, width), max(1, round(FRAME_STEPS * steps[-1])))]
        sizes = [
            (max(1, round(height * s / scales[-1])), max(1, round(width * s / scales[-1])))
            for s in scales
        ]
        plan = list(zip(sizes, steps, strict=True))
        worked = [entry for entry in plan[:-1] if min(entry[0]) >= MIN_COARSE_SIDE] + plan[-1:]
        if len(worked) < len(plan):
            say_once(
                f"At {width}x{height} only the last {len(worked)} of {len(plan)} sizes are "
                f"worked: the others would be under {MIN_COARSE_SIDE} pixels. A larger --size has "
                "more "
                "of the large forms."
            )
        return worked

    def _aims(self, content: np.ndarray, height: int, width: int) -> Targets:
        """At one size: the pictures whose features are wanted, and where."""
        aimed = images.resize(content, height, width)
        styles = [
            to_area(style, height * width * self.recipe.style_scale**2) for style in self.styles
        ]
        masks = self._masks(aimed)
        if self.recipe.colors == "luminance":
            aimed = color.luminance(aimed)
            styles = [_like(color.luminance(style), aimed) for style in styles]
        elif self.recipe.colors == "content":
            styles = [_like(style, aimed) for style in styles]
        elif self.recipe.recolor:
            aimed = _recolored(aimed, styles, self.style_weights, masks)
        return Targets(aimed[None], tuple(style[None] for style in styles), tuple(masks))

    def _after(self, aims: Targets, before: Stylized, content: np.ndarray) -> Targets:
        """The frame before, moved as the picture has; where nothing was seen of it, the content."""
        if not flow.installed():
            say_once(
                "Each frame starts from the one before as it lies: with OpenCV strokes follow what "
                "moves (pip install imgtrans_jax[film])."
            )
            seen = np.zeros((*content.shape[:2], 1), np.float32)
            return aims._replace(follows=(before.result, seen))
        back, seen = flow.motion(before.content, content)
        moved = flow.warped(before.result, back)
        if self.recipe.colors == "luminance":
            moved = color.luminance(moved)
        return aims._replace(follows=(seen * moved + (1 - seen) * aims.content[0], seen))

    def _start(self, aims: Targets) -> np.ndarray:
        height, width = aims.content.shape[1:3]
        if self.recipe.start == "noise":
            return (
                np.random.default_rng(self.recipe.seed)
                .uniform(size=(height, width, 3))
                .astype(np.float32)
            )
        return aims.content[0] if self.start is None else images.resize(self.start, height, width)

    def _frozen(self, aims: Targets) -> dict[str, Any]:
        """What the objective needs besides the image."""
        recipe, weights = self.recipe, self.style_weights
        if aims.masks:  # every style has a region, and its Gram matrix for itself
            regions = tuple(
                self._style_targets(self.params, [style], [1.0]) for style in aims.styles
            )
            shares = [weight / sum(weights) for weight in weights]
        else:
            regions = (self._style_targets(self.params, list(aims.styles), weights),)
            shares = [1.0]
        return {
            "params": self.params,
            "weights": {name: jnp.float32(weight) for name, weight in recipe.weighting().items()},
            "content": self._content_targets(self.params, aims.content)
            if recipe.content_weight
            else {},
            "picture": aims.content,
            "follows": aims.follows,
            "styles": regions,
            "shares": tuple(jnp.float32(share) for share in shares),
            "masks": tuple(recipe.masks(self.depth, jnp.asarray(mask)) for mask in aims.masks),
        }

    @contextlib.contextmanager
    def _compiling(
        self, stages: Sequence[Targets], steps: Sequence[int]
    ) -> Iterator[list[Future[Compiled]]]:
        """The program of each size, of which the largest is compiled: what does not fit is known
        before anything is computed. The others come while the smaller sizes are worked, two at a
        time, for a compiler uses one core.
        """
        keys = [_key(aims, count) for aims, count in zip(stages, steps, strict=True)]
        with ThreadPoolExecutor(COMPILERS) as threads:
            for i in (-1, *range(len(stages) - 1)):
                if keys[i] not in self.programs:
                    height, width = stages[i].content.shape[1:3]
                    shape = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
                    frozen = jax.eval_shape(functools.partial(self._frozen, stages[i]))
                    lowered = lowered_for(
                        self.objective, shape, frozen, self.recipe.optimizer, steps[i]
                    )
                    program = threads.submit(compiled_for, lowered, height, width)
                    self.programs[keys[i]] = program
            try:
                self.programs[keys[-1]].result()
                yield [self.programs[key] for key in keys]
            finally:
                threads.shutdown(cancel_futures=True)
                self.programs = {
                    key: program
                    for key, program in self.programs.items()
                    if not program.cancelled() and not program.exception()
                }


def _key(aims: Targets, steps: int) -> tuple[Any, ...]:
    """What a compiled program depends on."""
    return (*aims.content.shape[1:3], steps, bool(aims.follows))


def _check(
    recipe: Gatys, styles: Sequence[Any], style_weights: Sequence[float], masks: Sequence[Any]
) -> None:
    if not styles:
        raise UserError("Which style? Give `style=PICTURE`, once or several times.")
    for style in styles:
        if isinstance(style, (str, Path)) and Path(style).is_dir():
            raise UserError(f"The style {style} is a folder; give one picture, or several.")
    if style_weights and len(style_weights) != len(styles):
        raise UserError(
            f"{len(style_weights)} style weights were given for {len(styles)} styles; give one "
            "for each."
        )
    if style_weights and not (
        all(0 <= weight < math.inf for weight in style_weights) and sum(style_weights)
    ):
        raise UserError("Style weights must be numbers, not negative, nor all 0.")
    weights_of = {
        f"config.{name}": getattr(recipe, name)
        for name in (field.name for field in dataclasses.fields(recipe))
        if name.endswith("_weight")
    }
    if wrong := [n for n, weight in weights_of.items() if not 0 <= weight < math.inf]:
        raise UserError(f"{' and '.join(wrong)} must be finite, and not negative.")
    if masks and len(masks) != len(styles):
        raise UserError(
            f"{len(masks)} masks were given for {len(styles)} styles; give one for each."
        )
    if len(recipe.scales) != len(recipe.steps) or not recipe.scales:
        raise UserError(
            f"config.scales has {len(recipe.scales)} entries and config.steps "
            f"{len(recipe.steps)}; give a number of steps for each scale."
        )
    if min(recipe.steps) < 1 or min(recipe.scales) <= 0 or recipe.style_scale <= 0:
        raise UserError("config.steps, config.scales and config.style_scale must be above 0.")
    if recipe.tolerance < 0 or recipe.tolerance >= 1 or recipe.most_pixels < MIN_SIDE**2:
        raise UserError(
            "config.tolerance must be from 0 to below 1, and config.most_pixels at least "
            f"{MIN_SIDE**2}."
        )
    if not any((recipe.content_weight, recipe.style_weight, recipe.tv_weight)):
        raise UserError(
            "Of the weights content_weight, style_weight and tv_weight one must not be 0."
        )


def _name(picture: Picture, number: int) -> str:
    return str(picture) if isinstance(picture, (str, Path)) else f"number {number}"


def _mask(mask: Picture, name: str) -> np.ndarray:
    """(H, W, 1): how bright, times how opaque. Raises UserError for one that is black
    everywhere.
    """
    picture = unit(to_pixels(mask, channels=4))
    white = color.luminance(picture[..., :3])[..., :1] * picture[..., 3:]
    if white.max() < 0.5:
        raise UserError(
            f"The mask {name} is nowhere white, or transparent where it is, so that its style "
            "would go nowhere: paint white where it is to go, or leave this `mask` and its "
            "`style` out."
        )
    return white


def _say_of_masks(
    names: Sequence[str], masks: Sequence[np.ndarray], height: int, width: int
) -> None:
    """What becomes of masks of another form than the picture, of what no mask covers, and of what
    several do.
    """
    if not masks:
        return
    for name, mask in zip(names, masks, strict=True):
        h, w = mask.shape[:2]
        if not 1 / STRETCHED < (w / h) / (width / height) < STRETCHED:
            say_here(
                f"The mask {name} is {w}x{h}, of another form than the picture: it is stretched "
                "over all of it."
            )
    covered = sum(images.resize(mask, height, width) for mask in masks)
    bare, shared = float(np.mean(covered < 0.5)), float(np.mean(covered > 1.5))
    if bare > FEW:
        say_here(
            f"{bare:.0%} of the picture are in no mask: no style goes there, and the content stays."
        )
    if shared > FEW:
        say_here(f"{shared:.0%} of the picture are in several masks: their styles mix there.")


def _recolored(
    content: np.ndarray,
    styles: Sequence[np.ndarray],
    weights: Sequence[float],
    masks: Sequence[np.ndarray],
) -> np.ndarray:
    """The content with the colours of the styles, where they go. It is what the content's features
    are taken of: a picture that has to keep a blue sky's features and get a red one's colours ends
    between the two.
    """
    if not masks:
        target = color.blend([color.statistics(style) for style in styles], weights)
        return np.clip(color.match(content, color.statistics(content), target), 0, 1)
    result, covered = np.zeros_like(content), np.zeros_like(masks[0])
    for style, mask in zip(styles, masks, strict=True):
        matched = color.match(content, color.statistics(content, mask), color.statistics(style))
        result, covered = result + mask * np.clip(matched, 0, 1), covered + mask
    return (result / np.maximum(covered, 1) + content * np.maximum(1 - covered, 0)).astype(
        np.float32
    )


def _like(style: np.ndarray, content: np.ndarray) -> np.ndarray:
    return np.clip(color.match(style, color.statistics(style), color.statistics(content)), 0, 1)


def _same_scene(before: np.ndarray, now: np.ndarray) -> bool:
    if before.shape != now.shape:
        return False
    small = [images.resize(frame, 32, 32) for frame in (before, now)]
    return float(np.mean(np.abs(small[0] - small[1]))) < SAME_SCENE


def _say_if_diverged(found: Optimized, optimizer: PixelOptimizer) -> None:
    rate = "A lower --config.optimizer.rate, or --config.optimizer=LBFGS, goes"
    advice = "Smaller weights go" if isinstance(optimizer, LBFGS) else rate
    if found.diverged is not None:
        say_here(
            f"The loss exploded by step {found.diverged}; the best picture, of step "
            f"{found.best_at + 1}, was kept. {advice} further."
        )
