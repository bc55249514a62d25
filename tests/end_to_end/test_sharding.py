"""Results depend on the config, never on the number of devices or processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from imgtrans_jax.images import read_picture
from imgtrans_jax.report import read_metrics

ROOT = Path(__file__).parents[2]
SHARED = ["--config.batch_size=4", "--config.recipe.pool_groups=4", "--config.log_every=1", "--steps=4"]


def start(config: Path, run: Path, devices: int, arguments: Sequence[str] = SHARED, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "train.py", f"--config={config}", f"--workdir={run}", *arguments]
    changed = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), **environment}
    return subprocess.Popen(command, cwd=ROOT, env=changed, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finished(process: subprocess.Popen) -> str:
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    return said


def assert_same_training(first: Path, second: Path, sheet: str = "a2b"):
    rows = [read_metrics(run) for run in (first, second)]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]] == [1, 2, 3, 4]
    for x, y in zip(*rows, strict=True):
        for name in x:
            if not name.startswith("time/"):
                np.testing.assert_allclose(x[name], y[name], rtol=2e-3, err_msg=name)  # Adam amplifies rounding
    sheets = [read_picture(run / "samples" / f"0000004_{sheet}.png").astype(int) for run in (first, second)]
    assert np.abs(sheets[0] - sheets[1]).max() <= 1


@pytest.mark.slow
def test_four_devices_train_as_one_does(tiny_config, tmp_path):
    one = start(tiny_config, tmp_path / "one", 1)
    assert "of 4 devices" not in finished(start(tiny_config, tmp_path / "four", 4))
    finished(one)
    assert_same_training(tmp_path / "one", tmp_path / "four")


GAN_CONFIG = '''
"""Several minibatches a step and global batch statistics."""
from imgtrans_jax.config import Experiment
from imgtrans_jax.data.augment import Cut
from imgtrans_jax.data.pipeline import Labelled
from imgtrans_jax.losses.adversarial import wgan
from imgtrans_jax.models.dcgan import DCGANCritic, DCGANGenerator
from imgtrans_jax.optim import Adam, Constant
from imgtrans_jax.recipes.gan import GAN

def get_config():
    recipe = GAN(DCGANGenerator(size=8, width=4, channels=1), DCGANCritic(width=4, norm="none"), wgan, latent=4, penalty=10.0)
    return Experiment(data=Labelled(cut=Cut(8, 8, flip=False)), recipe=recipe, optimizer=Adam(Constant(1e-3)), samples=8)
'''


@pytest.mark.slow
def test_a_gan_of_several_minibatches_too(tmp_path):
    config = tmp_path / "gan.py"
    config.write_text(GAN_CONFIG)
    arguments = ["--config.batch_size=4", "--config.log_every=1", "--config.recipe.critic_steps=2", "--steps=4"]
    for name, devices in (("one", 1), ("four", 4)):
        finished(start(config, tmp_path / name, devices, arguments))
    assert_same_training(tmp_path / "one", tmp_path / "four", "samples")


@pytest.mark.slow
def test_a_run_made_on_four_devices_goes_on_with_one(tiny_config, tmp_path):
    finished(start(tiny_config, tmp_path / "four", 4))
    assert "Going on from step 4" in finished(start(tiny_config, tmp_path / "four", 1, [*SHARED, "--steps=6"]))


@pytest.mark.slow
def test_two_processes_train_as_one_does(tiny_config, tmp_path):
    finished(start(tiny_config, tmp_path / "one", 1))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    together = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    processes = [
        start(tiny_config, tmp_path / "two", 2, [*SHARED, "--distributed"], JAX_PROCESS_ID=str(index), **together)
        for index in range(2)
    ]
    said = [finished(process) for process in processes]
    assert "Finished 4 steps" in said[0]
    assert_same_training(tmp_path / "one", tmp_path / "two")
