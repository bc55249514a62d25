"""What is answered to arguments that do not fit: one sentence that names what is wrong."""

import types
from pathlib import Path

import pytest

from imgtrans_jax.commands import app, compare, generate, stylize, transfer, translate
from imgtrans_jax.types import UserError


def answer(capsys, command, *arguments, code=2):
    """What a command says to arguments that it refuses, in one line."""
    assert app.run(command, arguments) == code
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    return said.removeprefix("Error: ").rstrip()


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        (translate, ["", "a.png"], "RUN is empty; give a value."),
        (translate, ["runs/x", ""], "INPUT is empty; give a value."),
        (transfer, ["a.png", "b.png", ""], "STYLE is empty; give a value."),
        (translate, ["--run=", "a.png"], "--run is empty; give a path, or leave it out."),
        (translate, ["--run", "", "a.png"], "--run is empty; give a path, or leave it out."),
        (
            translate,
            ["runs/x", "a.png", "--out="],
            "--out is empty; give a path, or leave it out.",
        ),
        (
            transfer,
            ["a.png", "--style="],
            "A value of --style is empty; give one, or leave it out.",
        ),
        (
            compare,
            ["--runs=runs/x,,runs/y"],
            "A value of --runs is empty; give one, or leave it out.",
        ),
    ],
)
def test_what_is_empty_is_not_the_current_folder(command, arguments, said, capsys):
    assert answer(capsys, command, *arguments) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nooverwrite=3"], "--nooverwrite=3 does not take an argument; see --help."),
        (["--flagfile=/etc/hostname"], "There is no flag --flagfile; see --help."),
        (["--undefok=zzz", "--zzz=1"], "There is no flag --undefok; see --help."),
        (["-undefok", "zzz", "--zzz=1"], "There is no flag --undefok; see --help."),
        (
            ["--size=abc"],
            "--size takes a whole number (work with the shorter side at this many pixels); see "
            "--help.",
        ),
        (
            ["--format=gif"],
            "--format takes one of png, jpg, webp, tif (of the files in a folder); see --help.",
        ),
        (
            ["--overwrite=perhaps"],
            "--overwrite takes no value, true or false (make results anew that are there "
            "already); see --help.",
        ),
    ],
)
def test_values_that_a_flag_does_not_take(arguments, said, capsys):
    assert answer(capsys, translate, *arguments) == said


def test_a_number_is_asked_for_with_its_bounds(capsys):
    said = answer(capsys, generate, "runs/x", "--seed=-1")
    assert said.startswith("--seed takes a whole number from 0 to 2147483647 (")


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        (translate, [], "Which run? Give imgtrans translate RUN INPUT, or --run=…; see --help."),
        (
            translate,
            ["runs/x"],
            "Which input? Give imgtrans translate RUN INPUT, or --input=…; see --help.",
        ),
        (
            transfer,
            ["a.png"],
            "Which style? Give imgtrans transfer CONTENT STYLE, or --style=…; see --help.",
        ),
        (stylize, ["--content=a.png"], "Which style? Give --style=…; see --help."),
    ],
)
def test_what_is_missing_is_asked_for_as_the_command_takes_it(command, arguments, said, capsys):
    assert answer(capsys, command, *arguments) == said


def refusing(text):
    """A command with the flags of translate, which answers with this sentence."""

    def main(_):
        raise UserError(text)

    return types.SimpleNamespace(FLAGS=translate.FLAGS, POSITIONAL=translate.POSITIONAL, main=main)


@pytest.mark.parametrize("name", ["a`size`b.png", "a `size` b.png", "`x` (`size`).png"])
def test_a_name_of_a_file_stays_as_it_is(name, capsys):
    command = refusing(f"There is no in/{name}: give another `input`, or a smaller `size`.")
    said = answer(capsys, command, "runs/x", f"in/{name}")
    assert said == f"There is no in/{name}: give another --input, or a smaller --size."


def test_a_name_in_a_folder_stays_as_it_is(capsys):
    said = answer(capsys, refusing("in/a`size`b.png is damaged (`size`)."), "runs/x", "in")
    assert said == "in/a`size`b.png is damaged (--size)."


def test_large_pages_are_told_of_calmly(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setattr(app.os, "execv", lambda *_: None)
    setting = Path(tmp_path / "enabled")
    setting.write_text("always [madvise] never")
    app._use_large_pages(setting)
    assert capsys.readouterr().out == (
        "Memory comes in large pages, which is faster; GLIBC_TUNABLES= turns this off.\n"
    )
