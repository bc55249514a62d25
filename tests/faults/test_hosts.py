"""Several processes that train one run, and what becomes of it when one of them is stopped, lost or missing."""

import signal
import time

import pytest
from trainings import ended, saved, start, start_together, steps, wait_for

from imgtrans_jax import processes

pytestmark = pytest.mark.slow

SHARED = ("--config.batch_size=4", "--config.recipe.pool_groups=4", "--config.log_every=1", "--config.save_every=5")
LONG = (*SHARED, "--steps=100000", "--config.sample_every=100000")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_notice_to_one_process_saves_on_all_at_one_step(number, tiny_config, tmp_path):
    one, other = start_together(tiny_config, tmp_path / "run", *LONG)
    wait_for(one, "step 7/")
    other.send_signal(number)
    ends = [ended(process, 130).splitlines() for process in (one, other)]
    (first,), (second,) = ([line for line in lines if line.startswith("Stopped at step")] for lines in ends)
    assert first == second
    assert first == f"Stopped at step {steps(tmp_path / 'run')[-1]} of 100000 and saved; the same command goes on from there."
    assert "Going on from step" in ended(
        start(tiny_config, tmp_path / "run", *LONG, f"--steps={steps(tmp_path / 'run')[-1] + 2}")
    )


@pytest.mark.parametrize("victim", [0, 1])
def test_a_lost_peer_ends_the_other_with_a_sentence(victim, tiny_config, tmp_path):
    together = start_together(tiny_config, tmp_path / "run", *LONG)
    wait_for(together[0], "step 12/")
    together[victim].kill()
    began = time.monotonic()
    said = ended(together[1 - victim], 1)
    assert time.monotonic() - began < 60
    assert processes.LOST in said
    together[victim].communicate()
    assert steps(tmp_path / "run"), "the checkpoint of step 5 is there"
    # A restart on fewer devices.
    said = ended(start(tiny_config, tmp_path / "run", *SHARED, "--steps=30", devices=2))
    assert "Going on from step" in said
    assert "It ran on 4 x cpu, and now on 2 x cpu." in said
    assert steps(tmp_path / "run")[-1] == 30


def test_a_peer_that_hangs_is_lost_too(tiny_config, tmp_path):
    together = start_together(tiny_config, tmp_path / "run", *LONG)
    wait_for(together[0], "step 7/")
    together[1].send_signal(signal.SIGSTOP)
    began = time.monotonic()
    said = ended(together[0], 1, 90)
    assert time.monotonic() - began < 60
    assert processes.LOST in said
    together[1].kill()
    together[1].communicate()


def test_a_peer_that_is_lost_while_all_compile(tiny_config, tmp_path):
    one, other = start_together(tiny_config, tmp_path / "run", *LONG)
    wait_for(one, "Compiling")
    other.kill()
    other.communicate()
    began = time.monotonic()
    assert processes.LOST in ended(one, 1)
    assert time.monotonic() - began < 60


def test_a_second_run_of_several_processes_is_refused_too(tiny_config, tmp_path):
    first = start(tiny_config, tmp_path / "run", *LONG)
    wait_for(first, "step 5/")
    one, other = start_together(tiny_config, tmp_path / "run", *LONG)
    assert "Another run trains in" in ended(one, 2)
    other.communicate(timeout=100)
    assert other.returncode == 1
    first.kill()
    first.communicate()


def test_processes_that_do_not_find_each_other_say_so(tiny_config, tmp_path):
    said = ended(start(tiny_config, tmp_path / "run", "--distributed"), 2)
    assert "The other processes were not found" in said
    assert "--coordinator=HOST:PORT" in said
    said = ended(start(tiny_config, tmp_path / "run", "--processes=2"), 2)
    assert "need --distributed" in said


def test_several_processes_start_from_another_run(tiny_config, tmp_path):
    ended(start(tiny_config, tmp_path / "first", *SHARED, "--steps=3"))
    for process in start_together(
        tiny_config, tmp_path / "run", *SHARED, "--steps=3", f"--config.init_from={tmp_path / 'first'}"
    ):
        ended(process)
    assert saved(tmp_path / "run")["step"] == 3
