"""A training that is killed, whose files are changed, whose disk is full, whose clock jumps, whose
pictures break.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from trainings import ROOT, ended, saved, start, steps, wait_for

from imgtrans_jax.config.loading import load
from imgtrans_jax.data.pipeline import Batches
from imgtrans_jax.engine.checkpoint import Checkpoints
from imgtrans_jax.engine.sharding import one_device
from imgtrans_jax.training import loop
from imgtrans_jax.training.program import Program
from imgtrans_jax.types import UserError

pytestmark = pytest.mark.slow

OFTEN = ("--config.save_every=2", "--config.sample_every=30", "--config.log_every=10", "--steps=90")


def test_kills(kills, tiny_config, tmp_path, record_property):
    """kill -9, most of them while steps are made and saved: nothing that was saved is lost, and the
    end is bit-equal.
    """
    ended(start(tiny_config, tmp_path / "unbroken", *OFTEN))
    wanted = saved(tmp_path / "unbroken")
    chance = random.Random(os.urandom(8))
    done, number = 0, 0
    run = tmp_path / "run0"
    while done < kills:
        before = newest_sound(run)
        process = start(tiny_config, run, *OFTEN)
        if chance.random() < 0.8:
            wait_for(process, "Compiled in", "has already been trained")
            time.sleep(chance.uniform(0, 2.5))
        else:
            time.sleep(chance.uniform(0.5, 8))
        running = process.poll() is None
        process.kill()
        said = process.communicate()[0]
        if not running:  # it was faster: another run is killed
            assert process.returncode == 0, said
            assert saved(run) == wanted
            number += 1
            run = tmp_path / f"run{number}"
            continue
        assert newest_sound(run) >= before
        done += 1
        record_property("kills", 1)
    said = ended(start(tiny_config, run, *OFTEN))
    assert "damaged" not in said
    assert saved(run) == wanted


def newest_sound(run: Path) -> int:
    """The step of the newest sound checkpoint, -1 for none."""
    if not (run / "checkpoints").exists():
        return -1
    checkpoints = Checkpoints(run / "checkpoints")
    sound = [step for step in checkpoints.manager.all_steps() if not checkpoints._flaw(step)]
    assert sound or not steps(run)
    return max(sound, default=-1)


# tensorstore's, of the damaged file
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_flips(flips, tiny_config, tmp_path, record_property, capsys):
    """A byte of any file of the newest checkpoint is changed: it is said, and the one before is
    used.
    """
    experiment = load(str(tiny_config))
    loop.train(experiment, tmp_path / "run", steps=10)
    batch = experiment.data.open().batches(2, 0)[0]
    like = Program(experiment, one_device(), batch, 3).like
    good = Checkpoints(tmp_path / "run" / "checkpoints").restore(like, set_aside=False)
    assert good is not None
    assert int(good[0].step) == 10
    chance = random.Random(os.urandom(8))
    for number in range(flips):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(tmp_path / "run" / "checkpoints", copy)
        file = chance.choice(sorted(path for path in (copy / "10").rglob("*") if path.is_file()))
        data = bytearray(file.read_bytes())
        place, change = chance.randrange(len(data)), chance.randrange(1, 256)
        data[place] ^= change
        file.write_bytes(data)
        capsys.readouterr()
        restored = Checkpoints(copy).restore(like)
        what = f"{file.relative_to(copy)}, byte {place} ^ {change}"
        assert "The checkpoint of step 10 is damaged" in capsys.readouterr().out, what
        assert restored is not None, what
        assert (int(restored[0].step), restored[1]["step"]) == (5, 5), what
        assert (copy / "damaged" / "10").is_dir()
        shutil.rmtree(copy)
        record_property("flips", 1)


def test_a_cut_checkpoint_without_file_checksums_is_one_sentence(tiny_config, tmp_path):
    """As a kill leaves it between a save and its checksums, or as the version before wrote it."""
    run = tmp_path / "run"
    ended(start(tiny_config, run, "--steps=7"))
    newest = run / "checkpoints" / "7"
    (newest / "files.json").unlink()
    for file in newest.glob("state/**/d/*"):
        os.truncate(file, file.stat().st_size // 3)
    said = ended(start(tiny_config, run, "--steps=9"))
    assert (
        "The checkpoint of step 7 is damaged: its arrays cannot be read. It is kept in damaged/."
        in said
    )
    assert "That of step 5 is sound, and used." in said
    assert "Traceback" not in said
    assert len(said.splitlines()) < 20


IN_A_SMALL_DISK = (
    'mount -t tmpfs -o size=6m none "$DISK" && "$@"; code=$?; echo "ended with $code"; '
    "read -r _; exit $code"
)


def test_a_full_disk_costs_time_alone(tiny_config, tmp_path):
    """On a file system of 6 MB of its own, filled and emptied while the training goes on."""
    steps = (
        "--config.save_every=10",
        "--config.sample_every=20",
        "--config.log_every=5",
        "--steps=1500",
    )
    ended(start(tiny_config, tmp_path / "unbroken", *steps))
    disk = tmp_path / "disk"
    disk.mkdir()
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", IN_A_SMALL_DISK, "sh"]
    process = start(tiny_config, disk / "run", *steps, before=alone, DISK=str(disk))
    said = wait_for(process, "step 40/")
    inside = Path(f"/proc/{process.pid}/root{disk}")  # the disk as that process sees it
    ballast = inside / "ballast"
    fill(ballast)
    said += wait_for(process, "could not be written")
    assert "no space left on the disk" in said
    assert "Training goes on, and saves again when there is room." in said
    kept = sorted(
        int(path.name) for path in (inside / "run" / "checkpoints").iterdir() if path.name.isdigit()
    )
    assert kept
    said += wait_for(process, "step ")
    said += wait_for(process, "step ")
    ballast.unlink()
    said += wait_for(process, "is saved: there is room again", "ended with")
    said += wait_for(process, "ended with", "Error", "Traceback")
    assert "ended with 0" in said, said
    assert "Traceback" not in said
    assert "Finished 1500 steps" in said
    later = sorted(
        int(path.name) for path in (inside / "run" / "checkpoints").iterdir() if path.name.isdigit()
    )
    assert later[-1] == 1500
    shutil.copytree(inside / "run", tmp_path / "copy")
    process.communicate("\n")
    assert saved(tmp_path / "copy") == saved(tmp_path / "unbroken")
    rows = (tmp_path / "copy" / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == len((tmp_path / "unbroken" / "metrics.jsonl").read_text().splitlines())


def fill(ballast: Path) -> None:
    try:
        with ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
    except OSError:
        return


JUMPING = """
import random, runpy, sys, time
now, now_ns, chance, offset = time.time, time.time_ns, random.Random(0), [0.0]
def jumped():
    if chance.random() < 0.2:
        offset[0] = chance.choice((-1, 1)) * chance.uniform(0, 400 * 86400)
    return offset[0]
time.time = lambda: now() + jumped()
time.time_ns = lambda: now_ns() + int(1e9 * jumped())
sys.argv = sys.argv[1:]
runpy.run_path("train.py", run_name="__main__")
"""


def test_jumps_of_the_clock_change_nothing(tiny_config, tmp_path):
    ended(start(tiny_config, tmp_path / "unbroken", *OFTEN))
    command = [
        sys.executable,
        "-c",
        JUMPING,
        "train.py",
        f"--config={tiny_config}",
        f"--workdir={tmp_path / 'run'}",
        *OFTEN,
    ]
    for total in ("50", "90"):
        done = subprocess.run(
            [*command, f"--steps={total}"], cwd=ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert steps(tmp_path / "run")[-1] == int(total)
    assert saved(tmp_path / "run") == saved(tmp_path / "unbroken")


def test_pictures_that_break_meanwhile(tiny_config, pictures, tmp_path):
    """The reading thread fails: what was learned is saved; with the pictures mended the run ends
    where an unbroken one does.
    """
    steps = ("--config.save_every=1000", "--config.log_every=10", "--steps=600")
    ended(start(tiny_config, tmp_path / "unbroken", *steps))
    process = start(tiny_config, tmp_path / "run", *steps)
    said = wait_for(process, "step 20/")
    files = sorted((pictures / "trainA").iterdir())
    whole = {file: file.read_bytes() for file in files}
    for file in files:
        file.write_bytes(whole[file][:40])
    said += ended(process, 2)
    assert "could not be read" in said
    assert "is saved, and the same command goes on from there." in said
    assert "Traceback" not in said
    for file in files:
        file.write_bytes(whole[file])
    said = ended(start(tiny_config, tmp_path / "run", *steps))
    assert "Going on from step" in said
    assert saved(tmp_path / "run") == saved(tmp_path / "unbroken")


def with_a_broken_batch(monkeypatch, number: int, how: Callable[[dict], dict]) -> None:
    """Reading the batch of that number ends in what `how` makes of it."""
    read = Batches.__getitem__
    monkeypatch.setattr(
        Batches, "__getitem__", lambda self, n: how(read(self, n)) if n == number else read(self, n)
    )


def exits(_):
    raise SystemExit


def runs_out_of_memory(_):
    raise MemoryError("no room for a picture")


@pytest.mark.parametrize("how", [exits, runs_out_of_memory])
def test_a_reader_that_dies(how, tiny_config, tmp_path, monkeypatch):
    experiment = load(str(tiny_config))
    with monkeypatch.context() as broken:
        with_a_broken_batch(broken, 7, how)
        with pytest.raises(
            UserError, match=r"batch of step 8 could not be read: .*step 7 is saved"
        ):
            loop.train(experiment, tmp_path / "run", steps=12)
    assert steps(tmp_path / "run")[-1] == 7
    loop.train(experiment, tmp_path / "run", steps=12)
    loop.train(experiment, tmp_path / "unbroken", steps=12)
    assert saved(tmp_path / "run") == saved(tmp_path / "unbroken")


def poisoned(batch: dict) -> dict:
    return batch | {
        "a": np.where(np.arange(batch["a"].size).reshape(batch["a"].shape) == 5, np.nan, batch["a"])
    }


def test_not_a_number_in_a_batch(tiny_config, tmp_path, monkeypatch):
    """The run ends before the batch changes anything; with the batch mended it ends where an
    unbroken one does.
    """
    experiment = load(str(tiny_config))
    for _ in range(2):  # the second time at once, from the checkpoint
        with monkeypatch.context() as broken:
            with_a_broken_batch(broken, 7, poisoned)
            with pytest.raises(UserError, match=r"Training stopped at step 8: .* became NaN"):
                loop.train(experiment, tmp_path / "run", steps=12)
        assert steps(tmp_path / "run") == [5]
    assert list((tmp_path / "run").glob("failed_step_8_*.npz"))
    loop.train(experiment, tmp_path / "run", steps=12)
    loop.train(experiment, tmp_path / "unbroken", steps=12)
    assert saved(tmp_path / "run") == saved(tmp_path / "unbroken")


def test_a_second_run_in_the_same_folder_is_refused(tiny_config, tmp_path):
    first = start(tiny_config, tmp_path / "run", "--steps=100000", "--config.save_every=1000")
    wait_for(first, "step 10/")
    said = ended(start(tiny_config, tmp_path / "run", "--steps=20"), 2)
    assert "Another run trains in" in said
    assert "another --workdir" in said
    first.send_signal(signal.SIGTERM)
    assert "and saved" in ended(first, 130)
    first = start(tiny_config, tmp_path / "run", "--steps=100000")
    wait_for(first, "Going on from step")
    first.kill()
    first.communicate()
    again = start(tiny_config, tmp_path / "run", "--steps=100000")  # a kill leaves no lock behind
    wait_for(again, "Going on from step")
    again.kill()
    again.communicate()


def test_sigterm_while_compiling_in_a_step_and_while_saving(tiny_config, tmp_path):
    ended(start(tiny_config, tmp_path / "unbroken", *OFTEN))
    run = tmp_path / "run"
    process = start(tiny_config, run, *OFTEN, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "empty"))
    wait_for(process, "Compiling")
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert "Stopped; there was nothing new to save." in ended(process, 143)
    assert time.monotonic() - began < 5
    assert steps(run) == []

    process = start(tiny_config, run, *OFTEN)
    wait_for(process, "step 10/")
    process.send_signal(signal.SIGTERM)
    assert "and saved; the same command goes on from there" in ended(process, 130)
    stopped = steps(run)[-1]

    process = start(tiny_config, run, *OFTEN)
    wait_for(process, "Compiled in")
    while not list((run / "checkpoints").glob("*.orbax-checkpoint-tmp*")):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # impatient schedulers send two
    assert "and saved" in ended(process, 130)
    assert steps(run)[-1] > stopped
    ended(start(tiny_config, run, *OFTEN))
    assert saved(run) == saved(tmp_path / "unbroken")
