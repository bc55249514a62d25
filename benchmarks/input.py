"""The input pipeline: how fast it is alone, and how long training waits for it.

  python -m benchmarks.input [--steps=200] [configs/quickstart.py ...]

Of each config: milliseconds a batch when nothing else runs; then, in a real training, milliseconds
a step and the share of them that the loop waited for its batch. Without arguments the configs whose
steps are the shortest.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import tempfile
import time
from pathlib import Path

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.loading import load
from imgtrans_jax.methods.base import new_game
from imgtrans_jax.training import loop

FASTEST = ["configs/gan_digits.py", "configs/quickstart.py", "configs/pix2pix_openmoji.py"]


def alone(experiment: Experiment, count: int) -> float:
    """Seconds a batch."""
    rows = experiment.batch_size * new_game(experiment.recipe).minibatches
    iterator = experiment.data.open().batches(rows, experiment.seed, 0, 1).iterator()
    for _ in range(20):
        next(iterator)
    began = time.perf_counter()
    for _ in range(count):
        next(iterator)
    return (time.perf_counter() - began) / count


def trained(experiment: Experiment, steps: int) -> tuple[float, float]:
    """Seconds a step, and the share of them spent waiting, from the first step on."""
    quiet = dataclasses.replace(experiment, sample_every=steps, save_every=steps, log_every=steps)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        loop.train(quiet, folder, steps)
        lines = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    return last["time/step_s"], last["time/input_wait"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="*", default=FASTEST)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    for path in args.configs:
        experiment = load(path)
        batch = alone(experiment, args.steps)
        step, share = trained(experiment, args.steps)
        print(
            f"{Path(path).stem}: {1e3 * batch:.2f} ms a batch alone; {1e3 * step:.1f} ms a step, "
            f"{100 * share:.2f} % of it waiting",
            flush=True,
        )


if __name__ == "__main__":
    main()
