"""What the scripts answer: an exit code and one sentence, or the traceback of a real bug."""

import errno
import sys

import pytest
from absl import flags

from imgtrans_jax import cli
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
