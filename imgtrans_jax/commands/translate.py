"""Turns pictures into others with a trained generator.

  imgtrans translate painters photo.jpg --look=all          (a sheet of what it can do)
  imgtrans translate painters photo.jpg --look=mosaic:0.7,chalk:0.3
  imgtrans translate sketch2color sketches/ --out=coloured
  imgtrans translate runs/quickstart sketches/ --out=coloured --size=64 --direction=b2a
  imgtrans translate latest_net_G_A.pth photo.jpg --out=painted --test_mode=paper

The generator is a finished network that comes along (imgtrans networks lists them), a run of
imgtrans train, a .safetensors file of one, or a .pth file of junyanz/pytorch-CycleGAN-and-pix2pix
or CUT, which needs no PyTorch. Without a picture a finished network shows what it does on a sample.
Every picture comes back at its own size, or four times that, however large it is: what does not fit
into memory is worked in tiles, with the same result. What is there is replaced with --overwrite
alone; a picture of a folder that cannot be read or written is named at the end, and the exit code
is 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from imgtrans_jax.commands import app

FLAGS = app.Flags()
RUN = FLAGS.path("run", None, "A network's name, a run, or a file: .safetensors, .pth.")
INPUT = FLAGS.path("input", None, "A picture or a folder of pictures.")
OUT = FLAGS.path("out", "out", "A folder, or for one picture a file: .png, .jpg, .webp, .tif.")
SIZE = FLAGS.whole("size", None, "Work with the shorter side at this many pixels.")
DIRECTION = FLAGS.choice(
    "direction", "a2b", ["a2b", "b2a"], "From the first domain to the second, or back."
)
TEST_MODE = FLAGS.choice(
    "test_mode",
    None,
    ["paper", "eval"],
    "paper: dropout on, and the picture's own batch statistics, the default of pix2pix runs made "
    "here; eval: neither, the default of PyTorch's files.",
)
LOOK = FLAGS.string(
    "look",
    None,
    "Of a network that knows several: a name, names with weights, or all, for a sheet of them. "
    "Default: the run's own, mostly the first.",
)
LINES = FLAGS.choice(
    "lines",
    None,
    ["keep", "off"],
    "keep: a drawing's own ink is laid over the result. Default: keep, where the network learned "
    "from line drawings, as sketch2color.",
)
PAPER = FLAGS.choice(
    "paper",
    None,
    ["clean", "off"],
    "clean: the light of a photographed or scanned drawing is made even, its paper white and its "
    "ink black; white on black is turned. Default: clean, of such networks, where the background "
    "is not white.",
)
FILLS = FLAGS.choice(
    "fills",
    None,
    ["flat", "off"],
    "flat: every shape that lines close gets one color. Default: flat, of such networks.",
)
TILE = FLAGS.whole(
    "tile",
    None,
    "Work in tiles of this many pixels, for less memory; the result is the same. Default: 512 for "
    "a picture that does not fit.",
)
FORMAT = FLAGS.choice("format", "png", ["png", "jpg", "webp", "tif"], "Of the files in a folder.")
ALPHA = FLAGS.choice(
    "alpha",
    None,
    ["keep", "white"],
    "An input's transparency is kept, or white laid under it. Default: white, of networks of line "
    "drawings, else keep.",
)
OVERWRITE = FLAGS.switch("overwrite", "Make results anew that are there already.")
TRUST_CODE = FLAGS.switch(
    "trust_code", "Run code that the run's config names outside imgtrans_jax."
)
FLAGS.alias("generator", "run")
POSITIONAL = (RUN, INPUT)


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.inference import translator
    from imgtrans_jax.inference.drawings import Fills, Lines, Paper
    from imgtrans_jax.inference.looks import sheet_of_looks
    from imgtrans_jax.inference.translate import Alpha, Form, translate
    from imgtrans_jax.types import Direction, UserError

    app.no_overrides(overrides)
    source = app.required(RUN.value, "run")
    pictures, out = INPUT.value, OUT.value
    if pictures is None:
        pictures, out = _sample(source, out)
    if LOOK.value == "":
        raise UserError("--look is empty; give a name, or leave it out.")
    if LOOK.value == "all":
        sheet = sheet_of_looks(source, pictures, out, SIZE.value, OVERWRITE.value, TRUST_CODE.value)
        return app.wrote([sheet])
    written = translate(
        source,
        pictures,
        out,
        cast("Direction", DIRECTION.value),
        SIZE.value,
        TRUST_CODE.value,
        cast("translator.TestMode | None", TEST_MODE.value),
        LOOK.value,
        cast("Lines | None", LINES.value),
        cast("Paper | None", PAPER.value),
        cast("Fills | None", FILLS.value),
        tile=TILE.value,
        form=cast("Form", FORMAT.value),
        alpha=cast("Alpha | None", ALPHA.value),
        overwrite=OVERWRITE.value,
    )
    return app.wrote(written)


def _sample(source: str, out: str) -> tuple[str, str]:
    """A picture of the kind that a finished network takes, written beside where its result will be;
    and that result. Raises MissingError for other networks.
    """
    from imgtrans_jax.data.sample_pictures import drawing, photograph
    from imgtrans_jax.inference import shelf
    from imgtrans_jax.io import images
    from imgtrans_jax.io.files import make_folder

    if source not in shelf.names():
        raise app.MissingError("input")
    kind = shelf.card(source).sample
    named = Path(out).suffix.lower() in images.WRITABLE
    folder = Path(out).parent if named else Path(out)
    make_folder(folder, "`out`")
    sample = folder / f"sample_{kind.replace(' ', '_')}.png"
    print(f"No picture is given: a sample {kind}, {sample}.")
    if not sample.exists():
        picture = photograph() if kind == "photograph" else drawing(sketch=kind == "drawing")
        images.write_picture(sample, picture)
    return str(sample), out if named else str(folder / f"sample_{source}.png")
