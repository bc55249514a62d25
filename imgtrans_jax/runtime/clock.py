"""Rate, time left and input wait of a run. Imports `console`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from imgtrans_jax.runtime.console import duration, timestamp

SAY_EVERY = 10.0  # seconds between console lines on a slow machine
LONG_WAIT = 0.1  # from this share of the time on it is said that pictures are waited for


class Clock:
    """Rate, time left and input wait of one run of the loop.

    Args:
        first: The step that it goes on from.
        total: The number of the last step.
        batch_size: Images a step.
        verbose: Every term in the lines.
    """

    def __init__(self, first: int, total: int, batch_size: int, verbose: bool = False) -> None:
        self.first, self.total, self.batch_size, self.verbose = first, total, batch_size, verbose
        self.start = self.said = time.monotonic()
        self.waited = 0.0
        self.promised = False
        self.rate = math.nan  # steps per second
        self._wait_began = 0.0

    def waiting(self) -> Clock:
        """A context in which time counts as waiting for input."""
        return self

    def __enter__(self) -> None:
        self._wait_began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.waited += time.monotonic() - self._wait_began

    def due(self) -> bool:
        """Whether the console has been silent for long."""
        return time.monotonic() - self.said > SAY_EVERY

    def line(self, step: int, values: dict[str, float]) -> str:
        """One line of progress, with `verbose` a second with all terms; call it right after the
        device has been waited for.

        Args:
            step: That is done.
            values: The loss terms by name.

        Returns:
            The line; once, with a second that says how long all will take.
        """
        now = time.monotonic()
        self.said = now
        self.rate = (step - self.first) / (now - self.start)
        left = duration((self.total - step) / self.rate)
        wait = self.waited / (now - self.start)
        parts = [
            f"step {step}/{self.total}",
            f"{self.rate * self.batch_size:.3g} images/s",
            f"{left} left",
        ]
        if self.verbose or wait >= LONG_WAIT:
            parts.append(f"input wait {100 * wait:.0f} %")
        terms = {name: value for name, value in values.items() if not name.startswith("norm/")}
        shown = "  ".join(
            f"{name} {value:.3f}"
            for name, value in (terms if self.verbose else sums(terms)).items()
        )
        text = "  ".join(parts) + ("\n    " if self.verbose else "  ") + shown
        if not self.promised and step - self.first >= 5 and step < self.total:
            self.promised = True
            whole = duration((self.total - self.first) / self.rate)
            text += f"\nThis config needs about {whole} here for {self.total - self.first} steps."
        return text

    def figures(self) -> dict[str, float]:
        """For the log: seconds a step, and the share of them spent waiting for input."""
        elapsed = time.monotonic() - self.start
        return {"time/step_s": 1 / self.rate, "time/input_wait": self.waited / elapsed}

    def status(self, step: int, running: bool) -> str:
        """One sentence for the page.

        Args:
            step: That is done.
            running: False if the training has stopped.

        Returns:
            The sentence, with the time left.
        """
        if step >= self.total:
            return f"Finished: {step} steps ({timestamp()})."
        left = "" if math.isnan(self.rate) else f"about {duration((self.total - step) / self.rate)}"
        if running:
            return (
                f"Training: step {step} of {self.total}{left and f', {left} left'} ({timestamp()})."
            )
        return (
            f"Stopped: step {step} of {self.total} ({timestamp()}). The same command goes "
            f"on{left and f', for {left}'}."
        )


def sums(terms: Mapping[str, float]) -> dict[str, float]:
    """Terms with those of one kind together, as their names begin: cycle_a and cycle_b are `cycle`,
    all of the critics `d`.
    """
    found: dict[str, float] = {}
    for name, value in terms.items():
        kind = name.split("_")[0]
        found[kind] = found.get(kind, 0.0) + value
    return found
