"""Gives a photograph the look of a painting (neural style transfer): nothing is trained.

  imgtrans transfer photo.jpg painting.jpg --out=out.png
  imgtrans transfer photo.jpg a.jpg b.jpg --style_weights=2,1 --config.colors=content
  imgtrans transfer photo.jpg a.jpg b.jpg --mask=sky.png --mask=ground.png
  imgtrans transfer photo.jpg painting.jpg --quality=draft     (in a quarter of the time)
  imgtrans transfer frames/ painting.jpg --out=painted_frames
  imgtrans transfer                                      (sample pictures, to see what it does)

The result has the photograph's size. --config.content_weight=0.1 gives more style,
--config.style_scale=1.5 larger strokes, --config.weights=vgg19 another network; imgtrans configs
gatys says more. Ctrl-C writes the picture so far and says how to go on; a folder goes on by the
same command. What is there is replaced with --overwrite alone, and what is read never.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgtrans_jax.commands import app

if TYPE_CHECKING:  # what takes time to import waits for the flags, so that --help is fast
    from imgtrans_jax.runtime.signals import Stop
    from imgtrans_jax.style.gatys import Gatys, Quality

FLAGS = app.Flags()
CONTENT = FLAGS.path("content", None, "The picture to change, or a folder of frames.")
STYLE = FLAGS.paths("style", "A picture whose look is wanted; may be given several times.")
STYLE_WEIGHTS = FLAGS.strings(
    "style_weights", "How much of each, such as 2,1. Default: equally much."
)
MASK = FLAGS.paths("mask", "A grey picture for each style, in its order: white where it goes.")
CONFIG = FLAGS.path("config", None, "A Python file, or a shipped config: gatys, gatys_2016.")
OUT = FLAGS.path("out", "out", "A folder, or for one picture a file: .png, .jpg, .webp, .tif.")
SIZE = FLAGS.whole("size", None, "Work with the shorter side at this many pixels.")
QUALITY = FLAGS.choice(
    "quality",
    None,
    ("draft", "normal", "best"),
    "draft: small, and enlarged; best: up to three times the work.",
)
OVERWRITE = FLAGS.switch("overwrite", "Make results anew that are there already.")
POSITIONAL = (CONTENT, STYLE)
IS_LONG = True


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.config.loading import load
    from imgtrans_jax.style.gatys import Gatys

    recipe = load(CONFIG.value, Gatys) if CONFIG.value else Gatys()
    recipe = app.overridden(with_quality(recipe, QUALITY.value, CONFIG.value), overrides)
    return app.stoppable(
        lambda stop: transfer(
            recipe,
            CONTENT.value,
            STYLE.value,
            OUT.value,
            STYLE_WEIGHTS.value,
            MASK.value,
            SIZE.value,
            OVERWRITE.value,
            stop,
        )
    )


def with_quality(recipe: Gatys, quality: Quality | None, config: str | None) -> Gatys:
    """The recipe with the steps of a quality, if one is asked for."""
    from imgtrans_jax.style.gatys import of_quality
    from imgtrans_jax.types import UserError

    if quality and config:
        raise UserError("A config has steps of its own; give `config` or `quality`, not both.")
    return of_quality(recipe, quality) if quality else recipe


def transfer(
    recipe: Gatys,
    content: str | None,
    styles: Sequence[str],
    out: str,
    weights: Sequence[str],
    masks: Sequence[str],
    size: int | None,
    overwrite: bool,
    stop: Stop,
) -> list[Path]:
    """What the flags ask for: of sample pictures if they name none. Returns the files written."""
    from imgtrans_jax.data.sample_pictures import painting, photograph
    from imgtrans_jax.style.stylize import stylize, stylize_samples

    if content is None and not styles:
        return stylize_samples(recipe, photograph(), painting(), out, size, overwrite, stop)
    if not styles:
        raise app.MissingError("style")
    return stylize(
        recipe,
        app.required(content, "content"),
        styles,
        out,
        style_weights=[_number(text) for text in weights],
        masks=masks,
        size=size,
        overwrite=overwrite,
        stop=stop,
    )


def _number(text: str) -> float:
    from imgtrans_jax.types import UserError

    try:
        return float(text)
    except ValueError:
        raise UserError(
            f"`style_weights` needs numbers joined by commas; '{text}' is none."
        ) from None
