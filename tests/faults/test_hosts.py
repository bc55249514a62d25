"""Several processes that train one run, and what becomes of it when one of them is stopped, lost or
missing.
"""

import signal
import socket
import time

import pytest
from trainings import ended, saved, start, start_together, steps, wait_for

from imgtrans_jax.runtime import distributed

pytestmark = pytest.mark.slow

SHARED = (
    "--config.batch_size=4",
    "--config.recipe.pool_groups=4",
    "--config.log_every=1",
    "--config.save_every=5",
)
LONG = (*SHARED, "--steps=100000", "--config.sample_every=100000")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_notice_to_one_process_saves_on_all_at_one_step(number, tiny_config, tmp_path):
    one, other = start_together(tiny_config, tmp_path / "run", *LONG)
    wait_for(one, "step 7/")
    other.send_signal(number)
    ends = [ended(process, 130).splitlines() for process in (one, other)]
    (first,), (second,) = (
        [line for line in lines if line.startswith("Stopped at step")] for lines in ends
    )
    assert first == second
    assert (
        first
        == f"Stopped at step {steps(tmp_path / 'run')[-1]} of 100000 and saved; the same command "
        "goes on from there."
    )
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
    assert distributed.PEER_LOST in said
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
    assert distributed.PEER_LOST in said
    together[1].kill()
    together[1].communicate()


def test_a_peer_that_is_lost_while_all_compile(tiny_config, tmp_path):
    one, other = start_together(tiny_config, tmp_path / "run", *LONG)
    wait_for(one, "Compiling")
    other.kill()
    other.communicate()
    began = time.monotonic()
    assert distributed.PEER_LOST in ended(one, 1)
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


def test_processes_that_would_train_something_else_are_refused(tiny_config, tmp_path):
    one, other = start_together(
        tiny_config, tmp_path / "run", *SHARED, "--steps=9", each=(("--config.seed=1",), ())
    )
    said = ended(other, 2)
    assert (
        "Process 1 would train something else than process 0 (config.seed: 1 -> 0): start the "
        "same command on all." in said
    )
    assert distributed.PEER_LOST in ended(one, 1)
    folders = ((), (f"--workdir={tmp_path / 'other'}",))
    one, other = start_together(tiny_config, tmp_path / "run", *SHARED, "--steps=9", each=folders)
    assert f"Process 1 does not see {tmp_path / 'run'} of process 0" in ended(one, 2)
    other.communicate()
    assert other.returncode in (1, 2)


def test_addresses_that_cannot_be_get_a_sentence(tiny_config, tmp_path):
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flags, words in (
            (("--distributed",), "The other processes were not found"),
            (("--processes=2",), "need --distributed"),
            (("--coordinator=127.0.0.1", "--process=0"), "is no HOST:PORT"),
            (("--coordinator=127.0.0.1:99999", "--process=0"), "is no HOST:PORT"),
            (("--coordinator=127.0.0.1:9999", "--process=2"), "--process=2 is none of 2"),
            (
                ("--coordinator=no.such.host.invalid:9999", "--process=1"),
                "There is no host no.such.host.invalid",
            ),
            (
                (f"--coordinator=127.0.0.1:{port}", "--process=0"),
                f"Port {port} cannot be opened here (Address already in use)",
            ),
        ):
            more = () if len(flags) == 1 else ("--distributed", "--processes=2")
            said = ended(start(tiny_config, tmp_path / "run", *flags, *more), 2, 60)
            assert words in said
            assert "Traceback" not in said


@pytest.mark.parametrize("index", [0, 1])
def test_waiting_for_the_others_can_be_stopped(index, tiny_config, tmp_path):
    flags = (
        "--distributed",
        "--coordinator=127.0.0.1:19731",
        "--processes=2",
        f"--process={index}",
    )
    process = start(tiny_config, tmp_path / "run", *flags)
    wait_for(process, "Waiting for")
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert "Stopped; there was nothing new to save." in ended(process, 130, 10)


def test_several_processes_start_from_another_run(tiny_config, tmp_path):
    ended(start(tiny_config, tmp_path / "first", *SHARED, "--steps=3"))
    for process in start_together(
        tiny_config,
        tmp_path / "run",
        *SHARED,
        "--steps=3",
        f"--config.init_from={tmp_path / 'first'}",
    ):
        ended(process)
    assert saved(tmp_path / "run")["step"] == 3
