"""Trains an image-to-image translation, or goes on with one.

  python train.py --config=configs/quickstart.py
  python train.py --config=configs/cyclegan_horse2zebra.py --workdir=runs/zebra
  --config.batch_size=4
  python train.py --config=configs/quickstart.py --config.data.a=my/sketches
  --config.data.b=my/paintings
  python train.py --config=configs/pix2pix_openmoji.py --config.data.pairs=my/pairs
  python train.py --config=configs/srgan_small.py --config.init_from=runs/srresnet_small

Everything goes to --workdir: index.html (open it, it follows the training), samples, metrics.jsonl,
TensorBoard files and checkpoints. Ctrl-C saves and leaves; the same command goes on from the newest
checkpoint.

On several devices or hosts (docs/scaling.md):

  python train.py --config=configs/cyclegan_horse2zebra.py --config.batch_size=8
  --config.recipe.pool_groups=8
  srun python train.py --distributed --config=… --workdir=/shared/run

Any field of the config can be set by its dotted name, --config.recipe.generator.blocks=6. A mistake
there, or elsewhere, is answered by one sentence and exit code 2.
"""

from pathlib import Path

from absl import flags

from imgtrans_jax import cli

CONFIG = flags.DEFINE_string("config", None, "The experiment: a Python file, see configs/.")
WORKDIR = flags.DEFINE_string(
    "workdir", None, "The run's folder. Default: runs/NAME, with the config file's name."
)
STEPS = flags.DEFINE_integer(
    "steps", None, "Stop after this many steps in all. Default: as the config says.", lower_bound=1
)
VERBOSE = flags.DEFINE_bool(
    "verbose", False, "Show every loss term on the console; metrics.jsonl has them in any case."
)
DISTRIBUTED = flags.DEFINE_bool(
    "distributed",
    False,
    "This is one of several processes (hosts) that train together; the cluster says which, or:",
)
COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "With --distributed: HOST:PORT of process 0, the same for all."
)
PROCESSES = flags.DEFINE_integer(
    "processes", None, "With --distributed: how many there are.", lower_bound=1
)
PROCESS = flags.DEFINE_integer(
    "process", None, "With --distributed: this one's number, from 0.", lower_bound=0
)


def main(overrides: cli.Overrides) -> int:
    from imgtrans_jax import loop, processes  # after the flags, so that --help is fast
    from imgtrans_jax.types import UserError

    if not DISTRIBUTED.value and (
        COORDINATOR.value or PROCESSES.value or PROCESS.value is not None
    ):
        raise UserError("--coordinator, --processes and --process need --distributed.")
    if CONFIG.value is None:
        raise UserError(
            "Which experiment? Give --config=configs/quickstart.py, or another of configs/."
        )
    with processes.Stop(at_once=True, together=DISTRIBUTED.value) as stop:
        if DISTRIBUTED.value:
            processes.start(COORDINATOR.value, PROCESSES.value, PROCESS.value)
        experiment = cli.load_config(CONFIG.value, overrides)
        try:
            folder = WORKDIR.value or Path("runs") / Path(CONFIG.value).stem
            loop.train(experiment, folder, STEPS.value, stop, VERBOSE.value)
        except loop.Interrupted as stopped:
            print(stopped)
            return 130
    return 0


if __name__ == "__main__":
    cli.run(main)
