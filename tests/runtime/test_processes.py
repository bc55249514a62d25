"""Signals, and two runs in one folder, on file systems with and without locks."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from imgtrans_jax.runtime.distributed import run_lock
from imgtrans_jax.runtime.signals import Stop
from imgtrans_jax.types import UserError


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_an_armed_stop_asks_to_save_and_gives_the_signals_back(number, capsys):
    before = {
        each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    }
    with Stop() as stop:
        stop.arm()
        assert not stop.asked(1)
        os.kill(os.getpid(), number)
        assert stop.asked(2)
    assert "saving" in capsys.readouterr().out
    assert {each: signal.getsignal(each) for each in before} == before


def test_a_signal_after_the_last_question_does_what_it_did_before():
    def work(error=None):
        with Stop() as stop:
            stop.arm()
            assert not stop.asked(1)
            signal.raise_signal(signal.SIGINT)
            if error:
                raise error

    with pytest.raises(KeyboardInterrupt):
        work()
    with pytest.raises(UserError, match="told instead"):
        work(UserError("This is told instead."))


# A Stop of a program, and a signal at the moments at which it could be lost: before it is watched
# for, and before it is armed, where the thread that hears of it comes too late.
EARLY = """
import signal, sys, time
from imgtrans_jax.runtime.signals import Stop

class Unwatched(Stop):
    def _watch(self):
        signal.raise_signal(signal.SIGTERM)
        super()._watch()

sys.setswitchinterval(5)
with {kind}(at_once=True) as stop:
    signal.raise_signal(signal.SIGTERM)
    stop.arm()
    for _ in range(50):
        time.sleep(0.1)
        if stop.asked(1):
            sys.exit(1)
"""


@pytest.mark.parametrize("kind", ["Unwatched", "Stop"])
def test_a_signal_before_the_stop_is_armed_ends_the_program(kind):
    ended = subprocess.run(
        [sys.executable, "-c", EARLY.format(kind=kind)], capture_output=True, text=True, timeout=100
    )
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    assert ended.stderr.startswith("\nStopped; there was nothing new to save.\n")


def test_a_hangup_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with Stop() as stop:
            stop.arm()
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.asked(1)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_platform_without_hangups_has_none(monkeypatch):
    before = signal.getsignal(signal.SIGHUP)
    monkeypatch.delattr(signal, "SIGHUP")
    with Stop() as stop:
        stop.arm()
        assert set(stop.before) == {signal.SIGINT, signal.SIGTERM}
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked(1)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGHUP) == before


def test_two_runs_in_one_folder_are_refused(tmp_path):
    with (
        run_lock(tmp_path),
        pytest.raises(UserError, match="Another run trains in"),
        run_lock(tmp_path),
    ):
        pass
    with run_lock(tmp_path):
        pass


@pytest.fixture(params=["ENOLCK", "EOPNOTSUPP", "ENOSYS", "ENOTSUP"])
def without_locks(request, monkeypatch):
    number = getattr(errno, request.param)

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)


MARK = ".owner.json"


@pytest.mark.usefixtures("without_locks")
def test_a_file_system_without_locks_is_said_and_two_runs_are_refused_all_the_same(
    tmp_path, capsys
):
    with run_lock(tmp_path):
        assert "knows no locks" in capsys.readouterr().out
        words = rf"Process {os.getpid()} on {socket.gethostname()} has trained in"
        with pytest.raises(UserError, match=words), run_lock(tmp_path):
            pass
        assert (tmp_path / MARK).exists()
    assert not (tmp_path / MARK).exists()


@pytest.mark.usefixtures("without_locks")
def test_the_mark_of_a_dead_process_is_removed_and_that_of_another_host_is_named(tmp_path, capsys):
    mark = tmp_path / MARK
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mark.write_text(
        json.dumps({"host": socket.gethostname(), "process": ended.pid, "since": "yesterday"})
    )
    with run_lock(tmp_path):
        assert f"process {ended.pid}) has ended" in capsys.readouterr().out
    for text, words in (
        (
            json.dumps({"host": "node7", "process": 12, "since": "Monday"}),
            "Process 12 on node7 .* since Monday",
        ),
        ("", "on an unknown host"),
        ("[1]", "on an unknown host"),
    ):
        mark.write_text(text)
        with (
            pytest.raises(UserError, match=rf"{words}.*remove .*{MARK} and start again"),
            run_lock(tmp_path),
        ):
            pass
        assert mark.read_text() == text


def test_other_troubles_with_locks_are_told_as_they_are(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output"), run_lock(tmp_path):
        pass
