"""Training as a user meets it: resumed, killed, failing, and its results used."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_commands import answer
from PIL import Image

from imgtrans_jax.config import overrides, stored
from imgtrans_jax.config.loading import load
from imgtrans_jax.data.pipeline import BatchIterator
from imgtrans_jax.inference import translator
from imgtrans_jax.inference.translate import translate
from imgtrans_jax.io import results
from imgtrans_jax.io.images import read_picture
from imgtrans_jax.report.run_page import read_metrics
from imgtrans_jax.training import loop
from imgtrans_jax.training.program import Program
from imgtrans_jax.types import UserError

ROOT = Path(__file__).parents[2]


def checksums(run: Path) -> dict:
    steps = sorted((int(p.name), p) for p in (run / "checkpoints").iterdir() if p.name.isdigit())
    record = json.loads((steps[-1][1] / "metadata" / "metadata").read_text())
    return {key: record[key] for key in ("step", "checksums", "data")}


def rates(run: Path) -> dict[int, float]:
    return {row["step"]: round(row["rate"], 8) for row in read_metrics(run)}


@pytest.fixture
def experiment(tiny_config):
    return load(str(tiny_config))


@pytest.fixture
def idle(monkeypatch):
    """Training steps that only count, and need no compiling."""

    def step(state, batch):
        return state.replace(step=state.step + 1), {"cycle_a": jax.numpy.float32(1)}

    monkeypatch.setattr(Program, "compile", lambda self: (step, 0.0, ""))


@pytest.mark.slow  # half a minute; the run past its schedule below shows the same of its state
def test_twenty_steps_are_ten_and_ten(experiment, tmp_path):
    whole = loop.train(experiment, tmp_path / "whole", steps=20)
    loop.train(experiment, tmp_path / "parts", steps=10)
    parts = loop.train(experiment, tmp_path / "parts", steps=20)
    for x, y in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        np.testing.assert_array_equal(x, y)
    assert checksums(tmp_path / "whole") == checksums(tmp_path / "parts")
    rows = [read_metrics(tmp_path / name) for name in ("whole", "parts")]
    assert (
        [row["step"] for row in rows[0]]
        == [row["step"] for row in rows[1]]
        == [2, 4, 5, 6, 8, 10, 12, 14, 15, 16, 18, 20]
    )
    for first, second in zip(*rows, strict=True):
        assert {k: v for k, v in first.items() if "time" not in k} == {
            k: v for k, v in second.items() if "time" not in k
        }
    _check_the_run(tmp_path / "whole", experiment)
    _check_translations(tmp_path / "whole", tmp_path)


def _check_the_run(run: Path, experiment):
    page = (run / "index.html").read_text()
    assert "Finished: 20 steps" in page
    assert "refresh" not in page
    for name in ("0000010_a2b.png", "0000020_b2a.png"):
        assert f"samples/{name}" in page
        assert read_picture(run / "samples" / name).shape == (2 * 16 + 2, 3 * 16 + 4, 3)
    assert list(run.glob("events.out.tfevents.*"))
    row = read_metrics(run)[-1]
    expected = {
        "step",
        "rate",
        "norm/g_grad",
        "norm/d_update",
        "cycle_a",
        "identity_b",
        "gan_ab",
        "d_a_real",
        "d_b_fake",
    }
    assert expected <= set(row)
    assert stored.from_json(json.loads((run / "config.json").read_text())) == experiment


def _check_translations(run: Path, tmp_path: Path):
    inputs, out = tmp_path / "inputs", tmp_path / "out"
    inputs.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in (
        ("odd.png", (37, 22, 3)),
        ("grey.jpg", (16, 50)),
        ("two.png", (2, 2, 3)),
        ("rgba.png", (20, 20, 4)),
    ):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(inputs / name)
    Image.fromarray(rng.integers(0, 65536, (18, 21), dtype=np.uint16)).save(inputs / "deep.png")
    written = translate(run, inputs, out)
    assert {p.name: Image.open(p).size for p in written} == {
        "odd.png": (22, 37),
        "grey.png": (50, 16),
        "two.png": (2, 2),
        "rgba.png": (20, 20),
        "deep.png": (21, 18),
    }
    back = translate(run, inputs / "odd.png", tmp_path / "back.png", direction="b2a")
    assert back == [tmp_path / "back.png"]
    assert not np.array_equal(read_picture(back[0]), read_picture(out / "odd.png"))
    (small,) = translate(run, inputs / "odd.png", tmp_path / "small.png", size=16)
    assert Image.open(small).size == (22, 37)
    assert not np.array_equal(read_picture(small), read_picture(out / "odd.png"))

    before = (out / "odd.png").stat().st_mtime_ns
    assert translate(run, inputs, out) == []
    assert (out / "odd.png").stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"small\.png is there already; add `overwrite`"):
        translate(run, inputs / "odd.png", tmp_path / "small.png")
    (inputs / "broken.png").write_text("no")
    with pytest.raises(
        results.LeftOutError, match=r"(?s)5 of 6 pictures were written to .*Left out:.*broken\.png"
    ) as error:
        translate(run, inputs, out, overwrite=True)
    assert error.value.code == 1
    assert (out / "odd.png").stat().st_mtime_ns > before
    for wrong, words in (
        (
            (tmp_path / "nowhere", inputs, out),
            "There is no .*nowhere; give the folder of a trained run",
        ),
        ((run, tmp_path / "nothing", out), "There is no .*nothing"),
        ((run, inputs, inputs), "would be overwritten"),
        ((run, inputs / "odd.png", inputs / "odd.png"), "would be overwritten"),
        ((run, inputs, tmp_path / "all.png"), "a folder is needed"),
        ((run, inputs / "odd.png", tmp_path / "x.gif"), "Results can be .png"),
        ((run, inputs / "odd.png", tmp_path / "x.xyz"), "Results can be .png"),
        ((run, inputs / "odd.png", inputs / "two.png" / "deeper"), "cannot be made"),
        ((run, inputs / "broken.png", tmp_path), "broken.png is no picture"),
    ):
        with pytest.raises(UserError, match=words):
            translate(*wrong)


def test_translate_uses_the_smoothed_generator(experiment, tmp_path):
    loop.train(experiment, tmp_path / "run", steps=2)
    apply, restored = translator.generator(tmp_path / "run", "a2b")
    assert restored == experiment
    x = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    state = loop.train(experiment, tmp_path / "run", steps=2)  # finished: only restores
    translated = jax.jit(
        lambda params: experiment.recipe.translate(params, {}, jnp.asarray(x), "a2b")
    )
    made = apply(x)
    np.testing.assert_allclose(made, translated(state.generators.params), atol=1e-5)
    assert np.abs(made - translated(state.g.params)).max() > 1e-4


@pytest.mark.usefixtures("idle")
def test_another_config_says_what_differs(experiment, tmp_path, capsys):
    loop.train(experiment, tmp_path / "run", steps=2)
    slower = overrides.override(experiment, "optimizer.schedule.rate", "5e-4")
    loop.train(slower, tmp_path / "run", steps=4)
    said = capsys.readouterr().out
    assert "from step 2 on the new values hold" in said
    assert "config.optimizer.schedule.rate: 0.001 -> 0.0005" in said
    wider = overrides.override(experiment, "recipe.generator.width", "3")
    with pytest.raises(
        UserError,
        match=r"other networks .*config\.recipe\.generator\.width: 2 -> 3.*another `workdir`",
    ):
        loop.train(wider, tmp_path / "run", steps=6)
    rms = overrides.override(experiment, "optimizer", "RMSProp")
    with pytest.raises(
        UserError, match=r"other optimizers .*config\.optimizer: Adam.*RMSProp"
    ) as e:
        loop.train(rms, tmp_path / "run", steps=6)
    assert f"another `workdir` with `config.init_from={tmp_path / 'run'}`" in str(e.value)
    rms = overrides.override(rms, "init_from", str(tmp_path / "run"))
    assert loop.train(rms, tmp_path / "other", steps=1).step == 1


@pytest.mark.slow  # tests/faults has it too, and test_step.py the step's part
def test_a_loss_that_is_not_finite_stops_the_run_with_its_batch(experiment, tmp_path):
    wild = overrides.override(experiment, "optimizer.schedule.rate", "1e30")
    with pytest.raises(
        UserError, match=r"Training stopped at step \d+: .* became NaN or infinite.*lower rate"
    ) as error:
        loop.train(wild, tmp_path / "run", steps=20)
    (kept,) = (tmp_path / "run").glob("failed_step_*.npz")
    assert kept.name in str(error.value)
    assert "Stopped: Training stopped at step" in (tmp_path / "run" / "index.html").read_text()
    number = int(kept.name.split("_")[2]) - 1
    with np.load(kept) as batch:
        np.testing.assert_array_equal(batch["a"], experiment.data.open().batches(2, 0)[number]["a"])


def test_every_kind_of_wrong_number_is_refused(experiment, tmp_path):
    for name, value, words in (
        ("batch_size", "0", r"config\.batch_size is 0"),
        ("data.cut.crop_size", "18", "multiple of 4"),
        ("data.cut.crop_size", "8", r"needs .* pixels|Instance norm|larger image"),
        ("recipe.pool_groups", "3", "does not divide"),
        ("recipe.cycle", "-1", "must not be negative"),
        ("recipe.ema", "1.5", "decay under 1"),
        ("recipe.generator.width", "0", "cannot be built"),
        ("seed", "-1", r"config\.seed is -1"),
        ("data.a", str(tmp_path / "no"), r"does not exist.*`config\.data\.a=PATH`"),
    ):
        broken = overrides.override(experiment, name, value)
        if name == "data.cut.crop_size" and value == "8":
            broken = overrides.override(broken, "recipe.critic.layers", "3")
        with pytest.raises(UserError, match=words):
            loop.train(broken, tmp_path / "run", steps=1)


def start(arguments: list[str], **options) -> subprocess.Popen:
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )


def wait_for(process: subprocess.Popen, words: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"'{words}' was never said:\n{said}")


@pytest.mark.slow  # half a minute; tests/faults kills far more often
def test_killed_and_interrupted_runs_end_where_an_unbroken_one_does(
    tiny_config, experiment, tmp_path
):
    loop.train(experiment, tmp_path / "whole")
    command = ["train.py", f"--config={tiny_config}", f"--workdir={tmp_path / 'killed'}"]

    process = start(command)
    wait_for(process, "step 12/18")  # the save of step 5 has ended: that of step 10 waited for it
    process.kill()
    process.communicate()  # closes the pipe too

    process = start(command)
    said = wait_for(process, "step 14/18")
    assert "Going on from step 5" in said or "Going on from step 10" in said
    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=120)[0]
    assert process.returncode == 130
    assert "saved; the same command goes on from there" in rest

    process = start(command)
    rest = process.communicate(timeout=240)[0]
    assert process.returncode == 0, rest
    assert "Going on from step" in rest
    assert "Finished 18 steps" in rest
    assert checksums(tmp_path / "killed") == checksums(tmp_path / "whole")


def test_ctrl_c_while_compiling_ends_cleanly(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "nothing_compiled_before"))
    process = start(["train.py", f"--config={tiny_config}", f"--workdir={tmp_path / 'run'}"])
    wait_for(process, "Compiling the training step")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130, rest
    assert "Stopped; there was nothing new to save." in rest
    assert "Traceback" not in rest
    assert "Fatal" not in rest


@pytest.mark.slow  # half a minute; another batch size ends where its schedule does, too
def test_a_run_past_its_schedule_says_so_and_ends_where_an_unbroken_one_does(
    experiment, tmp_path, capsys
):
    loop.train(experiment, tmp_path / "run", steps=2)
    assert "rate of 0" not in capsys.readouterr().out
    loop.train(experiment, tmp_path / "run", steps=19)
    assert "The last steps have a learning rate of 0" in capsys.readouterr().out
    loop.train(experiment, tmp_path / "whole", steps=19)
    assert checksums(tmp_path / "run") == checksums(tmp_path / "whole")


@pytest.mark.usefixtures("idle")
def test_another_batch_size_goes_on_at_the_same_epoch_and_ends_where_the_schedule_does(
    experiment, tmp_path, capsys
):
    loop.train(experiment, tmp_path / "run", steps=9)  # 3 of 6 epochs of 3 steps
    larger = dataclasses.replace(experiment, batch_size=4, log_every=1)
    capsys.readouterr()
    assert int(loop.train(larger, tmp_path / "run").step) == 12  # 3 more of one step each
    said = capsys.readouterr().out
    assert "Going on from step 9 (3 epochs)" in said
    assert "12 steps in all (6 epochs)" in said
    found = rates(tmp_path / "run")
    assert [found[step] for step in (9, 10, 11, 12)] == [0.0008, 0.0006, 0.0004, 0.0002]
    # the pictures go on, too
    assert checksums(tmp_path / "run")["data"] == {"next_index": 9 * 2 // 4 + 3}
    for batch_size in (1, 2, 4):
        loop.train(dataclasses.replace(experiment, batch_size=batch_size), tmp_path / "run")
        assert "has already been trained for 12 steps" in capsys.readouterr().out


@pytest.mark.usefixtures("idle")
def test_the_page_says_that_a_resumed_run_trains_before_its_first_report(
    experiment, tmp_path, monkeypatch
):
    loop.train(experiment, tmp_path / "run", steps=2)
    page = tmp_path / "run" / "index.html"
    page.write_text("Stopped: step 2 of 18, about 2 h 48 min left")
    seen = []
    monkeypatch.setattr(BatchIterator, "__next__", lambda _: seen.append(page.read_text()) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        loop.train(experiment, tmp_path / "run", steps=4)
    assert "Training: step 2 of 4" in seen[0]
    assert 'http-equiv="refresh"' in seen[0]


@pytest.mark.usefixtures("idle")
def test_a_run_in_the_folder_of_its_pictures_does_not_learn_from_its_own_samples(
    experiment, pictures, capsys
):
    inside = dataclasses.replace(
        experiment, data=dataclasses.replace(experiment.data, a=str(pictures / "trainA"))
    )
    for steps in (2, 4):
        loop.train(inside, pictures / "trainA" / "run", steps)
        assert "a: 6 training" in capsys.readouterr().out


def test_a_checkpoint_that_does_not_say_its_epochs_had_those_of_its_own_batches(experiment):
    pictures = experiment.data.open()
    old = {"batch": {"a": [2, 16, 16, 3], "b": [2, 16, 16, 3]}}
    assert loop._epochs_done(9, old, pictures) == 3
    assert loop._epochs_done(9, old | {"epochs": [7, 2]}, pictures) == Fraction(7, 2)


def test_mistakes_at_the_command_line_get_one_sentence(tiny_config, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        (
            [f"--config={tiny_config}", "--config.recipe.generator.blocks=banana"],
            "needs an int (now 1); 'banana' is none",
        ),
        (
            [f"--config={tiny_config}", "--config.recipe.generatr.blocks=6"],
            "Did you mean generator?",
        ),
        (["--config=missing.py"], "There is no config file missing.py"),
        ([f"--config={tiny_config}", f"--config.data.a={tmp_path / 'empty'}"], "holds no picture"),
        ([], "Give imgtrans train quickstart"),
    ):
        began = time.monotonic()
        done = answer(["train.py", *arguments])
        assert done.code == 2, done.said
        assert words in done.said
        assert "Traceback" not in done.said
        assert time.monotonic() - began < 60


def test_training_starts_from_python_with_a_loss_of_ones_own(experiment, tmp_path):
    from imgtrans_jax.configs.my_loss import warm  # pyright: ignore[reportMissingImports]

    recipe = dataclasses.replace(experiment.recipe, cycle=0.0, identity=0.0, extra=(warm,))
    mine = dataclasses.replace(experiment, recipe=recipe)
    loop.train(mine, tmp_path / "run", steps=2)
    assert read_metrics(tmp_path / "run")[-1]["warm"] > 0
    # a loss of one's own is not needed to translate
    apply, _ = translator.generator(tmp_path / "run", "a2b")
    assert np.isfinite(apply(jnp.zeros((1, 16, 16, 3)))).all()
