"""Where prepared data are kept, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from imgtrans_jax.types import UserError


def cache_folder() -> Path:
    """Where prepared data are kept: $IMGTRANS_CACHE, or imgtrans_jax in the user's cache folder."""
    chosen = os.environ.get("IMGTRANS_CACHE")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "imgtrans_jax"


def check_fetched(name: str, digest: str) -> None:
    """Compares the SHA-256 of what was fetched, for which no published one is known, with that of the first time, which is kept
    in the cache folder and said. Raises UserError if it is another."""
    file = cache_folder() / "fetched.txt"
    with contextlib.suppress(OSError, ValueError):
        before = dict(line.split("  ", 1)[::-1] for line in file.read_text(encoding="utf-8").splitlines())
        if before.get(name, digest) != digest:
            raise UserError(
                f"What was fetched as {name} is not what it was the first time (SHA-256 {digest}, then {before[name]}), and is "
                f"not used; if that is right, remove its line from {file}."
            )
        if name in before:
            return
    print(
        f"No published checksum of {name} is known here: it was compared with none. Its SHA-256 is {digest}, which is kept in "
        f"{file}; another file under this name will be refused.",
        flush=True,
    )
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as opened:
            opened.write(f"{digest}  {name}\n")


def make_folder(folder: Path, flag: str) -> None:
    """Makes a folder that a flag names, and sees that something can be written to it. Raises UserError if not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "there is a file of that name" if folder.is_file() else error.strerror
        raise UserError(f"The folder {folder} cannot be made ({why}); choose another {flag}.") from None
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"Nothing can be written to {folder} ({error.strerror}); choose another {flag}.") from None


def result_names(inputs: Sequence[Path], suffixes: Sequence[str]) -> list[Path]:
    """A name for the result of each input, with the suffix of its place, and no name twice: of
    inputs that differ in their suffix alone the results keep it before their own."""
    plain = [path.with_suffix(suffix) for path, suffix in zip(inputs, suffixes, strict=True)]
    counts = Counter(plain)
    taken: set[Path] = set()
    names = []
    for path, name, suffix in zip(inputs, plain, suffixes, strict=True):
        own = path.with_name(path.name + suffix) if counts[name] > 1 else name
        while own in taken or (counts[name] > 1 and own in counts):  # it may be a third one's
            own = own.with_name(f"{own.stem}_2{suffix}")
        taken.add(own)
        names.append(own)
    return names


def beside(path: Path, ending: str) -> Path:
    """`path` with another ending of its name, which is cut where a file system would not take it."""
    stem = path.stem
    while len(os.fsencode(stem + ending)) > 255:
        stem = stem[:-1]
    return path.with_name(stem + ending)


def refuse_existing(*paths: Path, overwrite: bool) -> None:
    """Raises UserError if one of the files is there already and is not to be overwritten; call it before any work."""
    for path in filter(os.path.lexists, paths):
        if path.is_dir():
            raise UserError(f"{path} is there already, and is a folder; choose another name.")
        if not overwrite:
            raise UserError(f"{path} is there already; add --overwrite, or choose another name.")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to; it takes the place of `path` at the end, and is removed if anything fails."""
    name = zlib.crc32(os.fsencode(path.name))  # of a length that every file system takes
    partial = path.with_name(f".{name:08x}.{os.getpid()}.part")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
