"""Where prepared data are kept, files that are written whole or not at all, and those that are not
written over.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from imgtrans_jax.types import UserError

LONGEST = 255
"""Bytes of a file's name that file systems take."""


def cache_folder() -> Path:
    """Where prepared data are kept: $IMGTRANS_CACHE, or imgtrans_jax in the user's cache folder."""
    chosen = os.environ.get("IMGTRANS_CACHE")
    return (
        Path(chosen).expanduser()
        if chosen
        else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "imgtrans_jax"
    )


def check_fetched(name: str, digest: str) -> None:
    """Compares the SHA-256 of what was fetched, for which no published one is known, with that of
    the first time. The first one is kept in the cache folder and said.

    Args:
        name: Under which the checksum is kept, such as the address.
        digest: SHA-256 of what was fetched now, in hexadecimal digits.

    Raises:
        UserError: If another checksum is kept under this name.
    """
    file = cache_folder() / "fetched.txt"
    with contextlib.suppress(OSError, ValueError):
        before = dict(
            line.split("  ", 1)[::-1] for line in file.read_text(encoding="utf-8").splitlines()
        )
        if before.get(name, digest) != digest:
            raise UserError(
                f"What was fetched as {name} is not what it was the first time (SHA-256 {digest}, "
                f"then {before[name]}), and is not used; if that is right, remove its line from "
                f"{file}."
            )
        if name in before:
            return
    print(
        f"No published checksum of {name} is known here: it was compared with none. Its SHA-256 "
        f"is {digest}, which is kept in {file}; another file under this name will be refused.",
        flush=True,
    )
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as opened:
            opened.write(f"{digest}  {name}\n")


def make_folder(folder: Path, flag: str) -> None:
    """Makes a folder that a flag names, and sees that something can be written to it.

    Args:
        folder: Made with all folders above it; may be there already.
        flag: What the user changes to choose another, for the error's sentence.

    Raises:
        UserError: If it cannot be made, or nothing can be written to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "there is a file of that name" if folder.is_file() else error.strerror
        raise UserError(
            f"The folder {folder} cannot be made ({why}); choose another {flag}."
        ) from None
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"Nothing can be written to {folder} ({error.strerror}); choose another {flag}."
        ) from None


def refuse_existing(*paths: Path, overwrite: bool) -> None:
    """Refuses files to write that are there already; call it before any work.

    Args:
        *paths: Of the files to write; links that lead nowhere count as there.
        overwrite: Files may be overwritten; folders may not.

    Raises:
        UserError: If a path is a folder, or is there and `overwrite` is not set.
    """
    for path in filter(os.path.lexists, paths):
        if path.is_dir():
            raise UserError(f"{path} is there already, and is a folder; choose another name.")
        if not overwrite:
            raise UserError(f"{path} is there already; add `overwrite`, or choose another name.")


def refuse_inputs(written: Iterable[Path], read: Iterable[Path]) -> None:
    """Refuses files to write that are read too, by whatever name or link: no flag allows it.

    Args:
        written: Files that will be written; they need not be there yet.
        read: Files that will be read.

    Raises:
        UserError: If one of `written` is one of `read`.
    """
    known = {key: path for path in read for key in _identities(path)}
    for path in written:
        for key in _identities(path):
            if key in known:
                raise UserError(
                    f"`out`: {path} is the input {known[key]}, which would be overwritten; choose "
                    "another `out`."
                )


def _identities(path: Path) -> Iterator[Any]:
    """What two names of one file have in common: the real place, and, of one that is there, what
    the system calls it.
    """
    yield real_folder(path.parent) / path.name
    with contextlib.suppress(OSError):
        found = path.stat()
        yield found.st_dev, found.st_ino


@functools.lru_cache(1000)
def real_folder(folder: Path) -> Path:
    """The folder without links; remembered, for the files of a folder are many."""
    return Path(os.path.realpath(folder))


def fitting(stem: str, end: str) -> str:
    """The name `stem` + `end` of a file, its stem cut at what file systems take.

    Args:
        stem: As much of it as fits is kept.
        end: Kept whole, such as `_2.png`.

    Returns:
        A name of at most LONGEST bytes.
    """
    while len(os.fsencode(stem + end)) > LONGEST:
        stem = stem[:-1]
    return stem + end


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to; it takes the place of `path` at the end, and is
    removed if anything fails.
    """
    name = os.fsencode(path.name)
    short = path.name if len(name) < LONGEST - 30 else hashlib.sha256(name).hexdigest()
    partial = path.with_name(f".{short}.{os.getpid()}.part")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
