"""Turns a photo, a sketch or a folder of them into another look: `transfer`, `dream`, `visualize`,
`translate` and `generate` by the flags of one program.

After a painting (neural style transfer; no training, no network connection needed):
  python stylize.py --content=photo.jpg --style=painting.jpg --out=out.png
  python stylize.py --content=photo.jpg --style=a.jpg --style=b.jpg --style_weights=2,1
  python stylize.py --content=photo.jpg --style=a.jpg --style=b.jpg --mask=sky.png --mask=ground.png
  python stylize.py --content=frames/ --style=painting.jpg --out=painted_frames
  python stylize.py                                      (sample pictures, to see what it does)

Deep Dream, guided by another picture if you like, and four experiments that look into the network:
  python stylize.py --config=deepdream --content=photo.jpg --out=dream.png [--style=guide.jpg]
  python stylize.py --config=content_reconstruction --content=photo.jpg --out=grid.png
  python stylize.py --config=brush_strokes --style=painting.jpg --out=grid.png
  python stylize.py --config=weight_ratios --content=photo.jpg --style=painting.jpg --out=grid.png
  python stylize.py --config=top_patches --input=folder --out=grid.png

With a generator that train.py has trained, its run or its file (imgtrans convert RUN
FILE.safetensors), or one of junyanz/pytorch-CycleGAN-and-pix2pix or CUT (PyTorch is not needed):
  python stylize.py --run=runs/quickstart --input=sketches/ --out=coloured --size=64
  python stylize.py --generator=latest_net_G_A.pth --input=photo.jpg --out=painted
  python stylize.py --run=runs/srresnet --input=photo.jpg --out=enlarged    (four times as large)
  python stylize.py --generator=digits.safetensors --count=64 --out=digits  (pictures from nothing)

Every picture comes back at its own size, or four times that, however large it is: what does not fit
into memory is worked in tiles, with the same result. Nothing that is there is overwritten without
--overwrite, and what is read never; a picture of a folder that cannot be read or written is named
at the end, and the exit code is 1. Ctrl-C writes the picture so far and says how to go on; a folder
goes on by the same command. Any field of a config can be set by its name:
--config.content_weight=0.1 for more style, --config.style_scale=1.5 for larger strokes,
--config.weights=vgg19 for another network; imgtrans configs gatys says more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from imgtrans_jax.commands import app
from imgtrans_jax.commands.transfer import transfer, with_quality
from imgtrans_jax.commands.visualize import kinds, visualize

if TYPE_CHECKING:  # what takes time to import waits for the flags, so that --help is fast
    from imgtrans_jax.runtime.signals import Stop

FLAGS = app.Flags()
CONTENT = FLAGS.path("content", None, "The picture to change, or a folder of frames.")
STYLE = FLAGS.paths("style", "A picture whose look is wanted; may be given several times.")
STYLE_WEIGHTS = FLAGS.strings(
    "style_weights", "How much of each, such as 2,1. Default: equally much."
)
MASK = FLAGS.paths("mask", "A grey picture for each style, in its order: white where it goes.")
CONFIG = FLAGS.path(
    "config", None, "What to do: a Python file, or a shipped config. Default: gatys."
)
RUN = FLAGS.path("run", None, "The folder of a training run, such as runs/quickstart.")
GENERATOR = FLAGS.path("generator", None, "Instead of --run: a .safetensors or .pth file.")
INPUT = FLAGS.path("input", None, "A picture or a folder of pictures, the same as --content.")
OUT = FLAGS.path("out", "out", "A folder, or for one picture a file: .png, .jpg, .webp, .tif.")
SIZE = FLAGS.whole("size", None, "Work with the shorter side at this many pixels.")
QUALITY = FLAGS.choice(
    "quality", None, ["draft", "normal", "best"], "With --style: as imgtrans transfer --help says."
)
DIRECTION = FLAGS.choice(
    "direction", None, ["a2b", "b2a"], "With --run: to the second domain (the default), or back."
)
TEST_MODE = FLAGS.choice(
    "test_mode", None, ["paper", "eval"], "With --run: as imgtrans translate --help says."
)
TILE = FLAGS.whole("tile", None, "With --run: work in tiles of this many pixels, for less memory.")
FORMAT = FLAGS.choice(
    "format", "png", ["png", "jpg", "webp", "tif"], "With --run: of the files in a folder."
)
ALPHA = FLAGS.choice(
    "alpha", "keep", ["keep", "white"], "With --run: transparency is kept, or white laid under it."
)
OVERWRITE = FLAGS.switch(
    "overwrite", "Make results anew that are there; inputs are never replaced."
)
COUNT = FLAGS.whole("count", None, "With a GAN's run: how many pictures to make from nothing.")
LABEL = FLAGS.whole("label", None, "With --count: the class, from 0. Default: all in turn.")
SEED = FLAGS.whole("seed", 0, "With --count: another number, other pictures.", 0, 2**31 - 1)
TRUST_CODE = FLAGS.switch("trust_code", "With --run: run code that its config names outside.")
IS_LONG = True


def main(overrides: app.Overrides) -> int:
    if RUN.value is not None or GENERATOR.value is not None:
        return app.wrote(_with_run(overrides))
    return app.stoppable(lambda stop: _with_config(overrides, stop))


def _with_run(overrides: app.Overrides) -> list[Path]:
    from imgtrans_jax.inference import sample, translator  # after the flags, so that --help is fast
    from imgtrans_jax.inference.translate import Alpha, Form, translate
    from imgtrans_jax.types import Direction, UserError

    if overrides or CONFIG.value or STYLE.value:
        raise UserError(
            "With --run or --generator the look comes from it; leave --config and --style out."
        )
    if not (bool(RUN.value) ^ bool(GENERATOR.value)):
        raise UserError("Give --run=FOLDER or --generator=FILE, one of them.")
    source, pictures, trusted = (
        RUN.value or GENERATOR.value or "",
        INPUT.value or CONTENT.value,
        TRUST_CODE.value,
    )
    if COUNT.value is not None and (pictures or SIZE.value or DIRECTION.value or TEST_MODE.value):
        raise UserError(
            "--count makes pictures from nothing; leave --input, --size, --direction and "
            "--test_mode out."
        )
    if COUNT.value is None and (LABEL.value is not None or SEED.value):
        raise UserError(
            f"--{'seed' if SEED.value else 'label'} goes with --count=N, for a GAN's run."
        )
    if COUNT.value is not None:
        return sample.generate(
            source, OUT.value, COUNT.value, LABEL.value, SEED.value, trusted, OVERWRITE.value
        )
    if pictures is None:
        raise UserError("Give --input=PICTURE_OR_FOLDER, or --count=N for a GAN's run; see --help.")
    direction, mode = (
        cast("Direction", DIRECTION.value or "a2b"),
        cast("translator.TestMode | None", TEST_MODE.value),
    )
    return translate(
        source,
        pictures,
        OUT.value,
        direction,
        SIZE.value,
        trusted,
        mode,
        tile=TILE.value,
        form=cast("Form", FORMAT.value),
        alpha=cast("Alpha", ALPHA.value),
        overwrite=OVERWRITE.value,
    )


def _with_config(overrides: app.Overrides, stop: Stop) -> list[Path]:
    from imgtrans_jax.config.loading import load
    from imgtrans_jax.style.deepdream import DeepDream
    from imgtrans_jax.style.dream import dream
    from imgtrans_jax.style.gatys import Gatys
    from imgtrans_jax.types import UserError

    if INPUT.value and not STYLE.value and not CONFIG.value:
        raise UserError(
            "Which look? Give --run=RUN or --generator=FILE for a trained one, or "
            "--style=PICTURE; see --help."
        )
    if CONTENT.value and INPUT.value:
        raise UserError("--content and --input say the same; give one of them.")
    recipe: Any = Gatys()
    if CONFIG.value:
        recipe = load(CONFIG.value, Gatys, DeepDream, *kinds())
    recipe = with_quality(recipe, QUALITY.value, CONFIG.value)
    recipe = app.overridden(recipe, overrides)
    content, out, size, anew = CONTENT.value or INPUT.value, OUT.value, SIZE.value, OVERWRITE.value
    styles, weights, masks = STYLE.value, STYLE_WEIGHTS.value, MASK.value
    if isinstance(recipe, Gatys):
        return transfer(recipe, content, styles, out, weights, masks, size, anew, stop)
    name, style = type(recipe).__name__, styles[0] if styles else None
    if weights or masks or len(styles) > 1:
        raise UserError(
            f"{name} takes one --style at most, and neither --style_weights nor --mask."
        )
    if isinstance(recipe, DeepDream):
        picture = app.required(content, "content")
        return dream(recipe, picture, out, guide=style, size=size, overwrite=anew, stop=stop)
    if size is not None:
        raise UserError(f"{name} takes no --size; its size is --config.side={size}.")
    return visualize(recipe, content, style, out, anew)
