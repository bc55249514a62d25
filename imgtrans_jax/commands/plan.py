"""Says what a training needs on a machine, before that is rented.

  imgtrans plan quickstart --on=cpu
  imgtrans plan cyclegan_horse2zebra --on=gpu:a100
  imgtrans plan cyclegan_horse2zebra --on=tpu:v5e:2x2 --batch=8

cpu is the machine at hand: two steps are measured. A gpu is estimated from the arithmetic and the
bytes of a step. For a tpu, its own compiler compiles the step here, without one, and says how much
memory it needs and how many cycles it takes; that takes minutes, and pip install
"imgtrans_jax[tpu]". The pictures need not be there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from imgtrans_jax.commands import app

FLAGS = app.Flags()
CONFIG = FLAGS.path("config", None, "The experiment: a Python file, or the name of a shipped one.")
ON = FLAGS.string("on", "cpu", "cpu, gpu, gpu:NAME, or tpu:GENERATION:FORM, as tpu:v5e:2x2.")
BATCH = FLAGS.whole("batch", None, "Pictures a device. Default: the config's, on a TPU 1.", 1)
LARGEST = FLAGS.switch("largest", "Look for the largest batch that fits into a TPU.")
POSITIONAL = (CONFIG,)


def main(overrides: app.Overrides) -> int:
    if ON.value.startswith("tpu"):
        os.environ.setdefault("JAX_PLATFORMS", "cpu")  # for what is not compiled for it
    from imgtrans_jax.commands.configs import header
    from imgtrans_jax.config.loading import found, load
    from imgtrans_jax.planning.plan import plan
    from imgtrans_jax.types import UserError

    if CONFIG.value is None:
        raise UserError("Which experiment? Give imgtrans plan quickstart, or another config.")
    experiment = app.overridden(load(CONFIG.value), overrides)
    needs = re.search(r"Needs:\s+([\d,]+) steps", header(Path(found(CONFIG.value))))
    told = int(needs[1].replace(",", "")) if needs else None
    print(Path(CONFIG.value).stem)
    print("\n".join(plan(experiment, ON.value, BATCH.value, LARGEST.value, told)))
    return 0
