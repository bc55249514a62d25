"""Pairs of a real picture and a result, one second each: the page, and the statistics of its
answers.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imgtrans_jax.io import images, json_files
from imgtrans_jax.io.files import make_folder, refuse_existing, whole
from imgtrans_jax.report.study_page import study_page
from imgtrans_jax.types import UserError

FORMAT = "imgtrans_jax study 1"
MOST = 60
"""Pictures of each folder that a page holds at most: more than the 50 of a session, spread over the
folder.
"""

BOOTSTRAPS = 10_000

Session = Mapping[str, Any]
"""The answers of one participant: `study`, `participant`, and `trials` of {method, real, fake,
chosen, fooled, scored, ms}.
"""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a session is like.

    Attributes:
        size: Pixels of the longer side.
        seconds: For which a pair is shown.
        practice: Trials before those that count.
        scored: Trials that count.
        mixed: All methods in one session.
    """

    size: int = 256
    seconds: float = 1.0
    practice: int = 10
    scored: int = 40
    mixed: bool = False


def make(real: Path, fakes: Sequence[Path], out: Path, plan: Plan, overwrite: bool = False) -> str:
    """Writes the page of a study, one file.

    Args:
        real: The folder of real pictures.
        fakes: Folders of results, one for each method, of different names.
        out: The page, an .html file.
        plan: What a session is like.
        overwrite: Replaces a page that is there.

    Returns:
        What to do with it.

    Raises:
        UserError: For folders that cannot be used, or if the file is no page, or is there already
            and is not to be overwritten.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"`out={out}` is no page: `out={out.with_suffix('.html')}`.")
    refuse_existing(out, overwrite=overwrite)
    names = [folder.resolve().name for folder in fakes]
    if len(set(names)) < len(names):
        raise UserError(
            "The folders of `fake` must have different names, for these are the methods': "
            f"{', '.join(names)}."
        )
    notes: list[str] = []
    sets = [_read(folder, notes) for folder in (real, *fakes)]
    if len({round(p.shape[1] / p.shape[0], 2) for pictures in sets for p in pictures.values()}) > 1:
        notes.append(
            "The pictures have different shapes, which would tell them apart: all are cut to "
            "their central square."
        )
        sets = [{name: _square(p) for name, p in pictures.items()} for pictures in sets]
    for folder, pictures in zip((real, *fakes), sets, strict=True):
        if len(pictures) < plan.practice + plan.scored:
            notes.append(
                f"{folder} has {len(pictures)} pictures for {plan.practice + plan.scored} trials: "
                "some come again."
            )
    via = _detail(sets, plan.size, notes)
    embedded = [
        [{"name": n, "src": _embedded(p, via, plan.size)} for n, p in pictures.items()]
        for pictures in sets
    ]
    data = {
        "format": FORMAT,
        "study": secrets.token_hex(4),
        "seconds": plan.seconds,
        "practice": plan.practice,
        "scored": plan.scored,
        "mixed": plan.mixed,
        "size": plan.size,
        "real": embedded[0],
        "methods": [{"name": n, "pictures": p} for n, p in zip(names, embedded[1:], strict=True)],
    }
    make_folder(out.resolve().parent, "`out`")
    text = study_page(f"{plan.practice + plan.scored} pairs of pictures", data)
    with whole(out) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    minutes = round((plan.practice + plan.scored) * (plan.seconds + 3) / 60)
    notes.append(
        f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB): open it in a browser, or send it to "
        f"participants; it takes about {max(1, minutes)} min, needs no network, and offers the "
        "answers as a file at its end. Then: imgtrans study "
        "--results=FOLDER_OF_ANSWERS"
    )
    return "\n".join(notes)


def _read(folder: Path, notes: list[str]) -> dict[str, np.ndarray]:
    paths = images.list_pictures(folder)
    spread = np.unique(np.linspace(0, len(paths) - 1, min(MOST, len(paths))).round().astype(int))
    found = {}
    for path in (paths[i] for i in spread):
        try:
            found[str(path.relative_to(folder))] = images.read_picture(path)
        except UserError as error:
            notes.append(f"Left out: {error}")
    if len(found) < 2:
        raise UserError(
            f"{folder} has {len(found)} pictures that can be used; a study needs 2 or more."
        )
    return found


def _detail(sets: Sequence[Mapping[str, np.ndarray]], size: int, notes: list[str]) -> int:
    """The pixels of the longer side that the smallest set has: what all are brought to first."""
    detail = [int(np.median([max(p.shape[:2]) for p in pictures.values()])) for pictures in sets]
    if min(detail) < size and max(detail) > 1.1 * min(detail):
        notes.append(
            f"Some pictures have {min(detail)} pixels and others {max(detail)}: all are shown "
            f"with {min(detail)}'s detail."
        )
    return min(size, *detail)


def _square(picture: np.ndarray) -> np.ndarray:
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def _embedded(picture: np.ndarray, via: int, size: int) -> str:
    """At `size` pixels of the longer side with the detail of `via`, and always a PNG, so that
    neither sharpness nor the form of the file tells pictures apart.
    """
    for longer in (via, size):
        height, width = (
            max(1, round(side * longer / max(picture.shape[:2]))) for side in picture.shape[:2]
        )
        picture = images.resize(picture, height, width)
    return images.data_uri(picture)


# ------------------------------------------------------------------------------------------ answers


def read_sessions(paths: Sequence[Path]) -> tuple[list[Session], list[str]]:
    """The sessions of files, or of all .json files of folders. Of one participant the first counts.

    Returns:
        The sessions, and what is wrong with the others.

    Raises:
        UserError: If none is left.
    """
    files = [
        file
        for path in paths
        for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]
    sessions: dict[str, Session] = {}
    refused = []
    for file in files:
        try:
            session = json_files.read(file)
            answers = [(t["method"], t["fooled"], t["scored"]) for t in session["trials"]]
            sound = all(
                isinstance(m, str) and isinstance(f, bool) and isinstance(s, bool)
                for m, f, s in answers
            )
            if (
                session["format"] != FORMAT
                or not isinstance(session["participant"], str)
                or not sound
            ):
                raise ValueError
            before = sessions.setdefault(session["participant"], session)
            if before is not session:
                same = (
                    "the same answers again"
                    if before == session
                    else f"other answers of {session['participant']}"
                )
                refused.append(f"{file} has {same}, of whom those of the first file count.")
            elif not any(scored for *_, scored in answers):
                refused.append(f"{file} has no scored answers, only practice.")
                del sessions[session["participant"]]
        except OSError as error:
            refused.append(f"{file} cannot be read ({error.strerror}).")
        except (ValueError, KeyError, TypeError):
            refused.append(f"{file} is no file of answers that the page of a study wrote.")
    if not sessions:
        raise UserError(
            f"There are no answers in {', '.join(map(str, paths))}. " + " ".join(refused)
        )
    return list(sessions.values()), refused


def share_fooled(
    sessions: Sequence[Session], seed: int = 0
) -> dict[str, tuple[float, float, float, int, int]]:
    """How often results were taken for real.

    The interval is of the percentile bootstrap (Efron 1979): participants are drawn with
    replacement, and then the answers of each, since the answers of one person are alike; with one
    participant that is the answers alone.

    Args:
        sessions: Of all participants.
        seed: Of the bootstrap.

    Returns:
        By method: the share of scored answers that took the result for real, the two ends of its 95
        % interval, answers, participants.
    """
    rng = np.random.default_rng(seed)
    by: dict[str, list[np.ndarray]] = {}
    for session in sessions:
        methods: dict[str, list[float]] = {}
        for trial in session["trials"]:
            if trial["scored"]:
                methods.setdefault(str(trial["method"]), []).append(float(bool(trial["fooled"])))
        for method, answers in methods.items():
            by.setdefault(method, []).append(np.array(answers))
    found = {}
    for method, people in sorted(by.items()):
        counts, shares = np.array([len(p) for p in people]), np.array([p.mean() for p in people])
        drawn = rng.integers(0, len(people), (BOOTSTRAPS, len(people)))
        fooled = rng.binomial(counts[drawn], shares[drawn]).sum(1) / counts[drawn].sum(1)
        low, high = np.percentile(fooled, [2.5, 97.5])
        share = float(np.concatenate(people).mean())
        found[method] = (share, float(low), float(high), int(counts.sum()), len(people))
    return found


def summary(sessions: Sequence[Session]) -> str:
    """A table for the console."""
    lines = [f"{'method':24}{'fooled':>8}   {'95 % interval':18}{'answers':>8}{'people':>8}"]
    for method, (share, low, high, answers, people) in share_fooled(sessions).items():
        interval = f"{low:.1%} to {high:.1%}"
        lines.append(f"{method:24}{share:8.1%}   {interval:18}{answers:8}{people:8}")
    studies = {str(session.get("study")) for session in sessions}
    lines.append("50 % is chance: results that nobody can tell from real pictures.")
    if len(sessions) == 1:
        lines.append(
            "With one participant the interval is that of this person's answers, and says "
            "nothing of other people."
        )
    if len(studies) > 1:
        lines.append(
            f"These answers are of {len(studies)} different pages ({', '.join(sorted(studies))})."
        )
    return "\n".join(lines)
