"""Puts several trained generators side by side on one page: the same inputs, one column each, their newest scores above.

  python -m imgtrans_jax.compare --runs=runs/one,runs/two --out=comparison.html
  python -m imgtrans_jax.compare --runs=runs/one,generator.safetensors --input=photos/ --size=256 --out=comparison.html

Without --input the test pictures of the first run are taken. Scores are those that python -m imgtrans_jax.evaluate, or a
training with --config.evaluation.every=N, has kept in the run's folder. The page is one file.
"""

from pathlib import Path
from typing import cast

from absl import flags

from imgtrans_jax import cli

RUNS = flags.DEFINE_list("runs", [], "Trained runs or files of generators, joined by commas.")
INPUT = flags.DEFINE_string("input", None, "A picture or a folder. Default: test pictures of the first run.")
OUT = flags.DEFINE_string("out", "comparison.html", "The page.")
DIRECTION = flags.DEFINE_enum("direction", "a2b", ["a2b", "b2a"], "From the first domain to the second, or back.")
COUNT = flags.DEFINE_integer("count", 12, "How many inputs.")
SIZE = flags.DEFINE_integer("size", None, "With --input: work with the shorter side at this many pixels.")
OVERWRITE = flags.DEFINE_bool("overwrite", False, "Make --out anew if it is there already.")


def main(_: cli.Overrides) -> int:
    from imgtrans_jax import comparison  # after the flags, so that --help is fast
    from imgtrans_jax.types import Direction, UserError

    if not RUNS.value:
        raise UserError("Which runs? Give --runs=RUN,RUN,…; see --help.")
    inputs, direction = Path(INPUT.value) if INPUT.value else None, cast("Direction", DIRECTION.value)
    runs = [Path(run) for run in RUNS.value]
    print(comparison.compare(runs, inputs, Path(OUT.value), direction, COUNT.value, SIZE.value, OVERWRITE.value))
    return 0


if __name__ == "__main__":
    cli.run(main)
