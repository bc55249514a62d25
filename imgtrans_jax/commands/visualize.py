"""Shows what the network of style transfer sees: four experiments, a labeled grid each.

  imgtrans visualize content_reconstruction --content=photo.jpg --out=grid.png
  imgtrans visualize brush_strokes --style=painting.jpg --out=grid.png
  imgtrans visualize weight_ratios --content=photo.jpg --style=painting.jpg --out=grid.png
  imgtrans visualize top_patches --content=folder --out=grid.png

content_reconstruction: what every layer still knows of a picture. brush_strokes: what every layer
takes for style. weight_ratios: how much style for how much content. top_patches: the patches that
excite a unit most. --config.side=128 makes any of them smaller. --config.steps=50 makes
content_reconstruction and weight_ratios sooner; brush_strokes goes through two sizes and takes the
steps at each, --config.steps=75,50; top_patches has none. imgtrans configs NAME says more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgtrans_jax.commands import app

if TYPE_CHECKING:
    from imgtrans_jax.style.experiments import BrushStrokes, ContentReconstruction, WeightRatios
    from imgtrans_jax.style.top_patches import TopPatches

    Experiment = ContentReconstruction | BrushStrokes | WeightRatios | TopPatches

FLAGS = app.Flags()
CONFIG = FLAGS.path("config", None, "The experiment by its name, or a Python file of yours.")
CONTENT = FLAGS.path("content", None, "The picture, or the folder of pictures.")
STYLE = FLAGS.path("style", None, "The painting.")
OUT = FLAGS.path("out", "out", "A folder for the grid, or a file: .png, .jpg, .webp, .tif.")
OVERWRITE = FLAGS.switch("overwrite", "Make the grid anew if it is there already.")
FLAGS.alias("input", "content")
POSITIONAL = (CONFIG, CONTENT)
IS_LONG = True


def kinds() -> tuple[type[Any], ...]:
    """The types of the experiments."""
    from imgtrans_jax.style import experiments as v
    from imgtrans_jax.style import top_patches

    return v.ContentReconstruction, v.BrushStrokes, v.WeightRatios, top_patches.TopPatches


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.config.loading import load

    name = app.required(CONFIG.value, "config")
    experiment = app.overridden(load(name, *kinds()), overrides)
    written = visualize(experiment, CONTENT.value, STYLE.value, OUT.value, OVERWRITE.value)
    return app.wrote(written)


def visualize(
    experiment: Experiment, content: str | None, style: str | None, out: str, overwrite: bool
) -> list[Path]:
    """Runs an experiment on the pictures that it takes. Raises UserError for others."""
    from imgtrans_jax.style import experiments
    from imgtrans_jax.types import UserError

    name = type(experiment).__name__
    match experiment:
        case experiments.BrushStrokes():
            if content:
                raise UserError(f"{name} takes `style` alone; leave `content` out.")
            return experiment.run(app.required(style, "style"), out, overwrite)
        case experiments.WeightRatios():
            pictures = app.required(content, "content"), app.required(style, "style")
            return experiment.run(*pictures, out, overwrite)
    if style:
        raise UserError(f"{name} takes no `style`; leave it out.")
    return experiment.run(app.required(content, "content"), out, overwrite)
