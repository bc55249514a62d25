"""Changes the form of trained networks: a run, a file of ours, or PyTorch's files.

  imgtrans convert runs/quickstart colorize.safetensors
  imgtrans convert runs/horse2zebra generator.pth --direction=b2a
  imgtrans convert runs/horse2zebra folder_of_pth
  imgtrans convert latest_net_G_A.pth painter.safetensors
  imgtrans convert folder_of_pth runs/mine

SRC: a run of imgtrans train; a .safetensors file made here; a .pth or .safetensors file of
junyanz/pytorch-CycleGAN-and-pix2pix or CUT; or a folder of its .pth files. Its architecture is
recognized from the shapes, and printed. PyTorch is not needed.

DST decides what is made, of a run's smoothed generators if it has them:
  FILE.safetensors   the generators with their config, for imgtrans translate (a critic's .pth: that
                     critic); --precision=float16 halves the file, int8 quarters it
  FILE.pth           one network as torch.load and load_state_dict take it; of a CycleGAN that from
                     a to b, or back with --direction=b2a
  a folder           of a run: all its networks as latest_net_G.pth, latest_net_D.pth, …; of
                     anything else: a run, for imgtrans translate and --config.init_from

A file that is there is replaced with --overwrite alone; a folder that holds networks, and SRC,
never.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from imgtrans_jax.commands import app

FLAGS = app.Flags()
SRC = FLAGS.path("src", None, "What there is.")
DST = FLAGS.path("dst", None, "What is to be made.")
DIRECTION = FLAGS.choice(
    "direction", "a2b", ["a2b", "b2a"], "For DST.pth: which generator of a CycleGAN."
)
PRECISION = FLAGS.choice(
    "precision",
    "float32",
    ["float32", "float16", "int8"],
    "For FILE.safetensors of a generator: the form of its weights.",
)
OVERWRITE = FLAGS.switch("overwrite", "Make the file DST anew if it is there already.")
TRUST_CODE = FLAGS.switch(
    "trust_code", "Run code that the run's config names outside imgtrans_jax."
)
POSITIONAL = (SRC, DST)


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.inference.generator_file import Precision
    from imgtrans_jax.training.convert import convert
    from imgtrans_jax.types import Direction, UserError

    app.no_overrides(overrides)
    if not SRC.value or not DST.value:
        raise UserError("Two names are needed: imgtrans convert SRC DST; see --help.")
    source, target = Path(SRC.value), Path(DST.value)
    direction = cast("Direction", DIRECTION.value)
    precision = cast("Precision", PRECISION.value)
    convert(source, target, direction, OVERWRITE.value, TRUST_CODE.value, precision)
    return 0
