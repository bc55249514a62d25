"""Where prepared data are kept, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imgtrans_jax.types import UserError


def cache_folder() -> Path:
    """Where prepared data are kept: $IMGTRANS_CACHE, or imgtrans_jax in the user's cache folder."""
    chosen = os.environ.get("IMGTRANS_CACHE")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "imgtrans_jax"


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


def refuse_existing(*paths: Path, overwrite: bool) -> None:
    """Raises UserError if one of the files is there already and is not to be overwritten; call it before any work."""
    for path in filter(os.path.lexists, paths):
        if path.is_dir():
            raise UserError(f"{path} is a folder, and a file of that name is to be written; choose another name.")
        if not overwrite:
            raise UserError(f"{path} is there already; add --overwrite, or choose another name.")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to; it takes the place of `path` at the end, and is removed if anything fails."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
