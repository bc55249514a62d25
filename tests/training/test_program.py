"""What the compiled training step takes, and how it counts epochs."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.convolution.forms import form
from imgtrans_jax.engine import sharding
from imgtrans_jax.engine.sharding import device_mesh
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.gan import GAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.methods.simgan import SimGAN
from imgtrans_jax.methods.srgan import SRGAN
from imgtrans_jax.models.dcgan import DCGANGenerator
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.srgan import SRResNet
from imgtrans_jax.optim import Adam, Constant, LinearDecay, RMSProp, StepDecay
from imgtrans_jax.training.program import Program
from imgtrans_jax.types import UserError


@pytest.mark.slow  # two networks to compile
def test_a_step_with_remat_takes_less_memory():
    batch = {side: np.zeros((1, 32, 32, 3), np.float32) for side in "ab"}

    def working_memory(remat: bool) -> int:
        recipe = CycleGAN(
            ResNetGenerator(width=8, blocks=2, remat=remat),
            PatchGAN(width=4, layers=1),
            pool_size=0,
        )
        program = Program(Experiment(recipe=recipe), device_mesh((0, 1), 1), batch, per_epoch=100)
        with form("plain"):
            found = program.traced({}).lower().compile().memory_analysis()
        assert found is not None
        return found.temp_size_in_bytes

    assert working_memory(True) < 0.85 * working_memory(False)


def program(schedule, per_epoch: int) -> Program:
    recipe = CycleGAN(ResNetGenerator(width=2, blocks=0), PatchGAN(width=2, layers=0), pool_size=0)
    batch = {side: np.zeros((1, 16, 16, 3), np.float32) for side in "ab"}
    return Program(
        Experiment(recipe=recipe, optimizer=Adam(schedule)),
        device_mesh((0, 1), 1),
        batch,
        per_epoch,
    )


@pytest.mark.parametrize(
    ("before", "stopped", "now", "end"),
    [
        (400, 40_000, 400, 80_000),  # nothing changed
        (400, 40_000, 200, 60_000),  # batch 1 to 2, halfway
        (100, 56, 400, 80_000 - 168),  # batch 4 to 1, in the first epoch
        (100, 10_000, 1_000, 110_000),  # ten times the pictures
        (400, 80_000, 100, 80_000),  # done is done
        (3, 4, 1, 203),  # a step is longer than what is left of its epoch
    ],
)
def test_a_run_whose_epochs_change_their_length_ends_at_the_same_epoch(before, stopped, now, end):
    schedule = LinearDecay(2e-4, constant_epochs=100, decay_epochs=100)
    old, new = program(schedule, before), program(schedule, now)
    new.count_epochs_from(stopped, old.epochs(stopped))
    assert new.rate(stopped) == old.rate(stopped)
    assert int(new.epochs(stopped)) == int(old.epochs(stopped))
    assert new.schedule_end() == end
    assert new.epochs(end) == 200
    again = program(schedule, now)  # and stopped once more, nothing changed
    again.count_epochs_from(stopped + 1, new.epochs(stopped + 1))
    assert again.steps_ahead == new.steps_ahead


def test_a_schedule_of_steps_does_not_ask_how_many_pictures_there_are():
    for per_epoch in (6, 6_000):
        found = program(StepDecay(1e-4, 0.1, 100_000, 200_000, unit="steps"), per_epoch)
        found.count_epochs_from(50_000, Fraction(50_000, 3))
        assert found.schedule_end() == 200_000
        for step, rate in ((50_000, 1e-4), (99_999, 1e-4), (100_000, 1e-5), (199_999, 1e-5)):
            np.testing.assert_allclose(found.rate(step), rate, rtol=1e-6)
    assert program(Constant(length=7), 10).schedule_end() == 70
    assert program(Constant(), 10).schedule_end() is None


def test_the_critics_have_an_optimizer_of_their_own_or_the_generators():
    one = program(Constant(1e-3, length=7), 10)
    assert one.tx.g is one.tx.d
    assert one.rates(3) == {"optimizer": pytest.approx(1e-3)}
    batch = {side: np.zeros((1, 16, 16, 3), np.float32) for side in "ab"}
    two = Program(
        Experiment(
            recipe=one.experiment.recipe,
            optimizer=Adam(Constant(1e-4)),
            critic_optimizer=RMSProp(StepDecay(4e-4, 0.5, every=1, length=3)),
        ),
        device_mesh((0, 1), 1),
        batch,
        10,
    )
    assert two.tx.g is not two.tx.d
    want = {"optimizer": pytest.approx(1e-4), "critic_optimizer": pytest.approx(2e-4)}
    assert two.rates(10) == want
    assert two.rate(10) == pytest.approx(1e-4)
    assert (
        two.schedule_end(),
        two.schedule_end("optimizer"),
        two.schedule_end("critic_optimizer"),
    ) == (30, None, 30)
    two.count_epochs_from(10, Fraction(2))  # twice as far as its own epochs say
    assert two.rates(10)["critic_optimizer"] == pytest.approx(1e-4)
    kinds = [jax.tree.structure(player.opt) for player in (two.like.g, two.like.d)]
    assert kinds[0] != kinds[1]


NARROW = {"generator": ResNetGenerator(width=2, blocks=0), "critic": PatchGAN(width=2, layers=0)}


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize(
    "recipe",
    [
        CycleGAN(**NARROW),
        CycleGAN(**NARROW, adversarial=0.0),
        CycleGAN(**NARROW, cycle=0.0),
        SimGAN(**NARROW),
        Pix2Pix(**NARROW),
        Pix2Pix(**NARROW, adversarial=0.0),
        SRGAN(SRResNet(width=2, blocks=0), adversarial=0.1),
        SRGAN(SRResNet(width=2, blocks=0)),
        GAN(DCGANGenerator(size=16, width=2)),
    ],
    ids=lambda recipe: type(recipe).__name__,
)
def test_other_channels_than_the_generator_s_are_one_sentence(recipe, channels):
    sides = {"a": 16, "b": 64 if isinstance(recipe, SRGAN) else 16}
    batch = {name: np.zeros((2, side, side, channels), np.float32) for name, side in sides.items()}
    if isinstance(recipe, GAN):
        batch = {"x": batch["a"], "y": np.zeros((2, 3), np.float32)}
    with pytest.raises(UserError, match=r"config\.recipe\.generator.*config\.data.*agree"):
        Program(Experiment(recipe=recipe), device_mesh((0, 1), 1), batch, 1)


class Misnamed(nn.Module):
    """A network as many tutorials write it, without `train`."""

    @nn.compact
    def __call__(self, x):
        return x


def test_a_network_of_ones_own_that_is_called_otherwise_gets_a_sentence():
    batch = {side: np.zeros((1, 32, 32, 3), np.float32) for side in "ab"}
    experiment = Experiment(recipe=CycleGAN(generator=Misnamed(), critic=PatchGAN(width=2)))
    with pytest.raises(UserError, match=r"a generator is called as net\(images, train\)"):
        Program(experiment, sharding.one_device(), batch, 1)


def test_critics_judge_as_in_a_step():
    rng = np.random.default_rng(0)
    batch = {side: rng.uniform(-1, 1, (3, 16, 16, 3)).astype(np.float32) for side in "ab"}
    generator, critic = ResNetGenerator(width=2, blocks=0), PatchGAN(width=2, layers=0)
    recipe = Pix2Pix(generator, critic)
    mesh = device_mesh((0, 1), 3)
    made = Program(Experiment(recipe=recipe, batch_size=3), mesh, batch, per_epoch=1)
    state = made.initial_state()
    (name,) = judged = made.judged(state, batch)
    a, b = (jnp.asarray(batch[side]) for side in "ab")
    fake = generator.apply({"params": state.g.params["g"]}, a, True)
    for found, picture in zip(judged[name], (b, fake), strict=True):
        view = jnp.concatenate([a, picture], -1)
        logits = critic.apply({"params": next(iter(state.d.params.values()))}, view, True)
        np.testing.assert_allclose(found, np.mean(logits, (1, 2, 3)), rtol=1e-5, atol=1e-6)
    alone = Pix2Pix(generator, critic, adversarial=0.0)
    program = Program(Experiment(recipe=alone, batch_size=3), mesh, batch, per_epoch=1)
    assert program.judged(program.initial_state(), batch) == {}
