"""What is called after every step, hook by hook; and what methods and data say of themselves."""

import dataclasses
import errno
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from imgtrans_jax.config import stored
from imgtrans_jax.config.experiment import Evaluation
from imgtrans_jax.config.loading import load
from imgtrans_jax.data.datasets import Paired, SelfPaired, Unpaired
from imgtrans_jax.data.pipeline import Batches, UnreadableError
from imgtrans_jax.engine.checkpoint import Checkpoints
from imgtrans_jax.engine.sharding import one_device
from imgtrans_jax.evaluation import evaluator
from imgtrans_jax.methods.base import Recipe
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.gan import GAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.methods.srgan import SRGAN
from imgtrans_jax.models.layers import Generator
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.report.run_page import read_metrics
from imgtrans_jax.runtime.clock import Clock
from imgtrans_jax.training.hooks import (
    Disk,
    Journal,
    LogMetrics,
    SaveCheckpoint,
    SaveSamples,
    Step,
    run_hooks,
)
from imgtrans_jax.training.program import Program
from imgtrans_jax.training.run import Run
from imgtrans_jax.training.scores import Evaluate
from imgtrans_jax.types import UserError


@pytest.fixture
def run(tiny_config, tmp_path):
    """A run that can be asked and not trained."""
    experiment = load(str(tiny_config))
    pictures = experiment.data.open()
    batches = pictures.batches(2, 0)
    program = Program(experiment, one_device(), batches[0], pictures.steps_per_epoch(2))
    (tmp_path / "run").mkdir()
    return Run(tmp_path / "run", stored.to_json(experiment), pictures, batches, program)


def evaluating(run: Run, **changes) -> Run:
    run.program.experiment = dataclasses.replace(
        run.experiment, evaluation=Evaluation(every=1, **changes)
    )
    return run


def step(run: Run, number: int, total: int = 10, failed: int = -1, stopping: bool = False, **terms):
    values = {name: jnp.float32(value) for name, value in terms.items()}
    state = run.program.like.replace(step=jnp.int32(number), failed=jnp.int32(failed))
    return Step(number, state, values, total, stopping)


def save(run: Run) -> SaveCheckpoint:
    return SaveCheckpoint(run, Checkpoints(run.folder / "checkpoints"), run.batches.iterator(), 0)


def test_an_evaluation_that_cannot_be_had_is_refused_while_it_is_made(run):
    saving, disk = save(run), Disk(run.folder)
    with pytest.raises(UserError, match="Nothing can be measured"):
        Evaluate(evaluating(run, metrics=("psnr",)), saving, disk)
    with pytest.raises(UserError, match="best is 'psnr', which cannot be measured here"):
        Evaluate(evaluating(run, metrics=("psnr", "cycle"), best="psnr"), saving, disk)
    hook = Evaluate(evaluating(run, metrics=("cycle",)), saving, disk)
    assert [n for n in range(1, 11) if hook.due(step(run, n))] == [3, 6, 9, 10]  # epochs, the end


def test_samples_that_cannot_be_read_are_refused_while_the_hook_is_made(run, pictures):
    journal = Journal(run, Clock(0, 10, 2), Disk(run.folder), {})
    for path in (pictures / "testA").iterdir():
        path.write_bytes(b"no picture")
    with journal, pytest.raises(UserError, match="is no picture"):
        SaveSamples(run, journal)


@dataclasses.dataclass
class Every:
    """A hook that notes its calls."""

    number: int
    seen: list

    def due(self, step):
        return step.number % self.number == 0

    def __call__(self, step, logged):
        self.seen.append((self.number, step.number, logged))


def test_a_step_is_logged_where_any_hook_is_due(run):
    seen = []
    for number in (1, 2, 3):
        run_hooks([Every(2, seen), Every(5, seen)], step(run, number, total=3))
    assert seen == [
        *((2, 1, False), (5, 1, False), (2, 2, True), (5, 2, True)),
        *((2, 3, True), (5, 3, True)),
    ]
    seen.clear()
    run_hooks([Every(2, seen)], step(run, 1, stopping=True))
    assert seen == [(2, 1, True)]


def test_metrics_are_means_since_the_last_log_with_the_figures_of_the_step(run):
    journal = Journal(run, Clock(0, 10, 2), Disk(run.folder), {})
    log = LogMetrics(run, journal, ahead=0)
    with journal:
        for number, value in ((1, 1.0), (2, 3.0)):
            made = step(run, number, gan=value)
            made.figures["score/a2b/kid"] = 0.5
            run_hooks([log, journal], made)
    (row,) = read_metrics(run.folder)  # log_every is 2
    assert (row["step"], row["gan"], row["score/a2b/kid"]) == (2, 2.0, 0.5)
    assert "rate_critics" not in row
    assert "Training: step 2 of 10" in (run.folder / "index.html").read_text()


def test_a_loss_that_is_not_finite_ends_the_run_with_its_batch_on_the_page(run):
    journal = Journal(run, Clock(0, 10, 2), Disk(run.folder), {})
    log = LogMetrics(run, journal, ahead=3)
    with pytest.raises(UserError, match=r"stopped at step 2: gan became NaN"), journal:
        run_hooks([log, journal], step(run, 2, failed=1, gan=np.nan))
    with np.load(run.folder / "failed_step_2_process_0.npz") as kept:
        np.testing.assert_array_equal(kept["a"], run.batches[1 + 3]["a"])
    assert "Stopped: Training stopped at step 2" in (run.folder / "index.html").read_text()


def test_a_full_disk_is_said_once_and_waited_for(tmp_path, capsys):
    disk = Disk(tmp_path)
    for full in (True, True, False, True):
        with disk.tolerating_errors():
            if full:
                raise OSError(errno.ENOSPC, "No space left on device")
        assert disk.last_write_failed == full
    assert capsys.readouterr().out.count("training goes on, reports wait") == 2


def test_a_batch_that_cannot_be_read_is_one_sentence_and_keeps_its_place(run, monkeypatch):
    read = Batches.__getitem__

    def broken(self, number):
        if number == 2:
            raise OSError("the cable is out")
        return read(self, number)

    iterator = run.batches.iterator(threads=1, ahead=1, first=40)
    monkeypatch.setattr(Batches, "__getitem__", broken)
    for _ in range(2):
        next(iterator)
    with pytest.raises(UnreadableError, match=r"batch of step 43 could not be read: the cable is"):
        next(iterator)
    assert iterator.get_state() == {"next_index": 2}
    with pytest.raises(UnreadableError), save(run).rescue(0, run.program.like):
        raise UnreadableError("nothing was learned that could be saved")


# ------------------------------------------------------- what methods and data say of themselves


@dataclasses.dataclass(frozen=True)
class Contrastive(Recipe):
    """A method of one's own, with a weight of its own."""

    generator: nn.Module = UNet()
    nce: float = 2.0
    layers: tuple[int, ...] = (0, 4)
    extra: tuple = ()

    def game(self) -> Any:
        """None: it is asked for its settings alone."""

    def samples(self, params, stats, batch) -> Any:
        """None."""

    def sheets(self, batch, samples, classes) -> Any:
        """None."""


def test_a_method_s_own_weight_is_in_the_record_of_its_scores(run):
    said = Contrastive().settings
    assert said == {"nce": 2.0, "layers": (0, 4)}
    experiment = dataclasses.replace(run.experiment, recipe=Contrastive())
    protocol = evaluator.described(experiment, run.pictures)
    assert (protocol["nce"], protocol["recipe"]) == (2.0, "Contrastive")
    assert CycleGAN(identity=0.25).settings.items() >= {"identity": 0.25, "cycle": 10.0}.items()
    assert Pix2Pix().settings["test_mode"] == "paper"


def test_what_a_method_or_a_data_set_does_not_say_has_a_default():
    own = Contrastive()
    assert isinstance(own, Recipe)
    assert (own.critic, own.gan, own.halve_critic, own.test_mode) == (None, None, False, None)
    assert not own.knows_classes
    assert (Pix2Pix().knows_classes, GAN().knows_classes) == (False, False)
    assert GAN(conditional=True).knows_classes
    assert (SRGAN().halve_critic, CycleGAN().halve_critic) == (False, True)
    assert (Unpaired().direction, Paired(direction="b2a").direction) == ("a2b", "b2a")
    assert (Unpaired().shows_pictures, SelfPaired().shows_pictures) == (False, True)
    assert (Generator().channels, Generator().multiple) == (3, 4)
    assert (UNet(levels=5, channels=2).channels, UNet(levels=5).multiple) == (2, 32)
    assert next(f.name for f in dataclasses.fields(UNet)) == "width"


def test_the_state_of_a_run_is_recorded_with_its_place(run):
    record = run.record(4, {"next_index": 4})
    assert record["epochs"] == [4, 3]
    assert record["batch"] == {"a": [2, 16, 16, 3], "b": [2, 16, 16, 3]}
    assert record["versions"]["devices"] == f"1 x {jax.devices()[0].device_kind}"
