"""Several commands of the scripts, one after the other in one process: one for each would take
seconds to import what all of them need.

python tests/golden/golden_commands.py COMMANDS.json ANSWERS.json
COMMANDS.json holds [["train.py", "--config=…"], …], ANSWERS.json then [[exit code, output], …].
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a command came back with: its exit code, and all that it said."""

    code: int
    said: str


def answers(commands: Sequence[Sequence[str]], folder: Path, **environment: str) -> list[Answer]:
    """Runs commands, such as ["stylize.py", "--run=runs/x", …], in a folder.

    What the trainings among them would note in the user's cache folder is noted in `folder`/cache.
    """
    environment = {**os.environ, "IMGTRANS_CACHE": str(folder / "cache"), **environment}
    with tempfile.TemporaryDirectory() as scratch:
        asked, told = Path(scratch) / "commands.json", Path(scratch) / "answers.json"
        asked.write_text(json.dumps(commands))
        program = [sys.executable, __file__, str(asked), str(told)]
        done = subprocess.run(
            program, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return [Answer(*answer) for answer in json.loads(told.read_text())]


def answer(command: Sequence[str]) -> Answer:
    """What `python NAME ARGUMENTS` would come back with, in this process."""
    from imgtrans_jax.commands import app

    name, *arguments = command
    module = importlib.import_module(f"imgtrans_jax.commands.{Path(name).stem}")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = app.run(module, arguments)
        except Exception:
            traceback.print_exc()
            code = 1
    return Answer(code, said.getvalue())


def main() -> None:
    gc.set_threshold(100_000, 20, 100)  # as tests/conftest.py has it
    sys.path.insert(0, str(ROOT))  # as for a script that lies there
    asked, told = map(Path, sys.argv[1:])
    answered = [answer(command) for command in json.loads(asked.read_text())]
    told.write_text(json.dumps([dataclasses.astuple(one) for one in answered]))


if __name__ == "__main__":
    main()
