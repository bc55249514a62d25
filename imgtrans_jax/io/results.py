"""Files that are made of pictures: which pictures are worked, what the results are called, and how
they are known again.
"""

from __future__ import annotations

import collections
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from imgtrans_jax.io import images
from imgtrans_jax.io.files import fitting, real_folder
from imgtrans_jax.types import UserError

# bytes at a file's beginning and end, one of which has its mark, in each form that is written
_ENDS = 4096
_HEAD = 2**16  # bytes of a picture that tell it from others


class LeftOutError(UserError):
    """Some pictures could not be read, or their results not written; all others are done."""

    code = 1


def inputs_of(folder: Path, out: Path) -> list[Path]:
    """The pictures of a folder, without results of before, which is said.

    Results are those in `out` (or that file), and those that were made of another picture of the
    folder.

    Args:
        folder: Of the pictures, with its subfolders.
        out: The folder, or the file, that results go to.

    Returns:
        The pictures, in natural order.

    Raises:
        UserError: If there is none.
    """
    found = images.list_pictures(folder)
    place = real_folder(out.parent) / out.name
    place = real_folder(out) if out.is_dir() else place
    around = real_folder(folder).is_relative_to(place)  # then results are not among the inputs
    beside = [
        path
        for path in found
        if around or not (real_folder(path.parent) / path.name).is_relative_to(place)
    ]
    inputs = _without_results(beside)
    results = sorted({*found} - {*inputs})
    if results:
        more = " …" if len(results) > 1 else ""
        print(
            f"{len(results)} of {len(found)} pictures in {folder} are results "
            f"({results[0]}{more}) and left out.",
            flush=True,
        )
    if not inputs:
        raise UserError(f"All pictures in {folder} are results in {out}; choose another `out`.")
    return inputs


def mark(source: Path) -> str:
    """What a result says of the picture that it was made of, without its name: a text for
    `write_picture`. Empty for one that is no longer there.
    """
    try:
        with source.open("rb") as file:
            head, size = file.read(_HEAD), source.stat().st_size
    except OSError:
        return ""
    return f"imgtrans_jax, made of {hashlib.sha256(head + str(size).encode()).hexdigest()[:32]}"


def is_one(path: Path) -> bool:
    """Whether a picture says that it was made of another."""
    return bool(_mark_in(path))


def _without_results(paths: Sequence[Path]) -> list[Path]:
    """Those that were not made of one of the others; a folder of results alone is a folder of
    pictures.
    """
    made_of = {path: found for path in paths if (found := _mark_in(path))}
    there = {mark(path) for path in paths} if made_of else set()
    return [path for path in paths if made_of.get(path, "-") not in there]


def _mark_in(path: Path) -> str:
    try:
        with path.open("rb") as file:
            ends = file.read(_ENDS)
            file.seek(max(0, path.stat().st_size - _ENDS))
            ends += file.read(_ENDS)
    except OSError:
        return ""
    found = re.search(rb"imgtrans_jax, made of [0-9a-f]{32}", ends)
    return found[0].decode() if found else ""


def named(sources: Sequence[Path], root: Path, out: Path, suffixes: Sequence[str]) -> list[Path]:
    """For each source a file to write; none has another's name, whatever the case of its letters,
    and no name is longer than file systems take.

    Two inputs that differ in their suffix alone keep it in the result's name, which may be a third
    one's.

    Args:
        sources: Files below `root`.
        root: The folder of the sources.
        out: The folder of the results, which keep the sources' subfolders.
        suffixes: That of each result, such as `.png`.

    Returns:
        A path below `out` for each source.

    Raises:
        ValueError: If there are not as many suffixes as sources.
    """
    relative = [path.relative_to(root) for path in sources]
    counts = collections.Counter(
        _key(path.with_suffix(suffix)) for path, suffix in zip(relative, suffixes, strict=True)
    )
    taken: set[str] = set()
    found = []
    for path, suffix in zip(relative, suffixes, strict=True):
        twice = counts[_key(path.with_suffix(suffix))] > 1
        stem, number = path.name if twice else path.stem, 1
        name = path.with_name(fitting(stem, suffix))
        while _key(name) in taken or (twice and _key(name) in counts):
            number += 1
            name = path.with_name(fitting(stem, f"_{number}{suffix}"))
        taken.add(_key(name))
        found.append(out / name)
    return found


def _key(path: Path) -> str:
    return str(path).casefold()


def described(path: Path, error: Exception) -> str:
    """A line about a picture that is left out.

    Args:
        path: The file that would have been written.
        error: A UserError names the picture itself; an OSError is met while its result is written.

    Returns:
        One sentence.
    """
    if isinstance(error, OSError):
        return f"{path} could not be written ({error.strerror or error})."
    return str(error)


def staying(there: int, count: int, out: Path) -> str:
    """What is said of results that are there already and stay.

    Args:
        there: How many are there.
        count: How many there are to be in all.
        out: Where they are.

    Returns:
        One sentence.
    """
    return (
        f"{there} of {count} results are in {out} already and stay, whatever they were made "
        "with; --overwrite makes them anew."
    )


def stopped(done: int, count: int, overwrite: bool) -> str:
    """What is said when a signal ended the work.

    Args:
        done: How many results are done.
        count: How many there are to be in all.
        overwrite: Was set, so that the same command would begin anew.

    Returns:
        One sentence, with what goes on from there.
    """
    again = "the same command without --overwrite" if overwrite else "the same command"
    return f"Stopped: {done} of {count} are done; {again} goes on with the others."


def conclude(written: int, refused: Sequence[str], out: Path) -> None:
    """Says at the end which pictures were left out.

    Args:
        written: How many results were written.
        refused: What is to be said of each picture that was left out.
        out: Where the results are.

    Raises:
        LeftOutError: If any were refused.
    """
    if refused:
        raise LeftOutError(
            f"{written} of {written + len(refused)} pictures were written to {out}. Left out:\n"
            + "\n".join(refused)
        )
