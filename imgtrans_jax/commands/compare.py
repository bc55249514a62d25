"""Puts several trained generators side by side on one page.

  imgtrans compare runs/one runs/two
  imgtrans compare runs/one generator.safetensors --input=photos/ --size=256 --out=page.html

The same inputs, a column for each generator, their newest scores above.
Without --input the test pictures of the first run are taken. Scores are those that imgtrans
evaluate, or a training with --config.evaluation.every=N, has kept in the run's folder. The page is
one file.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from imgtrans_jax.commands import app

FLAGS = app.Flags()
RUNS = FLAGS.strings("runs", "Trained runs or files of generators, joined by commas.")
INPUT = FLAGS.path("input", None, "A picture or a folder. Default: test pictures of the first run.")
OUT = FLAGS.path("out", None, "The page. Default: comparison.html beside the first run.")
DIRECTION = FLAGS.choice(
    "direction", "a2b", ["a2b", "b2a"], "From the first domain to the second, or back."
)
COUNT = FLAGS.whole("count", 12, "How many inputs.")
SIZE = FLAGS.whole("size", None, "With --input: work with the shorter side at this many pixels.")
OVERWRITE = FLAGS.switch("overwrite", "Make --out anew if it is there already.")
TRUST_CODE = FLAGS.switch(
    "trust_code", "Run code that the runs' configs name outside imgtrans_jax."
)
TRUST_PATHS = FLAGS.switch(
    "trust_paths", "Open the folders and data sets that somebody else's run names."
)
POSITIONAL = (RUNS,)


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.evaluation.compare import compare, page_beside
    from imgtrans_jax.types import Direction, UserError

    app.no_overrides(overrides)
    if not RUNS.value:
        raise UserError(
            "Which runs? Give imgtrans compare RUN RUN …, or --runs=RUN,RUN,…; see --help."
        )
    inputs = Path(INPUT.value).expanduser() if INPUT.value else None
    runs = [Path(run).expanduser() for run in RUNS.value]
    out = Path(OUT.value).expanduser() if OUT.value else page_beside(runs)
    trusted = TRUST_CODE.value, TRUST_PATHS.value
    direction = cast("Direction", DIRECTION.value)
    print(compare(runs, inputs, out, direction, COUNT.value, SIZE.value, OVERWRITE.value, *trusted))
    return 0
