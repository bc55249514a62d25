"""What the scripts answer: an exit code and one sentence, or the traceback of a real bug."""

import errno
import importlib.metadata
import subprocess
import sys
import time

import pytest
from absl import flags

from imgtrans_jax import cli
from imgtrans_jax.models.convolution import form
from imgtrans_jax.types import UserError


@pytest.fixture
def parsed_anew(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--config.batch_size=2"])
    yield
    flags.FLAGS.unparse_flags()
    flags.FLAGS.mark_as_parsed()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError("Do this."), 2, "Error: Do this."),
        (OSError(errno.ENOSPC, "No space left on device", "runs/x"), 2, "No space left on device (runs/x): make room"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2, "Permission denied (/x)"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"), 2, "memory is full"),
    ],
)
def test_mistakes_get_a_sentence_and_a_code(error, code, words, parsed_anew, capsys):
    def main(overrides):
        assert overrides == [("batch_size", "2")]
        raise error

    with pytest.raises(SystemExit) as stopped:
        cli.run(main)
    assert stopped.value.code == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize("error", [ValueError("a bug"), RuntimeError("a bug"), FileNotFoundError("a bug")])
def test_a_bug_is_not_hidden(error, parsed_anew):
    with pytest.raises(type(error)):
        cli.run(lambda _: (_ for _ in ()).throw(error))


def test_an_unknown_form_of_convolution_is_a_mistake(parsed_anew, capsys):
    with form("fastest"), pytest.raises(SystemExit) as stopped:
        cli.run(lambda _: 0)
    assert stopped.value.code == 2
    assert "no form of convolution 'fastest'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kernel", "tunables", "begun"),
    [("always [madvise] never", None, True), ("[always] madvise never", None, False), ("always [madvise] never", "x=1", False)],
)
def test_a_program_begins_anew_for_large_pages(kernel, tunables, begun, monkeypatch, tmp_path):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if tunables:
        monkeypatch.setenv("GLIBC_TUNABLES", tunables)
    (tmp_path / "enabled").write_text(kernel)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "imgtrans_jax.evaluate", "--run=x"])
    calls = []
    monkeypatch.setattr(cli.os, "execv", lambda *args: calls.append((*args, cli.os.environ["GLIBC_TUNABLES"])))
    cli._use_large_pages(tmp_path / "enabled")
    wanted = [(sys.executable, [sys.executable, "-m", "imgtrans_jax.evaluate", "--run=x"], cli.LARGE_PAGES)]
    assert calls == (wanted if begun else [])
    cli._use_large_pages(tmp_path / "missing")
    assert len(calls) == begun


def test_what_the_cache_of_compiled_programs_needs_is_installed_with_the_package():
    assert any(
        need.startswith("filelock") and "extra" not in need for need in importlib.metadata.requires("imgtrans_jax") or ()
    )


INTERRUPTED = """
import gc, signal, time
from imgtrans_jax import cli

def meet(phase, info):
    gc.callbacks.remove(meet)
    signal.raise_signal(signal.SIGINT)
    len("where Python sees to the signal")

def main(overrides):
    gc.callbacks.append(meet)
    gc.collect()
    time.sleep(60)

if __name__ == "__main__":
    cli.run(main)
"""


def test_ctrl_c_is_not_lost_in_the_garbage_collector(tmp_path):
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    began = time.monotonic()
    ended = subprocess.run([sys.executable, tmp_path / "interrupted.py"], capture_output=True, text=True, timeout=50)
    assert (ended.returncode, ended.stderr.strip()) == (130, "Stopped.")
    assert time.monotonic() - began < 45


def test_what_a_file_names_does_not_command_the_terminal():
    assert cli.printable("a\x1b]0;x\x07\nb\udcff\u202e") == "a\\x1b]0;x\\x07\nb\\udcff\\u202e"
    assert cli.printable("ü …") == "ü …"
    assert len(cli.printable("a" * 10**6)) < 10_010
