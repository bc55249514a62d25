"""Trainings as processes: started, watched, and compared by what they saved."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(
    config: Path,
    run: Path,
    *arguments: str,
    devices: int = 1,
    before: Sequence[str] = (),
    **environment: str,
):
    """`python train.py` on so many CPU devices; `before` are words of the command that stand before
    it.
    """
    command = [
        *before,
        sys.executable,
        "train.py",
        f"--config={config}",
        f"--workdir={run}",
        *arguments,
    ]
    changed = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "JAX_NUM_CPU_DEVICES": str(devices),
        **environment,
    }
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=changed,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def start_together(
    config: Path,
    run: Path,
    *arguments: str,
    devices: int = 2,
    each: Sequence[Sequence[str]] = ((), ()),
) -> list[subprocess.Popen]:
    """Processes that train one run, `devices` each, with what `each` adds to their arguments."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = ["--distributed", f"--coordinator={address}", f"--processes={len(each)}"]
    return [
        start(config, run, *arguments, *flags, f"--process={i}", *own, devices=devices)
        for i, own in enumerate(each)
    ]


def wait_for(process: subprocess.Popen, *words: str) -> str:
    """Reads until a line has one of the words; returns what was said so far. Raises AssertionError
    if none ever has.
    """
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if any(word in line for word in words):
            return said
    raise AssertionError(f"None of {words} was said, exit code {process.wait()}:\n{said}")


def ended(process: subprocess.Popen, code: int = 0, seconds: float = 300) -> str:
    """What it says until its end, which must be with that exit code."""
    said = process.communicate(timeout=seconds)[0]
    assert process.returncode == code, said
    return said


def steps(run: Path) -> list[int]:
    folder = run / "checkpoints"
    return (
        sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
        if folder.exists()
        else []
    )


def saved(run: Path, step: int | None = None) -> dict:
    """What a checkpoint, the newest if none is named, says of its state: the step, a checksum of
    each array, the position in the data. Equal ones are of bit-equal states.
    """
    record = json.loads(
        (run / "checkpoints" / str(step or steps(run)[-1]) / "metadata" / "metadata").read_text()
    )
    return {name: record[name] for name in ("step", "checksums", "data")}
