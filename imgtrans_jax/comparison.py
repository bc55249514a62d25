"""Several runs side by side on one page: the same inputs, one column a run, their scores above."""

from __future__ import annotations

import dataclasses
import html
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imgtrans_jax import evaluation, images, results, trust
from imgtrans_jax.files import make_folder, refuse_existing, whole
from imgtrans_jax.generators import load_generator
from imgtrans_jax.translation import compiled, translate
from imgtrans_jax.types import Direction, UserError


@dataclasses.dataclass(frozen=True)
class Column:
    """One run, or the inputs. scores, errors: of its newest evaluation in this direction, or {}.
    about: how far it was trained, and what was scored; '' for what is no run.
    """

    name: str
    pictures: list[np.ndarray]
    scores: Mapping[str, float]
    about: str = ""
    errors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    basis: Any = None  # what must agree for scores to compare


def compare(
    runs: Sequence[Path],
    inputs: Path | None,
    out: Path,
    direction: Direction = "a2b",
    count: int = 12,
    size: int | None = None,
    overwrite: bool = False,
    trust_code: bool = False,
    trust_paths: bool = False,
) -> str:
    """Writes the page, one file, and says what is on it.

    inputs: a picture or a folder; None for test pictures of the first run, with the truth where
    there is one. count: how many. size: as for `translate`. trust_code, trust_paths: whether to run
    the code, and open the folders, that runs name. Raises UserError if a run or the inputs cannot
    be used, or if `out` is there and may not be overwritten.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out={out} is no page: --out={out.with_suffix('.html')}.")
    refuse_existing(out, overwrite=overwrite)
    if count < 1:
        raise UserError(f"--count={count} pictures are none; give 1 or more.")
    names = _names(runs)
    make_folder(out.resolve().parent, "--out")
    if inputs:
        columns = _from_files(runs, names, inputs, direction, count, size, trust_code, out)
    else:
        columns = _from_tests(runs, names, direction, count, trust_code, trust_paths or trust_code)
    with whole(out) as partial:
        partial.write_text(_page(columns, direction), encoding="utf-8", errors="backslashreplace")
    without = [c.name for c in columns if c.about and not c.scores]
    hint = (
        f" No scores of {', '.join(without)}: python -m imgtrans_jax.evaluate --run=RUN makes them."
        if without
        else ""
    )
    return (
        f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB), {len(columns[0].pictures)} inputs "
        f"and {len(runs)} runs.{hint}"
    )


def page_beside(runs: Sequence[Path]) -> Path:
    """Where the page of some runs goes unless another place is named: beside the first of them."""
    return runs[0].resolve().parent / "comparison.html"


def _names(runs: Sequence[Path]) -> list[str]:
    short = [run.resolve().name for run in runs]
    return [
        str(run) if short.count(name) > 1 else name for run, name in zip(runs, short, strict=True)
    ]


def _column(
    run: Path, name: str, pictures: list[np.ndarray], step: int | None, direction: str
) -> Column:
    record = evaluation.kept(run).get(direction)
    at = f"step {step}" if step is not None else "a file"
    if not record:
        return Column(name, pictures, {}, f"{at}; no scores")
    features, counts = record["protocol"]["features"], record["counts"]
    of = f"scores of step {record['step']}" if record["step"] != step else "scores"
    at += f"; {of}: {counts.get('fakes', 0):.0f} results, {counts.get('reals', 0):.0f} real"
    at += f", {features.get('network')}" if features else ""
    scores = {k: v for k, v in record["scores"].items() if "/" not in k}
    return Column(
        name,
        pictures,
        scores,
        at,
        record["errors"],
        [counts, features, record["protocol"]["pictures"].get("reals")],
    )


def _from_tests(
    runs: Sequence[Path],
    names: Sequence[str],
    direction: Direction,
    count: int,
    trust_code: bool,
    trust_paths: bool,
) -> list[Column]:
    given, wanted = ("a", "b") if direction == "a2b" else ("b", "a")
    columns: list[Column] = []
    inputs: Any = None
    for run, name in zip(runs, names, strict=True):
        loaded = load_generator(run, trust_code)
        data = loaded.experiment.data
        if not columns:
            opened = trust.opened(loaded.experiment, trust_paths, instead="give --input=FOLDER")
            batch = opened.samples(count)
            if given not in batch:
                raise UserError(
                    f"{run} makes pictures from nothing: there are no inputs to compare."
                )
            inputs = batch[given]
            columns.append(Column("input", _shown(inputs), {}))
            if len(opened.streams) == 1 and wanted in batch:
                columns.append(Column("truth", _shown(data.shown(inputs, batch[wanted])), {}))
        translation = compiled(loaded, direction)
        taken = loaded.batch.get(given, [inputs.shape[-1]])[-1]
        if taken != inputs.shape[-1]:
            raise UserError(
                f"{run} takes {taken} channels and {runs[0]} takes {inputs.shape[-1]}: give "
                "--input=FOLDER."
            )
        made = [translation.padded(one[None]) for one in inputs]
        pictures = [
            data.shown(x[None], y) if x.shape[0] == y.shape[1] else y
            for x, y in zip(inputs, made, strict=True)
        ]
        columns.append(_column(run, name, _shown(np.concatenate(pictures)), loaded.step, direction))
    return columns


def _from_files(
    runs: Sequence[Path],
    names: Sequence[str],
    inputs: Path,
    direction: Direction,
    count: int,
    size: int | None,
    trust_code: bool,
    out: Path,
) -> list[Column]:
    paths, sources = (
        _readable(inputs, count, out)
        if inputs.is_dir()
        else ([inputs], [images.read_picture(inputs)])
    )
    columns = [
        Column("input", [p if p.dtype == np.uint8 else images.from_unit(p) for p in sources], {})
    ]
    with tempfile.TemporaryDirectory() as folder:
        chosen = Path(folder) / "inputs"
        chosen.mkdir()
        for number, path in enumerate(paths):
            shutil.copy(path, chosen / f"{number:06d}{path.suffix}")
        for number, (run, name) in enumerate(zip(runs, names, strict=True)):
            print(f"{name}: {len(paths)} pictures …", flush=True)
            written = translate(
                run, chosen, Path(folder) / str(number), direction, size, trust_code
            )
            step = load_generator(run, trust_code).step
            columns.append(
                _column(run, name, list(map(images.read_picture, written)), step, direction)
            )
    return columns


def _readable(folder: Path, count: int, out: Path) -> tuple[list[Path], list[np.ndarray]]:
    """The first pictures of a folder that can be read, and what was read. Raises UserError if there
    is none."""
    found: dict[Path, np.ndarray] = {}
    for path in results.inputs_of(folder, out):
        if len(found) == count:
            break
        try:
            found[path] = images.read_picture(path)
        except UserError as error:
            print(f"Left out: {error}")
    if not found:
        raise UserError(f"No picture of {folder} can be read; choose another --input.")
    return list(found), list(found.values())


def _shown(signed: np.ndarray) -> list[np.ndarray]:
    if signed.ndim != 4 or signed.shape[-1] not in (1, 3):
        raise UserError("Only runs that change grey or RGB pictures into such can be compared.")
    return list(images.to_bytes(signed))


def _page(columns: Sequence[Column], direction: str) -> str:
    metrics = list(dict.fromkeys(name for column in columns for name in column.scores))
    head = "".join(
        f"<th>{html.escape(c.name)}<small>{html.escape(c.about)}</small>" for c in columns
    )
    rows = []
    for metric in metrics:
        values = [c.scores.get(metric) for c in columns]
        known = [v for v in values if v is not None]
        alike = all(c.basis == columns[-1].basis for c in columns if metric in c.scores)
        best = max(known) if metric in evaluation.HIGHER_IS_BETTER else min(known)
        cells = []
        for column, value in list(zip(columns, values, strict=True))[1:]:
            error = f" ± {column.errors[metric]:.2g}" if metric in column.errors else ""
            cells.append(
                "<td>"
                if value is None
                else f"<td>{_number(value, value == best and len(known) > 1 and alike)}{error}"
            )
        better = "higher is better" if metric in evaluation.HIGHER_IS_BETTER else "lower is better"
        meaning = html.escape(evaluation.MEANING.get(metric, ""))
        rows.append(
            "<tr class='score'><th "
            f"title='{meaning}'>{html.escape(metric)}<small>{better}</small>{''.join(cells)}"
        )
    for pictures in zip(*(column.pictures for column in columns), strict=True):
        rows.append(
            "<tr>" + "".join(f"<td><img src='{images.embedded(p)}' alt=''>" for p in pictures)
        )
    note = (
        "Each run's newest evaluation, with standard errors; the best is bold where counts, "
        "features and real pictures agree."
    )
    note = (
        note if metrics else "No scores yet: python -m imgtrans_jax.evaluate --run=RUN makes them."
    )
    title = html.escape(" · ".join(column.name for column in columns if column.about))
    return _PAGE.format(
        title=title, direction=_WAYS[direction], note=note, head=head, rows="\n".join(rows)
    )


def _number(value: float, best: bool) -> str:
    return f"<b>{value:.4g}</b>" if best else f"{value:.4g}"


_WAYS = {"a2b": "From the first domain to the second", "b2a": "From the second domain to the first"}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><meta name="viewport" content="width=device-width"><style>
body{{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#222}}h1{{font-weight:600}}table{{border-collapse:collapse}}
th,td{{padding:4px 6px;text-align:center;vertical-align:middle}}thead th{{position:sticky;top:0;background:#fff}}
small{{display:block;color:#666;font-weight:400}}img{{display:block;width:min(256px,22vw);border:1px solid #eee}}
.score th{{text-align:right;font-weight:400;color:#666}}
</style></head><body><h1>{title}</h1><p>{direction}. {note}</p>
<table><thead><tr>{head}</thead>
{rows}
</table></body></html>
"""
