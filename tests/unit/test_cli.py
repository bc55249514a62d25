"""What the scripts answer: an exit code and one sentence, or the traceback of a real bug."""

import errno
import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from absl import flags

from imgtrans_jax import cli
from imgtrans_jax.models.convolution import form
from imgtrans_jax.recipes.gatys import Gatys
from imgtrans_jax.types import UserError

ROOT = Path(__file__).parents[2]


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
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x"),
            2,
            "No space left on device (runs/x): make room",
        ),
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


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), RuntimeError("a bug"), FileNotFoundError("a bug")]
)
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
    [
        ("always [madvise] never", None, True),
        ("[always] madvise never", None, False),
        ("always [madvise] never", "x=1", False),
    ],
)
def test_a_program_begins_anew_for_large_pages(kernel, tunables, begun, monkeypatch, tmp_path):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if tunables:
        monkeypatch.setenv("GLIBC_TUNABLES", tunables)
    (tmp_path / "enabled").write_text(kernel)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "imgtrans_jax.evaluate", "--run=x"])
    calls = []
    monkeypatch.setattr(
        cli.os, "execv", lambda *args: calls.append((*args, cli.os.environ["GLIBC_TUNABLES"]))
    )
    cli._use_large_pages(tmp_path / "enabled")
    wanted = [
        (
            sys.executable,
            [sys.executable, "-m", "imgtrans_jax.evaluate", "--run=x"],
            cli.LARGE_PAGES,
        )
    ]
    assert calls == (wanted if begun else [])
    cli._use_large_pages(tmp_path / "missing")
    assert len(calls) == begun


def test_what_the_cache_of_compiled_programs_needs_is_installed_with_the_package():
    assert any(
        need.startswith("filelock") and "extra" not in need
        for need in importlib.metadata.requires("imgtrans_jax") or ()
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
    ended = subprocess.run(
        [sys.executable, tmp_path / "interrupted.py"], capture_output=True, text=True, timeout=50
    )
    assert (ended.returncode, ended.stderr.strip()) == (130, "Stopped.")
    assert time.monotonic() - began < 45


def test_what_a_file_names_does_not_command_the_terminal():
    assert cli.printable("a\x1b]0;x\x07\nb\udcff\u202e") == "a\\x1b]0;x\\x07\nb\\udcff\\u202e"
    assert cli.printable("ü …") == "ü …"
    assert len(cli.printable("a" * 10**6)) < 10_010


PATHS = """
import runpy, sys
from absl import flags
argv, wanted = sys.argv[2:], sys.argv[1]
runpy.run_path(wanted, run_name="flags")
flags.FLAGS(["x", *argv])
for argument in argv:
    print(flags.FLAGS[argument[2:].partition("=")[0]].value)
"""

PATHS_OF = {
    "stylize.py": ("content", "style", "mask", "config", "run", "generator", "input", "out"),
    "examples/compare_losses.py": ("out",),
    "examples/score_colouring.py": ("run",),
    "examples/score_digits.py": ("run",),
    "examples/score_enlarging.py": ("run", "out"),
    "examples/score_pairs.py": ("run",),
    "examples/score_transfer.py": ("content", "style", "result", "weights"),
}


@pytest.mark.parametrize("script", PATHS_OF)
def test_every_path_flag_knows_the_home_folder(script, tmp_path):
    given = [f"--{name}=~/my {name}.png" for name in PATHS_OF[script]]
    command = [sys.executable, "-c", PATHS, script, *given]
    changed = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=changed, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, found in zip(PATHS_OF[script], done.stdout.splitlines(), strict=True):
        assert found.strip("[]'") == f"{tmp_path}/my {name}.png"


def test_every_field_that_is_a_path_knows_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = cli.overridden(
        Gatys(), [("start", "~/a.png"), ("weights", "~/vgg.pth"), ("content_weight", "0.5")]
    )
    assert (found.start, found.weights, found.content_weight) == (
        f"{tmp_path}/a.png",
        f"{tmp_path}/vgg.pth",
        0.5,
    )


ENDED = """
import os, signal, sys, time
from imgtrans_jax import cli

def main(overrides):
    try:
        print(os.fsdecode(b"caf\\xe9.png"), flush=True)  # a name that is no text
        time.sleep(60)
    finally:
        print("tidied up", flush=True)

if __name__ == "__main__":
    cli.run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_program_in_order(number, tmp_path):
    (tmp_path / "ended.py").write_text(ENDED)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    changed = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, tmp_path / "ended.py"], env=changed, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "caf\\udce9.png\n"
        process.send_signal(number)
        said = process.communicate(timeout=50)
    assert process.returncode == 128 + number
    assert (said[0], said[1].strip()) == ("tidied up\n", "Stopped.")
