"""Makes the perceptual study of the papers as one page, and says what its answers mean.

  imgtrans study --real=photos --fake=results --out=study.html
  imgtrans study --real=photos --fake=ours,baseline --out=study.html
  imgtrans study --results=alice.json,bob.json      (or a folder of such files)

The page shows pairs of a real picture and a result, one second each; the participant says which was
real. The first 10 are practice with feedback, 40 are scored (Zhu et al. 2017, section 5.1.1; Isola
et al. 2017, section 4.1). With several folders each session shows one method, drawn at random, as
in the papers, or with --mixed all of them in turn. At its end the page offers the answers as a
file. --results reads such files and prints, for each method, the share of answers that were fooled
and its 95 % interval.
"""

from __future__ import annotations

import sys
from pathlib import Path

from imgtrans_jax.commands import app

FLAGS = app.Flags()
REAL = FLAGS.path("real", None, "A folder of real pictures.")
FAKE = FLAGS.strings(
    "fake", "A folder of results for each method, joined by commas; its name is the method's."
)
OUT = FLAGS.path("out", "study.html", "The page.")
SIZE = FLAGS.whole("size", 256, "Pixels of the longer side of every picture on the page.", 16)
SECONDS = FLAGS.number("seconds", 1.0, "For how long each pair is shown.")
PRACTICE = FLAGS.whole("practice", 10, "Trials with feedback.", 0)
SCORED = FLAGS.whole("scored", 40, "Trials that count.", 1)
MIXED = FLAGS.switch("mixed", "Every session shows all methods in turn.")
OVERWRITE = FLAGS.switch("overwrite", "Make --out anew if it is there already.")
RESULTS = FLAGS.strings(
    "results", "Instead: files of answers, joined by commas, or a folder of them."
)
POSITIONAL = (REAL, FAKE)


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.evaluation import human_study  # after the flags, so that --help is fast
    from imgtrans_jax.types import UserError

    app.no_overrides(overrides)
    if RESULTS.value:
        sessions, refused = human_study.read_sessions(
            [Path(name).expanduser() for name in RESULTS.value]
        )
        print(app.printable(human_study.summary(sessions)))
        for reason in refused:
            print(f"Left out: {app.printable(reason)}", file=sys.stderr)
        return 1 if refused else 0
    if not REAL.value or not FAKE.value:
        raise UserError(
            "Which pictures? Give imgtrans study REAL FAKE …, folders, or --results=FILE[,FILE…]; "
            "see --help."
        )
    plan = human_study.Plan(SIZE.value, SECONDS.value, PRACTICE.value, SCORED.value, MIXED.value)
    real, *fakes, out = (Path(name).expanduser() for name in (REAL.value, *FAKE.value, OUT.value))
    said = human_study.make(real, fakes, out, plan, OVERWRITE.value)
    print(app.printable(said))
    return 0
