"""What the scripts answer: an exit code and one sentence, or the traceback of a real bug."""

import errno
import importlib
import importlib.metadata
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from imgtrans_jax.commands import app
from imgtrans_jax.commands.arguments import help_text, parse
from imgtrans_jax.convolution.forms import form
from imgtrans_jax.runtime.signals import Interrupted
from imgtrans_jax.style.gatys import Gatys
from imgtrans_jax.types import UserError

ROOT = Path(__file__).parents[2]


def command(main):
    """A command with this `main`, as a module is one."""
    found = types.ModuleType("command", "Does it.")
    found.FLAGS = app.Flags()
    found.FLAGS.switch("overwrite", "Make it anew.")
    found.PICTURE = found.FLAGS.path("picture", None, "The picture.")
    found.STYLE = found.FLAGS.paths("style", "A style.")
    found.POSITIONAL = (found.PICTURE, found.STYLE)
    found.main = main
    return found


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
def test_mistakes_get_a_sentence_and_a_code(error, code, words, capsys):
    def main(overrides):
        assert overrides == [("batch_size", "2")]
        raise error

    assert app.run(command(main), ["--config.batch_size=2"]) == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), RuntimeError("a bug"), FileNotFoundError("a bug")]
)
def test_a_bug_is_not_hidden(error):
    with pytest.raises(type(error)):
        app.run(command(lambda _: (_ for _ in ()).throw(error)), [])


def test_an_unknown_form_of_convolution_is_a_mistake(capsys):
    with form("fastest"):
        assert app.run(command(lambda _: 0), []) == 2
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
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "imgtrans_jax", "train"])
    calls = []
    monkeypatch.setattr(
        app.os, "execv", lambda *args: calls.append((*args, app.os.environ["GLIBC_TUNABLES"]))
    )
    app._use_large_pages(tmp_path / "enabled")
    wanted = [
        (
            sys.executable,
            [sys.executable, "-m", "imgtrans_jax", "train"],
            app.LARGE_PAGES,
        )
    ]
    assert calls == (wanted if begun else [])
    app._use_large_pages(tmp_path / "missing")
    assert len(calls) == begun


def test_what_the_cache_of_compiled_programs_needs_is_installed_with_the_package():
    assert any(
        need.startswith("filelock") and "extra" not in need
        for need in importlib.metadata.requires("imgtrans_jax") or ()
    )


INTERRUPTED = """
import gc, signal, sys, time
from imgtrans_jax.commands import app
FLAGS = app.Flags()

def meet(phase, info):
    gc.callbacks.remove(meet)
    signal.raise_signal(signal.SIGINT)
    len("where Python sees to the signal")

def main(overrides):
    gc.callbacks.append(meet)
    gc.collect()
    for _ in range(600):  # a signal just before a sleep waits for its end
        time.sleep(0.1)

if __name__ == "__main__":
    app.main(sys.modules[__name__])
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
    assert app.printable("a\x1b]0;x\x07\nb\udcff\u202e") == "a\\x1b]0;x\\x07\nb\\udcff\\u202e"
    assert app.printable("ü …") == "ü …"
    assert len(app.printable("a" * 10**6)) < 10_010


@pytest.mark.parametrize("code", [130, 143])
def test_what_a_signal_ended_says_so_and_has_its_code_in_examples_too(code, capsys):
    def main(_):
        raise Interrupted("Stopped at step 3 of 9 and saved.", code)

    example = types.ModuleType("example")
    example.FLAGS, example.main = app.Flags(), main
    assert app.run(example, []) == code
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("Stopped at step 3 of 9 and saved.\n", "")


@pytest.mark.parametrize("name", app.commands())
def test_no_flag_has_the_name_of_a_method(name):
    """Its value would be the method."""
    module = importlib.import_module(f"imgtrans_jax.commands.{name}")
    assert not [flag for flag in module.FLAGS if hasattr(app.Flags, flag)]


EXAMPLES = (
    "compare_losses",
    "compare_methods",
    "score_colouring",
    "score_digits",
    "score_enlarging",
    "score_pairs",
    "score_text",
    "score_transfer",
)
ALIASES = {"translate": ("generator",), "generate": ("generator",), "visualize": ("input",)}


@pytest.mark.parametrize("name", [*app.commands(), "stylize", *EXAMPLES])
def test_every_path_flag_knows_the_home_folder(name, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    if name in EXAMPLES:
        spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(f"imgtrans_jax.commands.{name}")
    paths = {
        "run",
        "input",
        "out",
        "config",
        "workdir",
        "content",
        "mask",
        "src",
        "dst",
        "generator",
    }
    paths |= {"generator", "real", "segmenter", "result", "weights"}
    given = [flag for flag in module.FLAGS if flag in paths and flag not in ALIASES.get(name, ())]
    parse(module, [f"--{flag}=~/my {flag}.png" for flag in given])
    for flag in given:
        value = module.FLAGS[flag].value
        assert value in (f"/home/me/my {flag}.png", [f"/home/me/my {flag}.png"])
    module.FLAGS.unparse_flags()


def test_every_field_that_is_a_path_knows_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = app.overridden(
        Gatys(), [("start", "~/a.png"), ("weights", "~/vgg.pth"), ("content_weight", "0.5")]
    )
    assert (found.start, found.weights, found.content_weight) == (
        f"{tmp_path}/a.png",
        f"{tmp_path}/vgg.pth",
        0.5,
    )


ENDED = """
import os, signal, sys, time
from imgtrans_jax.commands import app
FLAGS = app.Flags()

def main(overrides):
    try:
        print(os.fsdecode(b"caf\\xe9.png"), flush=True)  # a name that is no text
        for _ in range(600):  # a signal just before a sleep waits for its end
            time.sleep(0.1)
    finally:
        print("tidied up", flush=True)

if __name__ == "__main__":
    app.main(sys.modules[__name__])
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


SWALLOWED = """
import signal, sys
from imgtrans_jax.commands import app
FLAGS = app.Flags()

def main(overrides):
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt as error:  # as nanobind does
        raise ImportError("Encountered an error while initializing the extension.") from error

if __name__ == "__main__":
    app.main(sys.modules[__name__])
"""
EARLY = """
import importlib, signal, sys
from imgtrans_jax.commands import app
FLAGS = app.Flags()

def interrupted(name):
    try:
        signal.raise_signal(signal.{number})
    except BaseException:  # as some do that try an import
        pass

def main(overrides):
    print("It went on.")

if __name__ == "__main__":
    app.importlib.import_module = interrupted
    app.main(sys.modules[__name__])
"""


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (SWALLOWED, 128 + signal.SIGTERM),
        (EARLY.format(number="SIGTERM"), -signal.SIGTERM),
        (EARLY.format(number="SIGINT"), -signal.SIGINT),
    ],
)
def test_a_signal_is_not_lost_in_an_import(code, status, tmp_path):
    (tmp_path / "script.py").write_text(code)
    ended = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=100
    )
    assert (ended.returncode, ended.stdout) == (status, "")
    assert ended.stderr.strip() == ("Stopped." if status > 0 else "")


# ----------------------------------------------------------------------------------------- commands


def test_all_commands_live_in_one_process_and_say_what_they_are_for(capsys):
    for name in app.commands():
        module = importlib.import_module(f"imgtrans_jax.commands.{name}")
        assert callable(module.main)
        assert app._summary(module).endswith(".")
        text = help_text(module)
        assert f"imgtrans {name}" in text
        assert max(map(len, text.splitlines())) <= 100
    assert app._main("--help", [], "") == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in app.commands())
    assert max(map(len, said.splitlines())) <= 100


def test_help_imports_nothing_that_takes_time():
    code = (
        "import sys; from imgtrans_jax.commands import app; app._main('--help', [], ''); "
        "app._main('transfer', ['--help'], ''); app._main('configs', ['--help'], ''); "
        "sys.exit(bool({'jax', 'numpy', 'PIL'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_arguments_stand_for_flags_by_their_place(capsys):
    seen = []
    one = command(lambda _: seen.append((one.PICTURE.value, one.STYLE.value)))
    assert app.run(one, ["~/a.png", "b.png", "c.png", "--overwrite"]) == 0
    assert seen == [(os.path.expanduser("~/a.png"), ["b.png", "c.png"])]
    assert app.run(one, ["--picture=a.png"]) == 0
    assert seen[-1] == ("a.png", [])
    assert app.run(one, ["b.png", "--picture=a.png"]) == 2
    assert "'b.png' and --picture say the same" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--overwrit"], "There is no flag --overwrit; did you mean --overwrite?"),
        (["--zzz=1"], "There is no flag --zzz; see --help."),
        (["--overwrite=perhaps"], "see --help."),
    ],
)
def test_flags_that_are_none(arguments, words, capsys):
    assert app.run(command(lambda _: 0), arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("Error: ")
    assert said.count("\n") == 1


def test_the_library_names_arguments_and_the_command_makes_them_flags(capsys):
    def main(_):
        raise UserError("`overwrite` it, or set `config.data.a=x`; `Recipe` is no flag.")

    app.run(command(main), [])
    assert "--overwrite it, or set --config.data.a=x; `Recipe` is no" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "words"), [("trian", "try imgtrans train"), ("x", "--help")])
def test_a_command_that_is_none(word, words, capsys):
    assert app._main(word, [], "") == 2
    assert words in capsys.readouterr().err


def test_configs_are_listed_by_method_a_line_each(capsys):
    configs = importlib.import_module("imgtrans_jax.commands.configs")
    assert app.run(configs, []) == 0
    legend, *lines = capsys.readouterr().out.splitlines()
    assert "imgtrans configs NAME" in legend
    assert max(map(len, lines)) <= 100
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(listed) == sorted(p.stem for p in (ROOT / "configs").glob("[a-z]*.py"))
    titles = [line for line in lines if line and not line.startswith(" ")]
    assert titles == [method for method in configs.METHODS if method != configs.OTHERS]
    for name, title in (
        ("quickstart", "Translation learned without pairs"),
        ("pix2pix_openmoji", "Translation learned from pairs"),
        ("wgan_gp_digits", "Pictures from noise"),
        ("srgan_small", "Enlargement"),
        ("deepdream", "Style transfer and dreams, without training"),
        ("pix2pix_ablation_l1", "Ablations"),
    ):
        above = lines[: next(i for i, line in enumerate(lines) if line.startswith(f"  {name} "))]
        assert [line for line in above if line in titles][-1] == title
    (one,) = [line for line in lines if line.startswith("  quickstart ")]
    (two,) = [line for line in lines if line.startswith("  cyclegan_vangogh2photo ")]
    assert re.fullmatch(
        r"  quickstart +Line drawings become .*…  +OpenMoji drawings +4 min, CPU", one
    )
    assert one.index("OpenMoji") == two.rindex("vangogh2photo ")
    assert app.run(configs, ["quickstart"]) == 0
    assert "Expected:" in capsys.readouterr().out


def test_a_config_that_is_no_text_gets_a_sentence(tmp_path, capsys):
    configs = importlib.import_module("imgtrans_jax.commands.configs")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00ab")
    (tmp_path / "latin.py").write_bytes(
        '# -*- coding: latin-1 -*-\n"""Für mich."""'.encode("latin1")
    )
    (tmp_path / "bare.py").write_text('def get_config():\n    """No description of the file."""\n')
    for name, words in (
        ("/bin/ls", "is no Python file; its name must end in .py."),
        (str(ROOT / "docs" / "quickstart.png"), "is no Python file"),
        (str(tmp_path / "binary.py"), "binary.py is no text; give a Python file."),
    ):
        assert app.run(configs, [name]) == 2
        assert words in capsys.readouterr().err
        train = importlib.import_module("imgtrans_jax.commands.train")
        assert app.run(train, [f"--config={name}"]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert app.run(configs, [str(tmp_path / "latin.py")]) == 0
    assert capsys.readouterr().out.startswith("Für mich.\n")
    assert app.run(configs, [str(tmp_path / "bare.py")]) == 0
    assert capsys.readouterr().out.startswith("It begins with no description.\n")


def test_a_reader_that_has_read_enough_is_no_mistake(tmp_path):
    command = f"{sys.executable} -m imgtrans_jax configs | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("GPU is one of")
    assert done.stderr == ""
