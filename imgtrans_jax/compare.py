"""Puts several trained generators side by side on one page: the same inputs, one column each, their
newest scores above.

  python -m imgtrans_jax.compare --runs=runs/one,runs/two
  python -m imgtrans_jax.compare --runs=runs/one,generator.safetensors --input=photos/ --size=256
  --out=comparison.html

Without --input the test pictures of the first run are taken. Scores are those that python -m
imgtrans_jax.evaluate, or a training with --config.evaluation.every=N, has kept in the run's folder.
The page is one file.
"""

from pathlib import Path
from typing import cast

from absl import flags

from imgtrans_jax import cli

RUNS = flags.DEFINE_list("runs", [], "Trained runs or files of generators, joined by commas.")
INPUT = flags.DEFINE_string(
    "input", None, "A picture or a folder. Default: test pictures of the first run."
)
OUT = flags.DEFINE_string("out", None, "The page. Default: comparison.html beside the first run.")
DIRECTION = flags.DEFINE_enum(
    "direction", "a2b", ["a2b", "b2a"], "From the first domain to the second, or back."
)
COUNT = flags.DEFINE_integer("count", 12, "How many inputs.")
SIZE = flags.DEFINE_integer(
    "size", None, "With --input: work with the shorter side at this many pixels."
)
OVERWRITE = flags.DEFINE_bool("overwrite", False, "Make --out anew if it is there already.")
TRUST_CODE = flags.DEFINE_bool(
    "trust_code", False, "Run code that the runs' configs name outside imgtrans_jax."
)
TRUST_PATHS = flags.DEFINE_bool(
    "trust_paths", False, "Open the folders and data sets that somebody else's run names."
)


def main(overrides: cli.Overrides) -> int:
    from imgtrans_jax import comparison  # after the flags, so that --help is fast
    from imgtrans_jax.types import Direction, UserError

    if overrides:
        raise UserError(f"--config.{overrides[0][0]} has no meaning here; see --help.")
    if not RUNS.value:
        raise UserError("Which runs? Give --runs=RUN,RUN,…; see --help.")
    inputs = Path(INPUT.value).expanduser() if INPUT.value else None
    runs = [Path(run).expanduser() for run in RUNS.value]
    out = Path(OUT.value).expanduser() if OUT.value else comparison.page_beside(runs)
    trusted = TRUST_CODE.value, TRUST_PATHS.value
    direction = cast("Direction", DIRECTION.value)
    print(
        comparison.compare(
            runs, inputs, out, direction, COUNT.value, SIZE.value, OVERWRITE.value, *trusted
        )
    )
    return 0


if __name__ == "__main__":
    cli.run(main)
