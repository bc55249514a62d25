"""The perceptual study of the CycleGAN paper as one page that opens from disk, and what its results
say.

  python -m imgtrans_jax.study --real=photos --fake=results --out=study.html
  python -m imgtrans_jax.study --real=photos --fake=ours,baseline --out=study.html
  python -m imgtrans_jax.study --results=alice.json,bob.json      (or a folder of such files)

The page shows pairs of a real picture and a result, one second each; the participant says which was
real. The first 10 are practice with feedback, 40 are scored (Zhu et al. 2017, section 5.1.1; Isola
et al. 2017, section 4.1). With several folders each session shows one method, drawn at random, as
in the papers, or with --mixed all of them in turn. At its end the page offers the answers as a
file. --results reads such files and prints, for each method, the share of answers that were fooled
and its 95 % interval.
"""

import sys
from pathlib import Path

from absl import flags

from imgtrans_jax import cli

REAL = flags.DEFINE_string("real", None, "A folder of real pictures.")
FAKE = flags.DEFINE_list(
    "fake", [], "A folder of results for each method, joined by commas; its name is the method's."
)
OUT = flags.DEFINE_string("out", "study.html", "The page.")
SIZE = flags.DEFINE_integer(
    "size", 256, "Pixels of the longer side of every picture on the page.", lower_bound=16
)
SECONDS = flags.DEFINE_float("seconds", 1.0, "For how long each pair is shown.", lower_bound=0.0)
PRACTICE = flags.DEFINE_integer("practice", 10, "Trials with feedback.", lower_bound=0)
SCORED = flags.DEFINE_integer("scored", 40, "Trials that count.", lower_bound=1)
MIXED = flags.DEFINE_bool("mixed", False, "Every session shows all methods in turn.")
OVERWRITE = flags.DEFINE_bool("overwrite", False, "Make --out anew if it is there already.")
RESULTS = flags.DEFINE_list(
    "results", [], "Instead: files of answers, joined by commas, or a folder of them."
)


def main(overrides: cli.Overrides) -> int:
    from imgtrans_jax import perceptual_study  # after the flags, so that --help is fast
    from imgtrans_jax.types import UserError

    if overrides:
        raise UserError(f"--config.{overrides[0][0]} has no meaning here; see --help.")
    if RESULTS.value:
        sessions, refused = perceptual_study.read_sessions(
            [Path(name).expanduser() for name in RESULTS.value]
        )
        print(cli.printable(perceptual_study.summary(sessions)))
        for reason in refused:
            print(f"Left out: {cli.printable(reason)}", file=sys.stderr)
        return 1 if refused else 0
    if not REAL.value or not FAKE.value:
        raise UserError(
            "Give --real=FOLDER and --fake=FOLDER[,FOLDER…], or --results=FILE[,FILE…]; see --help."
        )
    plan = perceptual_study.Plan(
        SIZE.value, SECONDS.value, PRACTICE.value, SCORED.value, MIXED.value
    )
    real, *fakes, out = (Path(name).expanduser() for name in (REAL.value, *FAKE.value, OUT.value))
    said = perceptual_study.make(real, fakes, out, plan, OVERWRITE.value)
    print(cli.printable(said))
    return 0


if __name__ == "__main__":
    cli.run(main)
