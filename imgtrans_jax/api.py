"""What a Python program uses: pictures in, pictures of their kind out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from imgtrans_jax.io import images
from imgtrans_jax.io.python_pictures import Picture, like, to_pixels
from imgtrans_jax.style.deepdream import DeepDream
from imgtrans_jax.style.dream import Dreamer
from imgtrans_jax.style.gatys import Gatys
from imgtrans_jax.style.transfer import StyleTransfer


def transfer(
    content: Picture,
    style: Picture | Sequence[Picture],
    recipe: Gatys | None = None,
    *,
    style_weights: Sequence[float] = (),
    masks: Sequence[Picture] = (),
    size: int | None = None,
) -> Any:
    """A picture in the look of one or several others (Gatys, Ecker and Bethge 2016).

    Args:
        content: The picture to change: a path, a Pillow image, or an array (H, W, C) or
            (N, H, W, C), uint8 or float in [0, 1].
        style: The picture whose look is wanted, or a list of such.
        recipe: The settings, such as Gatys(content_weight=0.1); None for the defaults.
        style_weights: How much of each style; empty for equally much.
        masks: A grey picture for each style, white where it goes; empty for everywhere.
        size: The shorter side, in pixels, that is optimized; None for the picture's own, up to a
            megapixel.

    Returns:
        The result in the kind, type and size of `content`: of a path a Pillow image.

    Raises:
        UserError: If a picture or a setting cannot be used.
    """
    styles: Any = style if isinstance(style, (list, tuple)) else [style]
    made = StyleTransfer(recipe or Gatys(), styles, style_weights, masks, size)
    return _each(content, lambda picture: made(picture)[0].result)


def dream(
    content: Picture,
    recipe: DeepDream | None = None,
    *,
    guide: Picture | None = None,
    size: int | None = None,
) -> Any:
    """A picture with what a network sees in it drawn into it (Mordvintsev, Olah and Tyka 2015).

    Args:
        content: As for `transfer`.
        recipe: The settings, such as DeepDream(layer="relu5_1"); None for the defaults.
        guide: A picture of what is to be dreamt of.
        size: As for `transfer`.

    Returns:
        The result in the kind, type and size of `content`.

    Raises:
        UserError: If a picture or a setting cannot be used.
    """
    dreamer = Dreamer(recipe or DeepDream(), guide, size)
    return _each(content, lambda picture: dreamer(picture).picture)


def _each(content: Picture, work: Any) -> Any:
    """What is made of a picture, or of each of a batch, at the size that it had."""
    pixels = to_pixels(content)
    many = pixels if pixels.ndim == 4 else pixels[None]
    made = [images.resize(work(one), *one.shape[:2]) for one in many]
    return like(content, np.stack(made) if pixels.ndim == 4 else made[0])
