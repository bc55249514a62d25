"""Draws into a picture what the network sees in it (Deep Dream).

  imgtrans dream photo.jpg --out=dream.png
  imgtrans dream photo.jpg --style=guide.jpg --config.layer=relu5_1

--config.octaves=4 --config.steps=20 and --config.layer change the dream; imgtrans configs deepdream
says more. With --style it dreams of what the guide shows. A folder is dreamt picture by picture.
"""

from __future__ import annotations

from imgtrans_jax.commands import app

FLAGS = app.Flags()
CONTENT = FLAGS.path("content", None, "The picture, or a folder of pictures.")
STYLE = FLAGS.path("style", None, "A guide: a picture of what is to be dreamt of.")
CONFIG = FLAGS.path("config", None, "A Python file, or the shipped config deepdream.")
OUT = FLAGS.path("out", "out", "A folder, or for one picture a file: .png, .jpg, .webp, .tif.")
SIZE = FLAGS.whole("size", None, "Work with the shorter side at this many pixels.")
OVERWRITE = FLAGS.switch("overwrite", "Make results anew that are there already.")
POSITIONAL = (CONTENT,)
IS_LONG = True


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.config.loading import load
    from imgtrans_jax.style.deepdream import DeepDream
    from imgtrans_jax.style.dream import dream

    recipe = load(CONFIG.value, DeepDream) if CONFIG.value else DeepDream()
    recipe = app.overridden(recipe, overrides)
    picture = app.required(CONTENT.value, "content")
    return app.stoppable(
        lambda stop: dream(
            recipe,
            picture,
            OUT.value,
            guide=STYLE.value,
            size=SIZE.value,
            overwrite=OVERWRITE.value,
            stop=stop,
        )
    )
