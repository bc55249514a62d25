"""Where prepared data are kept, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from imgtrans_jax.types import UserError


def cache_folder() -> Path:
    """Where prepared data are kept: $IMGTRANS_CACHE, or imgtrans_jax in the user's cache folder."""
    chosen = os.environ.get("IMGTRANS_CACHE")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "imgtrans_jax"


def make_folder(folder: Path, flag: str) -> None:
    """Makes a folder that a flag names. Raises UserError if that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be made ({error.strerror}); choose another {flag}.") from None


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to; it takes the place of `path` at the end, and is removed if anything fails."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
