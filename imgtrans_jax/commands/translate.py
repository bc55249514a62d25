"""Turns pictures into others with a trained generator.

  imgtrans translate runs/quickstart sketches/ --out=coloured --size=64 --direction=b2a
  imgtrans translate latest_net_G_A.pth photo.jpg --out=painted --test_mode=paper
  imgtrans translate runs/srresnet photo.jpg --out=enlarged               (four times as large)
  imgtrans translate runs/painters photo.jpg --look=mosaic:0.7,chalk:0.3

The generator is a run of imgtrans train, a .safetensors file of one, or a .pth file of
junyanz/pytorch-CycleGAN-and-pix2pix or CUT, which needs no PyTorch. Every picture comes back at its
own size, or four times that, however large it is: what does not fit into memory is worked in tiles,
with the same result. What is there is replaced with --overwrite alone; a picture of a folder that
cannot be read or written is named at the end, and the exit code is 1.
"""

from __future__ import annotations

from typing import cast

from imgtrans_jax.commands import app

FLAGS = app.Flags()
RUN = FLAGS.path("run", None, "A run, or a file of a generator: .safetensors, .pth.")
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
LOOK = FLAGS.text(
    "look",
    None,
    "Of a network that knows several: a name, or names with weights. Default: the run's own, "
    "mostly the first.",
)
TILE = FLAGS.whole(
    "tile",
    None,
    "Work in tiles of this many pixels, for less memory; the result is the same. Default: 512 for "
    "a picture that does not fit.",
)
FORMAT = FLAGS.choice("format", "png", ["png", "jpg", "webp", "tif"], "Of the files in a folder.")
ALPHA = FLAGS.choice(
    "alpha", "keep", ["keep", "white"], "An input's transparency is kept, or white laid under it."
)
OVERWRITE = FLAGS.switch("overwrite", "Make results anew that are there already.")
TRUST_CODE = FLAGS.switch(
    "trust_code", "Run code that the run's config names outside imgtrans_jax."
)
FLAGS.alias("generator", "run")
POSITIONAL = (RUN, INPUT)


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.inference import translator
    from imgtrans_jax.inference.translate import Alpha, Form, translate
    from imgtrans_jax.types import Direction

    app.no_overrides(overrides)
    written = translate(
        app.required(RUN.value, "run"),
        app.required(INPUT.value, "input"),
        OUT.value,
        cast("Direction", DIRECTION.value),
        SIZE.value,
        TRUST_CODE.value,
        cast("translator.TestMode | None", TEST_MODE.value),
        LOOK.value,
        tile=TILE.value,
        form=cast("Form", FORMAT.value),
        alpha=cast("Alpha", ALPHA.value),
        overwrite=OVERWRITE.value,
    )
    return app.wrote(written)
