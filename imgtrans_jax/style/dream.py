"""Deep Dream from files to files."""

from __future__ import annotations

import contextlib
import functools
import shlex
from pathlib import Path
from typing import Any

import jax
import numpy as np

from imgtrans_jax.io import images
from imgtrans_jax.io.python_pictures import Picture, to_pixels
from imgtrans_jax.models.vgg import channels
from imgtrans_jax.runtime.console import reraise_as_user_error, say_here
from imgtrans_jax.runtime.signals import Stop
from imgtrans_jax.style.deepdream import DeepDream
from imgtrans_jax.style.optimize import optimize_image
from imgtrans_jax.style.workspace import (
    MIN_COARSE_SIDE,
    Job,
    Made,
    Progress,
    compiled_for,
    lowered_for,
    resolve_paths,
    to_area,
    unit,
    work,
    working_size,
)
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.vgg import load_vgg


def dream(
    recipe: DeepDream,
    content: str | Path,
    out: str | Path,
    *,
    guide: str | Path | None = None,
    size: int | None = None,
    overwrite: bool = False,
    stop: Stop | None = None,
) -> list[Path]:
    """Deep Dream of a picture, or of every picture of a folder.

    Args:
        recipe: The settings.
        content: A picture, or a folder of pictures.
        out: The file to write if it ends like a picture's name, else a folder.
        guide: A picture whose features are drawn into it; None for whatever the network sees.
        size: As for `stylize`.
        overwrite: As for `stylize`.
        stop: As for `stylize`.

    Returns:
        The files written, of their content's size.

    Raises:
        UserError: As `stylize` does.
        LeftOutError: As `stylize` does.
        Interrupted: As `stylize` does.
    """
    content, out = Path(content), Path(out)
    read = [recipe.weights, *([] if guide is None else [guide])]
    pairs = resolve_paths(content, out, "dream", read, overwrite)
    dreamer = Dreamer(recipe, guide, size)
    with contextlib.ExitStack() as held:
        return work(dreamer, content, out, pairs, stop or held.enter_context(Stop()), overwrite)


class Dreamer:
    """The network and the guide of one recipe, kept from picture to picture.

    Args:
        recipe: The settings.
        guide: A picture whose features are drawn; None for whatever the network sees.
        size: The shorter side, in pixels, that is worked at; None for the picture's own, up to
            MOST_PIXELS in all.

    Raises:
        UserError: For settings that fit no network, and weights or a guide that cannot be used.
    """

    def __init__(
        self, recipe: DeepDream, guide: Picture | None = None, size: int | None = None
    ) -> None:
        _check(recipe, guide)
        self.recipe, self.size = recipe, size
        depth, params = load_vgg(recipe.weights)
        with reraise_as_user_error():
            (layer,) = recipe.network(depth).layers
            self.objective = recipe.objective(depth)
        if recipe.channel >= channels(layer):
            raise UserError(
                f"{layer} has {channels(layer)} channels, from 0; there is no {recipe.channel}."
            )
        if layer != recipe.layer:
            say_here(f"VGG-{depth} has no {recipe.layer}; {layer} stands in.")
        self.frozen: dict[str, Any] = {"params": jax.device_put(params), "guide": None}
        if guide is not None:
            seen = to_area(unit(to_pixels(guide)), 256**2)
            features = jax.jit(functools.partial(recipe.guide, depth))
            self.frozen["guide"] = features(self.frozen["params"], seen[None])

    def __call__(self, picture: np.ndarray, job: Job | None = None) -> Made:
        """The picture at every octave's size with what the octaves before have drawn added: nothing
        is blurred on the way.

        Args:
            picture: (H, W, 3), uint8 or float in [0, 1].
            job: For progress and a stop; None where no file is made.

        Returns:
            What was made, and the flags that go on from it if it was stopped.

        Raises:
            UserError: For a picture that is too small, or too large for the memory.
        """
        recipe = self.recipe
        picture = unit(images.resize(picture, *working_size(picture, self.size)))
        factors = [recipe.octave_scale**-i for i in reversed(range(recipe.octaves))]
        sizes = [(round(picture.shape[0] * f), round(picture.shape[1] * f)) for f in factors]
        sizes = [s for s in sizes[:-1] if min(s) >= MIN_COARSE_SIDE] + sizes[-1:]
        detail = np.zeros((1, 1, 3), np.float32)
        programs, missing = {}, ""
        for h, w in reversed(sizes):  # the largest first: it may not fit
            shape = jax.ShapeDtypeStruct((1, h, w, 3), np.float32)
            step = lowered_for(self.objective, shape, self.frozen, recipe.optimizer, recipe.steps)
            programs[h, w] = compiled_for(step, h, w)
        with Progress([(s, recipe.steps) for s in sizes], job) as progress:
            for h, w in sizes:
                base = images.resize(picture, h, w)
                began = np.clip(base + images.resize(detail, h, w, clip=False), 0, 1)[None]
                found = optimize_image(
                    self.objective,
                    began,
                    self.frozen,
                    recipe.optimizer,
                    recipe.steps,
                    watch=progress,
                    each=progress.each,
                    compiled=programs[h, w],
                )
                # Each step's loss is of another shift: the least is no better than the last.
                detail = np.asarray(found.last)[0] - base
                if stopped := progress.ended():
                    target = shlex.quote(str(job.target)) if job else "PICTURE"
                    missing = f"--content={target} --config.octaves={stopped[0]}"
                    break
        result = np.clip(picture + images.resize(detail, *picture.shape[:2], clip=False), 0, 1)
        return Made(result, missing)


def _check(recipe: DeepDream, guide: Picture | None) -> None:
    if recipe.octaves < 1 or recipe.octave_scale <= 1 or recipe.steps < 1 or recipe.jitter < 0:
        raise UserError(
            "config.octaves and config.steps must be 1 or more, octave_scale above 1, jitter not "
            "negative."
        )
    if recipe.channel < -1:
        raise UserError(f"config.channel is {recipe.channel}; give one from 0, or -1 for all.")
    if guide is not None and recipe.channel >= 0:
        raise UserError(
            "A guide speaks to all channels; leave out either `style` or `config.channel`."
        )
