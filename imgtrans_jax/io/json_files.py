"""JSON from anywhere, read within bounds, and JSON inside a page: nothing in it can end a program
or leave its element.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

LARGEST = 4 * 2**20
"""Bytes of a text; as Python's values they are thirty times that at most. What this program writes
has some hundred kB.
"""

DEEPEST = 64
"""Levels of lists and objects within each other; a config has a dozen."""

_LARGEST_LINE = 2**20


def parsed(text: str | bytes, kind: type[T] = dict) -> T:
    """The value of a JSON text.

    Args:
        text: In UTF-8 if it is bytes.
        kind: The type that the value must have; an object by default.

    Returns:
        The value, an instance of `kind`.

    Raises:
        ValueError: And nothing else, for any other text; for one that is larger or deeper than what
            this program writes (LARGEST bytes, DEEPEST levels); for whole numbers beyond 64 bits,
            names that are there twice, and characters that cannot be printed.
    """
    if len(text) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST} bytes")
    try:
        text = text if isinstance(text, str) else text.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("its values lie too deep within each other") from None
    _check(value, DEEPEST)
    if not isinstance(value, kind):
        raise ValueError(f"it is no {kind.__name__}")
    return value


def read(path: Path, kind: type[T] = dict) -> T:
    """What a JSON file holds.

    Args:
        path: Of the file.
        kind: The type that its value must have; an object by default.

    Returns:
        The value, an instance of `kind`.

    Raises:
        OSError: If the file cannot be read.
        ValueError: As `parsed` does.
    """
    with path.open("rb") as file:
        return parsed(file.read(LARGEST + 1), kind)


def read_or_none(path: Path, kind: type[T] = dict) -> T | None:
    """What a JSON file holds; None if there is none, or if it is damaged.

    Args:
        path: Of the file.
        kind: The type that its value must have, else the file counts as damaged.

    Returns:
        The value, or None.
    """
    try:
        return read(path, kind)
    except (OSError, ValueError):
        return None


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines; what is cut short or damaged is passed over. No file is
    an empty one.
    """
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return
    with file:
        while line := file.readline(_LARGEST_LINE):
            try:
                yield parsed(line.decode(errors="replace"))
            except ValueError:
                continue


def number(value: Any) -> float | None:
    """A number, which may be NaN or infinite; None for any other value (true and false are
    none).
    """
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def numbers(value: Any) -> dict[str, float]:
    """The numbers among the values of an object, by name."""
    found = value.items() if isinstance(value, dict) else ()
    return {name: float(x) for name, x in found if number(x) is not None}


def count(value: Any) -> int | None:
    """A whole number from 0; None for any other value."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def embedded(value: Any) -> str:
    """A value as JSON within a <script>: an HTML parser looks for '<' and '&' alone there, and
    JavaScript's older forms take U+2028 and U+2029 for ends of lines, so that these are written by
    their numbers.
    """
    text = json.dumps(value)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _check(value: Any, left: int) -> None:
    if isinstance(value, str):
        value.encode()  # half a surrogate pair cannot be: UnicodeEncodeError is a ValueError
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ValueError("a number has more than 64 bits")
    elif isinstance(value, (list, dict)):
        if not left:
            raise ValueError("its values lie too deep within each other")
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(item, left - 1)
