"""TensorBoard's event files, written without a thread. Imports nothing here."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog  # type: ignore[attr-defined]


class EventWriter:
    """TensorBoard files, written by the caller's own thread: the library's SummaryWriter has one
    for it, which dies of a full disk, and then makes the program wait for it for ever.

    Args:
        folder: Of the files.
        step: The first that is written; what was logged from it on is hidden.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        self.writer: EventsWriter | None = None
        # hides what was logged later
        self._write(Event(step=step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step: int, values: Any) -> None:
        """Writes one event; what cannot be written is left out.

        Args:
            step: That it belongs to.
            values: A summary of tensorboardX.
        """
        self._write(Event(step=step, summary=values))

    def flush(self) -> None:
        self._try(lambda writer: writer.flush())

    def close(self) -> None:
        self._try(lambda writer: writer.close())
        self.writer = None

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._try(lambda writer: writer.write_event(event))

    def _try(self, what: Callable[[EventsWriter], Any]) -> None:
        """What cannot be written is left out, and a new file begun for what follows: nothing is
        read behind a cut record.
        """
        try:
            self.writer = self.writer or EventsWriter(
                str(self.folder / "events"), f".{os.getpid()}.{time.monotonic_ns()}"
            )
            what(self.writer)
        except OSError:
            if self.writer is not None:
                with contextlib.suppress(OSError):
                    self.writer.close()
            self.writer = None
