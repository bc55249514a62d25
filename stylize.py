"""Turns a photo, a sketch or a folder of them into another look.

After a painting (neural style transfer; no training, no network connection needed):
  python stylize.py --content=photo.jpg --style=painting.jpg --out=out.png
  python stylize.py --content=photo.jpg --style=a.jpg --style=b.jpg --style_weights=2,1
  --config.colours=content
  python stylize.py --content=photo.jpg --style=a.jpg --style=b.jpg --mask=sky.png --mask=ground.png
  --out=out.png
  python stylize.py --content=frames/ --style=painting.jpg --out=painted_frames
  python stylize.py                                      (sample pictures, to see what it does)

Deep Dream, guided by another picture if you like, and four experiments that look into the network:
  python stylize.py --config=configs/deepdream.py --content=photo.jpg --out=dream.png
  [--style=guide.jpg]
  python stylize.py --config=configs/content_reconstruction.py --content=photo.jpg --out=grid.png
  python stylize.py --config=configs/brush_strokes.py --style=painting.jpg --out=grid.png
  python stylize.py --config=configs/weight_ratios.py --content=photo.jpg --style=painting.jpg
  --out=grid.png
  python stylize.py --config=configs/top_patches.py --input=folder --out=grid.png

With a generator that train.py has trained, its run or its file (python -m imgtrans_jax.convert RUN
FILE.safetensors), or one that the common PyTorch code for CycleGAN, pix2pix or CUT has trained
(PyTorch is not needed):
  python stylize.py --run=runs/quickstart --input=sketches/ --out=coloured --size=64
  [--direction=b2a]
  python stylize.py --generator=latest_net_G_A.pth --input=photo.jpg --out=painted
  [--test_mode=paper]
  python stylize.py --run=runs/srresnet --input=photo.jpg --out=enlarged            (four times as
  large)
  python stylize.py --generator=digits.safetensors --count=64 --out=digits [--label=3]
  (pictures from nothing)

Every picture comes back at its own size, or four times that, however large it is: what does not fit
into memory is worked in tiles, with the same result. Nothing that is there is overwritten without
--overwrite, and what is read never; a picture of a folder that cannot be read or written is named
at the end, and the exit code is 1. Ctrl-C writes the picture so far and says how to go on; a folder
goes on by the same command. Any field of a config can be set by its name:
--config.content_weight=0.1 for more style, --config.style_scale=1.5 for larger strokes,
--config.weights=vgg19 for another network; configs/gatys.py says more.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from absl import flags

from imgtrans_jax import cli

if TYPE_CHECKING:  # what takes time to import waits for the flags, so that --help is fast
    from imgtrans_jax.processes import Stop

CONTENT = cli.path_flag("content", None, "The picture to change, or a folder of frames.")
STYLE = cli.path_flags("style", "A picture whose look is wanted; may be given several times.")
STYLE_WEIGHTS = flags.DEFINE_list(
    "style_weights", [], "How much of each style, such as 2,1. Default: equally much."
)
MASK = cli.path_flags(
    "mask", "A grey picture for each style, in the same order: white where it goes."
)
CONFIG = cli.path_flag(
    "config", None, "What to do: a Python file of configs/. Default: style transfer."
)
RUN = cli.path_flag("run", None, "The folder of a training run, such as runs/quickstart.")
GENERATOR = cli.path_flag(
    "generator",
    None,
    "Instead of --run: a .safetensors file made of a run, or a .pth of the common PyTorch code.",
)
INPUT = cli.path_flag(
    "input",
    None,
    "With --run: a picture or a folder of pictures. It may be used for --content too.",
)
OUT = cli.path_flag(
    "out", "out", "A folder for the results, or, for one picture, a file: .png, .jpg, .webp, .tif."
)
SIZE = flags.DEFINE_integer(
    "size",
    None,
    "Work with the picture's shorter side at this many pixels; the result has its size.",
)
DIRECTION = flags.DEFINE_enum(
    "direction",
    None,
    ["a2b", "b2a"],
    "With --run: from the first domain to the second (the default), or back.",
)
TEST_MODE = flags.DEFINE_enum(
    "test_mode",
    None,
    ["paper", "eval"],
    "paper: dropout on, and the picture's own batch statistics, the default of pix2pix runs made "
    "here; eval: neither, the default of PyTorch's files.",
)
TILE = flags.DEFINE_integer(
    "tile",
    None,
    "With --run: work in tiles of this many pixels, for less memory; the result is the same. "
    "Default: 512 for a picture that does not fit.",
)
FORMAT = flags.DEFINE_enum(
    "format", "png", ["png", "jpg", "webp", "tif"], "With --run: the form of the files in a folder."
)
ALPHA = flags.DEFINE_enum(
    "alpha",
    "keep",
    ["keep", "white"],
    "With --run: transparency of an input is kept in its result, or white is laid under it.",
)
OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Make results anew that are there already; inputs are never replaced."
)
COUNT = flags.DEFINE_integer(
    "count", None, "With a GAN's run: how many pictures to make from nothing."
)
LABEL = flags.DEFINE_integer(
    "label", None, "With --count: the class, from 0. Default: all in turn."
)
SEED = flags.DEFINE_integer(
    "seed",
    0,
    "With --count: another number makes other pictures.",
    lower_bound=0,
    upper_bound=2**31 - 1,
)
TRUST_CODE = flags.DEFINE_bool(
    "trust_code", False, "With --run: run code that its config names outside imgtrans_jax."
)


def main(overrides: cli.Overrides) -> int:
    if RUN.value is not None or GENERATOR.value is not None:
        written = _with_run(overrides)
    else:
        from imgtrans_jax import canvas, processes  # after the flags, so that --help is fast

        with processes.Stop(at_once=True) as stop:
            try:
                written = _with_config(overrides, stop)
            except canvas.Interrupted as interrupted:
                with contextlib.suppress(OSError):  # the terminal may be gone
                    print(interrupted, flush=True)
                return interrupted.code
    if written:
        print(
            f"Wrote {len(written)} picture{'s' if len(written) != 1 else ''}: "
            f"{written[0]}{' …' if len(written) > 1 else ''}"
        )
    return 0


def _with_run(overrides: cli.Overrides) -> list[Path]:
    from imgtrans_jax import translation  # after the flags, so that --help is fast
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
        return translation.generate(
            source, OUT.value, COUNT.value, LABEL.value, SEED.value, trusted, OVERWRITE.value
        )
    if pictures is None:
        raise UserError("Give --input=PICTURE_OR_FOLDER, or --count=N for a GAN's run; see --help.")
    direction, mode = (
        cast("Direction", DIRECTION.value or "a2b"),
        cast("translation.TestMode | None", TEST_MODE.value),
    )
    return translation.translate(
        source,
        pictures,
        OUT.value,
        direction,
        SIZE.value,
        trusted,
        mode,
        tile=TILE.value,
        form=cast("translation.Form", FORMAT.value),
        alpha=cast("translation.Alpha", ALPHA.value),
        overwrite=OVERWRITE.value,
    )


def _with_config(overrides: cli.Overrides, stop: Stop) -> list[Path]:
    from imgtrans_jax import dreaming, stylisation
    from imgtrans_jax.recipes.deepdream import DeepDream
    from imgtrans_jax.recipes.gatys import Gatys
    from imgtrans_jax.types import UserError
    from imgtrans_jax.visualisation import (
        BrushStrokes,
        ContentReconstruction,
        TopPatches,
        WeightRatios,
    )

    if INPUT.value and not STYLE.value and not CONFIG.value:
        raise UserError(
            "Which look? Give --run=RUN or --generator=FILE for a trained one, or "
            "--style=PICTURE; see --help."
        )
    if CONTENT.value and INPUT.value:
        raise UserError("--content and --input say the same; give one of them.")
    content, out, size, overwrite = (
        CONTENT.value or INPUT.value,
        OUT.value,
        SIZE.value,
        OVERWRITE.value,
    )
    kinds = (Gatys, DeepDream, ContentReconstruction, BrushStrokes, WeightRatios, TopPatches)
    recipe = (
        cli.load_config(CONFIG.value, overrides, *kinds)
        if CONFIG.value
        else cli.overridden(Gatys(), overrides)
    )
    styles = STYLE.value
    if isinstance(recipe, Gatys):
        if content is None and not styles:
            return stylisation.stylise_samples(recipe, out, size, overwrite, stop)
        weights, picture = [_number(text) for text in STYLE_WEIGHTS.value], _given(content)
        options = {
            "style_weights": weights,
            "masks": MASK.value,
            "size": size,
            "overwrite": overwrite,
            "stop": stop,
        }
        return stylisation.stylise(recipe, picture, styles, out, **options)
    if STYLE_WEIGHTS.value or MASK.value or len(styles) > 1:
        raise UserError(
            f"{type(recipe).__name__} takes one --style at most, and neither --style_weights nor "
            "--mask."
        )
    style = styles[0] if styles else None
    name = type(recipe).__name__
    if style and isinstance(recipe, (ContentReconstruction, TopPatches)):
        raise UserError(f"{name} takes no --style; leave it out.")
    if content and isinstance(recipe, BrushStrokes):
        raise UserError(f"{name} takes --style alone; leave --content and --input out.")
    if size is not None and not isinstance(recipe, DeepDream):
        raise UserError(f"{name} takes no --size; its size is --config.side={size}.")
    match recipe:
        case DeepDream():
            return dreaming.dream(
                recipe, _given(content), out, guide=style, size=size, overwrite=overwrite, stop=stop
            )
        case BrushStrokes():
            return recipe.run(_given(style, "style"), out, overwrite)
        case WeightRatios():
            return recipe.run(_given(content), _given(style, "style"), out, overwrite)
        case _:
            return recipe.run(_given(content), out, overwrite)


def _given(path: str | None, flag: str = "content") -> str:
    from imgtrans_jax.types import UserError

    if path is None:
        raise UserError(f"Which picture? Give --{flag}=PICTURE; see --help.")
    return path


def _number(text: str) -> float:
    from imgtrans_jax.types import UserError

    try:
        return float(text)
    except ValueError:
        raise UserError(
            f"--style_weights needs numbers joined by commas; '{text}' is none."
        ) from None


if __name__ == "__main__":
    cli.run(main)
