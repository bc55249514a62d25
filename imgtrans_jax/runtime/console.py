"""What is said to a person on the console, and in one sentence. Imports types alone."""

from __future__ import annotations

import functools
import time

import jax
from tqdm import tqdm

from imgtrans_jax.types import UserError


def say(text: str) -> None:
    """A line on the console, once for all processes."""
    if jax.process_index() == 0:
        print(text, flush=True)


class reraise_as_user_error:
    """Turns the ValueError of a network or a loss, whose message is meant for people, into a
    UserError.
    """

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ValueError):
            raise UserError(str(error)) from None


def say_here(text: str) -> None:
    print(text, flush=True)


@functools.lru_cache(maxsize=10_000)
def say_once(text: str) -> None:
    """Prints a remark the first time only, beside a bar of progress if there is one."""
    tqdm.write(text)


def duration(seconds: float) -> str:
    """'42 s', '3 min 20 s', '5 h 10 min', '2 d 3 h'."""
    seconds = round(seconds)
    for size, unit, smaller, smaller_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // smaller} {smaller_unit}"
    return f"{seconds} s"


def timestamp() -> str:
    """Now, in the machine's own time."""
    return time.strftime("%Y-%m-%d %H:%M:%S")
