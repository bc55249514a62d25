"""Trains an image-to-image translation, or goes on with one.

  imgtrans train quickstart
  imgtrans train cyclegan_horse2zebra --workdir=runs/zebra --config.batch_size=4
  imgtrans train quickstart --config.data.a=my/sketches --config.data.b=my/paintings
  imgtrans train pix2pix_openmoji --config.data.pairs=my/pairs
  imgtrans train srgan_small --config.init_from=runs/srresnet_small

The config is a Python file of yours, or the name of one that comes with the program: imgtrans
configs lists them. Any field of it can be set by its dotted name,
--config.recipe.generator.blocks=6.

Everything goes to --workdir: index.html (open it, it follows the training), samples, metrics.jsonl,
TensorBoard files and checkpoints. Ctrl-C saves and leaves; the same command goes on from the newest
checkpoint.

On several devices or hosts (docs/scaling.md):

  imgtrans train cyclegan_horse2zebra --config.batch_size=8 --config.recipe.pool_groups=8
  srun imgtrans train --distributed --config=… --workdir=/shared/run
"""

from __future__ import annotations

from pathlib import Path

from imgtrans_jax.commands import app

FLAGS = app.Flags()
CONFIG = FLAGS.path("config", None, "The experiment: a Python file, or the name of a shipped one.")
WORKDIR = FLAGS.path(
    "workdir", None, "The run's folder. Default: runs/NAME, as the config is called."
)
STEPS = FLAGS.whole(
    "steps", None, "Stop after this many steps in all. Default: as the config says.", 1
)
VERBOSE = FLAGS.switch("verbose", "Show every loss term; metrics.jsonl has them in any case.")
DISTRIBUTED = FLAGS.switch(
    "distributed",
    "This is one of several processes that train together; the cluster says which, or:",
)
COORDINATOR = FLAGS.string(
    "coordinator", None, "With --distributed: HOST:PORT of process 0, the same for all."
)
PROCESSES = FLAGS.whole("processes", None, "With --distributed: how many there are.", 1)
PROCESS = FLAGS.whole("process", None, "With --distributed: this one's number, from 0.", 0)
POSITIONAL = (CONFIG,)
IS_LONG = True


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.config.loading import load  # after the flags, so that --help is fast
    from imgtrans_jax.runtime import distributed, signals
    from imgtrans_jax.training import loop
    from imgtrans_jax.types import UserError

    if not DISTRIBUTED.value and (
        COORDINATOR.value or PROCESSES.value or PROCESS.value is not None
    ):
        raise UserError("--coordinator, --processes and --process need --distributed.")
    if CONFIG.value is None:
        raise UserError(
            "Which experiment? Give imgtrans train quickstart, or another of imgtrans configs; "
            "--config=… is the same."
        )
    with signals.Stop(at_once=True, together=DISTRIBUTED.value) as stop:
        if DISTRIBUTED.value:
            distributed.start(COORDINATOR.value, PROCESSES.value, PROCESS.value)
        experiment = app.overridden(load(CONFIG.value), overrides)
        folder = WORKDIR.value or Path("runs") / Path(CONFIG.value).stem
        loop.train(experiment, folder, STEPS.value, stop, VERBOSE.value)
    return 0
