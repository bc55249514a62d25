"""How long work will take whose parts are known. Imports nothing here."""

from __future__ import annotations

import collections
import statistics
import time
from collections.abc import Callable


class Pace:
    """How long work will take whose parts are known: by the median pace of the last parts, so that
    what is done once, such as compiling, does not count; and nothing before there are some.

    Args:
        whole: All of the work, in the unit of its parts.
        clock: Gives seconds, for tests.
    """

    LAST, FEWEST = 20, 3

    def __init__(self, whole: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.whole, self.done, self.clock = whole, 0.0, clock
        self.paces: collections.deque[float] = collections.deque(maxlen=self.LAST)
        self.last: float | None = None

    def begin(self, done: float) -> None:
        """Another kind of work begins, `done` is behind."""
        self.done, self.last = done, None
        self.paces.clear()

    def did(self, part: float) -> None:
        """A part is done; one that costs nothing, as far as is known, counts with the next."""
        if not part:
            return
        now = self.clock()
        if self.last is not None:
            self.paces.append((now - self.last) / part)
        self.last, self.done = now, self.done + part

    def seconds(self, part: float) -> float | None:
        """That `part` takes; None if it is too early to say."""
        return part * statistics.median(self.paces) if len(self.paces) >= self.FEWEST else None

    def left(self) -> float | None:
        return self.seconds(max(0.0, self.whole - self.done))
