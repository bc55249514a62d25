"""Results depend on the config, never on how many devices or processes there are."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from trainings import ROOT, ended, saved, start, start_together

from imgtrans_jax.report.run_page import read_metrics

pytestmark = pytest.mark.slow

TOGETHER = (
    "--config.batch_size=8",
    "--config.log_every=1",
    "--config.sample_every=100",
    "--config.save_every=100",
)
POOLS = ("--config.recipe.pool_groups=8", "--config.recipe.pool_size=16")

PIX2PIX = '''
"""A U-Net with batch norm and dropout, on edges."""
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import SelfPaired
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim.adam import Adam; from imgtrans_jax.optim.schedules import Constant
from imgtrans_jax.methods.pix2pix import Pix2Pix

def get_config():
    return Experiment(
        data=SelfPaired("{pictures}", cut=Preprocess(20, 16)),
        recipe=Pix2Pix(
            generator=UNet(width=4, levels=3), critic=PatchGAN(width=4, layers=1, norm="batch")
        ),
        optimizer=Adam(Constant(2e-4)), batch_size=8,
    )
'''

GAN = '''
"""Several minibatches a step, a gradient penalty, and batch norm."""
from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Labelled
from imgtrans_jax.losses.adversarial import wgan
from imgtrans_jax.models.dcgan import DCGANCritic, DCGANGenerator
from imgtrans_jax.optim.adam import Adam; from imgtrans_jax.optim.schedules import Constant
from imgtrans_jax.methods.gan import GAN

def get_config():
    critic = DCGANCritic(width=4, norm="none")
    generator = DCGANGenerator(size=8, width=4, channels=1)
    recipe = GAN(generator, critic, wgan, latent=4, penalty=10.0, critic_steps=2)
    data = Labelled(cut=Preprocess(8, 8, flip=False))
    return Experiment(data=data, recipe=recipe, optimizer=Adam(Constant(2e-4)), samples=8)
'''


@pytest.fixture
def cyclegan(tiny_config) -> tuple[Path, tuple[str, ...]]:
    return tiny_config, (*TOGETHER, *POOLS, "--config.optimizer.schedule.rate=2e-4")


@pytest.fixture
def pix2pix(pictures) -> tuple[Path, tuple[str, ...]]:
    path = pictures / "paired.py"
    path.write_text(PIX2PIX.format(pictures=pictures))
    return path, TOGETHER


@pytest.fixture
def gan(tmp_path) -> tuple[Path, tuple[str, ...]]:
    path = tmp_path / "gan.py"
    path.write_text(GAN)
    return path, TOGETHER


def assert_equal_losses(first: Path, second: Path, steps: int = 10, rtol: float = 1e-4):
    """All loss terms of all steps."""
    rows = read_metrics(first), read_metrics(second)
    assert (
        [row["step"] for row in rows[0]]
        == [row["step"] for row in rows[1]]
        == list(range(1, steps + 1))
    )
    for x, y in zip(*rows, strict=True):
        terms = [name for name in x if "/" not in name and name not in ("step", "rate")]
        assert len(terms) >= 3
        for name in terms:
            np.testing.assert_allclose(
                x[name], y[name], rtol=rtol, err_msg=f"{name}, step {x['step']}"
            )


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix", "gan"])
def test_1_2_4_and_8_devices_and_2_processes_of_2_agree(method, request, tmp_path):
    path, arguments = request.getfixturevalue(method)
    arguments = (*arguments, "--steps=10")
    ended(start(path, tmp_path / "1", *arguments))
    for devices in (2, 4, 8):
        said = ended(start(path, tmp_path / str(devices), *arguments, devices=devices))
        assert f"of {devices} devices" not in said, "all are used"
        assert_equal_losses(tmp_path / "1", tmp_path / str(devices))
    for process in start_together(path, tmp_path / "2x2", *arguments):
        ended(process)
    assert_equal_losses(tmp_path / "1", tmp_path / "2x2")


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
def test_pictures_split_by_height_and_moments_split_over_devices_agree(method, request, tmp_path):
    path, arguments = request.getfixturevalue(method)
    arguments = (*arguments, "--steps=10")
    ended(start(path, tmp_path / "1", *arguments))
    for name, flag in (
        ("height", "--config.mesh=2,2"),
        ("moments", "--config.shard_optimizer=true"),
    ):
        ended(start(path, tmp_path / name, *arguments, flag, devices=4))
        assert_equal_losses(tmp_path / "1", tmp_path / name, rtol=1e-5)


def test_saved_on_4_devices_resumed_on_2_and_on_8_and_in_2_processes(cyclegan, tmp_path):
    path, arguments = cyclegan
    ended(start(path, tmp_path / "whole", *arguments, "--steps=10"))
    for name in ("2", "8", "2x2"):
        run = tmp_path / name
        ended(start(path, run, *arguments, "--steps=5", devices=4))
        if name == "2x2":
            said, _ = (
                ended(process) for process in start_together(path, run, *arguments, "--steps=10")
            )
        else:
            said = ended(start(path, run, *arguments, "--steps=10", devices=int(name)))
        assert "Going on from step 5 (" in said
        assert ("It ran on 4 x cpu, and now on" in said) == (name != "2x2")
        assert saved(run)["data"] == saved(tmp_path / "whole")["data"]
        assert_equal_losses(tmp_path / "whole", run)


def test_other_pool_groups_keep_the_pools_images(cyclegan, tmp_path):
    path, arguments = cyclegan
    ended(start(path, tmp_path / "run", *arguments, "--steps=3", devices=8))
    said = ended(
        start(
            path,
            tmp_path / "run",
            *arguments,
            "--config.recipe.pool_groups=2",
            "--steps=5",
            devices=2,
        )
    )
    assert "The generated images in the pools were dealt out anew, from 8 groups to 2." in said
    assert "Going on from step 3" in said
    smaller = ("--config.data.cut.crop_size=12", "--config.recipe.pool_groups=2", "--steps=7")
    said = ended(start(path, tmp_path / "run", *arguments, *smaller, devices=2))
    assert "The pools of generated images start anew." in said


COLLECTIVE = re.compile(
    r"= (.*?) (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"
    r"|collective-broadcast)\("
)
SHAPE = re.compile(r"\w+\[([\d,]*)\]")


def collectives(text: str) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    """The kind and the arrays' shapes of each collective of a compiled program."""
    for shapes, kind in COLLECTIVE.findall(text):
        yield (
            kind,
            [
                tuple(int(n) for n in dims.split(",") if n)
                for dims in SHAPE.findall(re.sub(r"/\*.*?\*/", "", shapes))
            ],
        )


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("method", ["cyclegan", "pix2pix", "gan"])
def test_the_collectives_of_a_step_are_gradients_and_small_sums(method, parts, request, tmp_path):
    """Nothing of the size of a picture, of features or of the pool crosses between devices."""
    path, _ = request.getfixturevalue(method)
    changes = f"batch_size=8 accumulate={parts}" + " recipe.pool_groups=4 recipe.pool_size=16" * (
        method == "cyclegan"
    )
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "4"}
    command = [
        sys.executable,
        "-c",
        COMPILE,
        str(path),
        str(tmp_path / "found.json"),
        *changes.split(),
    ]
    subprocess.run(command, env=environment, cwd=ROOT, check=True)
    found = json.loads((tmp_path / "found.json").read_text())
    kernels = {tuple(shape) for shape in found["params"]}
    channels = max(max(shape[-1:], default=1) for shape in kernels)
    crossing = list(collectives(found["text"]))
    assert {kind for kind, _ in crossing} == {"all-reduce"}
    sizes = {shape for _, shapes in crossing for shape in shapes}
    assert sizes & kernels, "gradients are summed"
    assert all(int(np.prod(shape)) <= channels for shape in sizes - kernels), sizes - kernels


# The step's text as XLA has compiled it for four devices, with the convolutions that a GPU or TPU
# gets; all parameters' shapes.
COMPILE = """
import json, sys
import jax
from imgtrans_jax import config; from imgtrans_jax.engine import sharding
from imgtrans_jax.convolution.forms import form
from imgtrans_jax.methods.base import new_game
from imgtrans_jax.training.program import Program

path, result, *changes = sys.argv[1:]
experiment = config.load(path)
for change in changes:
    experiment = config.override(experiment, *change.split("="))
game = new_game(experiment.recipe)
groups = game.pool_groups if game.pool_size else None
mesh = sharding.device_mesh((4, 1), 8, groups, experiment.accumulate)
program = Program(experiment, mesh, experiment.data.open().batches(8 * game.minibatches, 0)[0], 1)
with form("plain"):
    shardings = (program.shardings, sharding.replicated(mesh))
    step = jax.jit(program.step, donate_argnums=0, out_shardings=shardings)
    text = step.lower(program.like, program.batch, program.frozen()).compile().as_text()
params = [x.shape for x in jax.tree.leaves((program.like.g.params, program.like.d.params))]
open(result, "w").write(json.dumps({"text": text, "params": params}))
"""
