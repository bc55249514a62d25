"""Spoilt files before all that read them: a sentence or a result, and nothing else done."""

from __future__ import annotations

import codecs
import os
import signal
import sys
import time
import traceback
import typing
from pathlib import Path
from typing import Any

import numpy as np
from mutations import spoilt
from originals import SHARES
from PIL import Image

MOST_BYTES, MOST_SECONDS = 2**30, 30


def read(kind: str, path: Path) -> None:
    """As the program does. Raises UserError, and nothing else, for what it refuses."""
    from imgtrans_jax.commands import app
    from imgtrans_jax.config import trust
    from imgtrans_jax.config.experiment import Experiment
    from imgtrans_jax.config.stored import differences, from_json, named_outside, to_json
    from imgtrans_jax.data.sources import Tfds
    from imgtrans_jax.evaluation import compare, human_study
    from imgtrans_jax.inference import load
    from imgtrans_jax.io import images, json_files
    from imgtrans_jax.metrics.segmentation import colors_of
    from imgtrans_jax.report import curves, run_page
    from imgtrans_jax.report.comparison_page import Column, comparison_page
    from imgtrans_jax.training.diagnostics import Watch
    from imgtrans_jax.types import UserError
    from imgtrans_jax.weights.vgg import load_vgg

    assert app is not None  # its name is in VALUES
    match kind:
        case "picture" | "npy" if path.suffix in images.SUFFIXES:
            images.read_picture(path, 3)
        case "pth" | "safetensors" | "picture" | "npy":
            if path.suffix in (".pth", ".safetensors"):
                try:
                    load_vgg(str(path))
                except UserError:
                    load.load_file(path)
        case "run":
            load.load_generator(path / "run")
        case "tfds":
            Tfds("made", data_dir=str(path / "data")).open("a", 8, 3)
        case "config":
            stored = json_files.read_or_none(path)
            experiment = from_json(stored) if stored is not None else None
            if isinstance(experiment, Experiment):
                differences(stored, to_json(experiment))
                assert named_outside(experiment.data) == {} or not _opened(trust, experiment)
        case "lines":
            run_page.read_metrics(path.parent)
            run_page._read_columns(path.parent / "columns.json")
            curves.curves_svg("x", ["loss"], run_page.read_metrics(path.parent))
            Watch(path.parent, None)
            column = compare._column(path.parent, "x", [np.zeros((2, 2, 3), np.uint8)], 2, "a2b")
            comparison_page([Column("input", column.pictures, {}), column], "a2b", {})
            for each in (
                colors_of,
                lambda name: human_study.summary(human_study.read_sessions([Path(name)])[0]),
            ):
                try:
                    each(str(path))
                except UserError:
                    continue


def _opened(trust: Any, experiment: Any) -> bool:
    from imgtrans_jax.types import UserError

    try:
        trust.opened(experiment)
    except UserError:
        return False
    return True


FORBIDDEN = (
    "exec",
    "import",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.spawn",
    "pty.spawn",
)
FORBIDDEN += ("socket.connect", "socket.bind", "ctypes.dlopen", "urllib.Request", "webbrowser.open")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGING = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.chmod",
    "os.chown",
    "os.link",
    "os.symlink",
    "os.truncate",
)


class Guard:
    """Notes everything that a reader of a file has no business to do."""

    def __init__(self, allowed: Path) -> None:
        self.allowed, self.seen, self.armed = str(allowed), [], False
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        # typing evaluates the annotations of this program's own classes.
        typed = event == "exec" and sys._getframe(1).f_code.co_filename == typing.__file__
        if (
            event in FORBIDDEN
            and not typed
            and not (event == "import" and arguments[0] in sys.modules)
        ):
            self.seen.append(f"{event} {str(arguments)[:200]}")
        elif event in CHANGING or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        ):
            self._write(event, arguments[0])

    def _write(self, event: str, path: Any) -> None:
        if not str(path).startswith(self.allowed):
            self.seen.append(f"{event} {path!r}")


class TooLongError(Exception):
    """A file took longer than MOST_SECONDS."""


def _too_long(*_: object) -> None:
    raise TooLongError


def _memory(name: str) -> int:
    """Bytes of this process: now (VmRSS), or at most since `_forget_peak` (VmHWM)."""
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )
    return int(line.split()[1]) * 1024


def _forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def kind_of(number: int) -> str:
    shares = [kind for kind, share in SHARES.items() for _ in range(share)]
    return shares[(number * 37) % len(shares)]


def work(here: Path, scratch: Path, numbers: list[int]) -> list[str]:
    """Reads these files; returns what went wrong, one line each."""
    from imgtrans_jax.types import UserError

    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (what the readers say, of the whole process)
    Image.init()
    codecs.lookup("cp437")  # of names in zip archives
    os.environ["IMGTRANS_CACHE"] = str(scratch / "cache")
    guard = Guard(scratch)
    for kind in SHARES:  # all that is imported and compiled for good files is so now
        for path in sorted((here / kind).iterdir()):
            try:
                read(kind, here / kind if kind in ("run", "tfds") else path)
            except UserError:
                continue
    signal.signal(signal.SIGALRM, _too_long)
    wrong = []
    for number in numbers:
        kind = kind_of(number)
        path = spoilt(kind, number, here, scratch / "file")
        (scratch / "now").write_text(f"{number} {kind}")
        before, began = _forget_peak(), time.monotonic()
        guard.armed, guard.seen, text = True, [], ""
        signal.alarm(MOST_SECONDS)
        try:
            read(kind, path)
        except UserError as error:
            text = f"a sentence of {len(str(error))} characters" if len(str(error)) > 3000 else ""
        except TooLongError:
            text = f"longer than {time.monotonic() - began:.0f} s"
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            frame = next((f for f in reversed(frames) if "imgtrans_jax" in f.filename), frames[-1])
            text = (
                f"{type(error).__name__}: {str(error)[:100]} (at "
                f"{Path(frame.filename).name}:{frame.lineno})"
            )
        finally:
            signal.alarm(0)
            guard.armed = False
        grown = _memory("VmHWM") - before
        if grown > MOST_BYTES:
            text += f" {grown / 2**20:.0f} MB more"
        if text or guard.seen:
            wrong.append(f"{number} {kind} {path.name}: {text} {'; '.join(guard.seen[:3])}")
    return wrong
