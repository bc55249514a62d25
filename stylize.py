"""Turns a photo, a sketch or a folder of them into another look, with a generator trained by train.py.

  python stylize.py --run=runs/quickstart --input=sketch.png --out=coloured
  python stylize.py --run=runs/quickstart --input=large_sketch.png --out=coloured.png --size=64
  python stylize.py --run=runs/zebra --input=photos/ --out=horses --direction=b2a

Every result is a PNG file of the size of its input. A network works best near the size it was trained at: give larger
pictures a --size. Transparent parts are laid on white. A bad picture in a folder is
named at the end, after all others are done. Inputs that differ in their suffix alone keep it in the results' names.
"""

from typing import cast

from absl import flags

from imgtrans_jax import cli

RUN = flags.DEFINE_string("run", None, "The folder of a training run, such as runs/quickstart.")
INPUT = flags.DEFINE_string("input", None, "A picture, or a folder of pictures.")
OUT = flags.DEFINE_string("out", "out", "The folder for the results (or, for one picture, a file name ending in .png).")
SIZE = flags.DEFINE_integer("size", None, "Show the network the picture with this shorter side, then enlarge the result.")
DIRECTION = flags.DEFINE_enum("direction", "a2b", ["a2b", "b2a"], "From the first domain to the second, or back.")
TRUST_CODE = flags.DEFINE_bool("trust_code", False, "Run code that the run's config names outside imgtrans_jax.")


def main(overrides: cli.Overrides) -> int:
    from imgtrans_jax import loop  # after the flags, so that --help is fast
    from imgtrans_jax.types import Direction, UserError

    if overrides:
        raise UserError("stylize.py --run takes its config from the run; leave --config.* out.")
    if RUN.value is None or INPUT.value is None:
        raise UserError("Give --run=RUN_FOLDER and --input=PICTURE_OR_FOLDER; see --help.")
    direction = cast("Direction", DIRECTION.value)
    written = loop.translate(RUN.value, INPUT.value, OUT.value, direction, SIZE.value, TRUST_CODE.value)
    print(f"Wrote {len(written)} picture{'s' if len(written) != 1 else ''}: {written[0]}{' …' if len(written) > 1 else ''}")
    return 0


if __name__ == "__main__":
    cli.run(main)
