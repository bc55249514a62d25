"""Writes a trained network for programs that have no imgtrans_jax.

  imgtrans export painters painters.onnx
  imgtrans export sketch2color sketch2color.onnx --precision=int8
  imgtrans export runs/horse2zebra zebra2horse.onnx --direction=b2a
  imgtrans export runs/facades facades.stablehlo
  imgtrans export vgg features.onnx --layers=relu3_1,relu4_2

SRC: a run, a .safetensors or .pth file of a generator, or the name of a finished network (imgtrans
networks); or vgg, vgg16, vgg19, whose features are exported.

OUT decides what is made:
  FILE.onnx         for ONNX Runtime, in any language and in the browser: image -> result, float32
                    N x C x H x W in [-1, 1], of any size; with several looks a second input, looks
                    1 x K
  FILE.stablehlo    for JAX alone: jax.export.deserialize(bytes).call(image), on CPU, CUDA and TPU
  FILE.safetensors  with its config, for imgtrans

Beside it FILE.html tells of it: samples, data, licence, limits, and how it is run.
"""

from __future__ import annotations

from typing import cast

from imgtrans_jax.commands import app

FLAGS = app.Flags()
SRC = FLAGS.path("src", None, "What is exported.")
OUT = FLAGS.path("out", None, "The file to write.")
DIRECTION = FLAGS.choice("direction", "a2b", ["a2b", "b2a"], "Which generator of a CycleGAN.")
PRECISION = FLAGS.choice(
    "precision",
    "float32",
    ["float32", "float16", "int8"],
    "Of the weights: float16 halves the file, int8 quarters it; what that changes is measured and "
    "said. Networks compute in float32.",
)
LAYERS = FLAGS.string(
    "layers", "", "Of a VGG: those wanted, separated by commas. Default: relu4_2."
)
OVERWRITE = FLAGS.switch("overwrite", "Make files anew that are there already.")
TRUST_CODE = FLAGS.switch(
    "trust_code", "Run code that the run's config names outside imgtrans_jax."
)
POSITIONAL = (SRC, OUT)


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.export.write import export
    from imgtrans_jax.inference.generator_file import Precision
    from imgtrans_jax.types import Direction, UserError

    app.no_overrides(overrides)
    if not SRC.value or not OUT.value:
        raise UserError("Two names are needed: imgtrans export SRC OUT.onnx; see --help.")
    written = export(
        SRC.value,
        OUT.value,
        cast("Direction", DIRECTION.value),
        cast("Precision", PRECISION.value),
        tuple(filter(None, (layer.strip() for layer in (LAYERS.value or "").split(",")))),
        OVERWRITE.value,
        TRUST_CODE.value,
    )
    for path in written:
        print(f"Wrote {path} ({path.stat().st_size / 1e6:.2f} MB)")
    return 0
