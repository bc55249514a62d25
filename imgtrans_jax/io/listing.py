"""The pictures of a folder: which of its files they are, and in which order."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgtrans_jax.runtime.console import say_once
from imgtrans_jax.types import UserError

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *(
            "apng",
            "avif",
            "bmp",
            "dib",
            "gif",
            "j2k",
            "jfif",
            "jp2",
            "jpe",
            "jpeg",
            "jpf",
            "jpg",
            "jpx",
        ),
        *("npy", "pbm", "pfm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp"),
    )
)
"""File names that are taken for pictures when a folder is listed."""

SHEET = "sheet.png"
"""The name of a sheet of the pictures beside it, which is none of them if it says so: see
`SAYS_SHEET`.
"""

SAYS_SHEET = "imgtrans_jax, a sheet of the pictures beside it"
"""What such a sheet says of itself, the `software` that wrote it."""


def list_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """The pictures of a folder and its subfolders, by their suffix, in natural order (2 before 10).

    Links to folders are followed, each folder once. Hidden files are passed over, what trainings
    have left there, and the sheet of generated pictures; of other files the kinds and numbers are
    said.

    Raises:
        UserError: If the folder is missing, is no folder or the whole file system, or holds no
            picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(f"The folder {folder} {what}; check the path.")
    if folder.resolve() == Path(folder.resolve().anchor):
        raise UserError(f"{folder} is the whole file system; give the folder of your pictures.")
    found: list[Path] = []
    others: Counter[str] = Counter()
    for path, kind in _files(folder):
        if kind != "file":
            others[kind] += 1
        elif path.name == SHEET and _is_sheet(path):
            others["sheet of generated pictures"] += 1
        elif path.suffix.lower() in SUFFIXES:
            found.append(path)
        else:
            others[path.suffix.lower() or "without a suffix"] += 1
    if others:
        kinds = ", ".join(f"{number} {kind}" for kind, number in others.most_common())
        say_once(f"Not read in {folder}: {kinds}.")
    if not found:
        raise UserError(
            f"The folder {folder} holds no picture ({', '.join(sorted(SUFFIXES))}); put some "
            "there or check the path."
        )
    return sorted(found, key=natural)


def _is_sheet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return SAYS_SHEET.encode() in file.read(4096)
    except OSError:
        return False


def natural(path: Path) -> tuple[Any, ...]:
    """The key of an order in which 2 comes before 10: parts of a path, its numbers as numbers."""
    parts = (*path.parts[:-1], path.stem, path.suffix)
    split = (enumerate(re.split("([0-9]+)", part)) for part in parts)
    return tuple(tuple(int(x) if i % 2 else x for i, x in part) for part in split), str(path)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file that is not hidden, and "file", or what it is instead. Real folders go before
    links to folders, so that the same folder is found under its own name."""
    folders, links, seen = [folder], [], set()
    above = {(there.stat().st_dev, there.stat().st_ino) for there in folder.resolve().parents}
    while folders or links:
        linked = not folders
        here = folders.pop() if folders else links.pop()
        try:
            found = here.stat()
            if linked and (found.st_dev, found.st_ino) in above:
                yield here, "links to a folder that holds this one"
                continue
            if (found.st_dev, found.st_ino) in seen:
                yield here, "links to a folder that is here already"
                continue
            seen.add((found.st_dev, found.st_ino))
            with os.scandir(here) as entries:
                children = sorted(
                    (entry for entry in entries if not entry.name.startswith(".")),
                    key=lambda e: e.name,
                )
        except OSError as error:
            yield here, f"folder {here} ({error.strerror})"
            continue
        names = {child.name for child in children}
        if {"checkpoints", "config.json"} <= names or {"samples", "columns.json"} <= names:
            # What a training shows must not become what it learns from.
            say_once(
                "Left out: what a training has written to "
                f"{here / 'samples' if here == folder else here}."
            )
            children = [child for child in children if here == folder and child.name != "samples"]
        for child in children:
            if child.is_dir():
                (links if child.is_symlink() else folders).append(here / child.name)
            else:
                # a link to nothing is named when it is read
                known = child.is_file() or child.is_symlink()
                yield here / child.name, "file" if known else "pipes or devices"
