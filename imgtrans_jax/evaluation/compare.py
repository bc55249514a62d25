"""Several runs side by side on one page: the same inputs, one column a run, their scores above."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imgtrans_jax.config import trust
from imgtrans_jax.evaluation import records
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.translate import translate
from imgtrans_jax.inference.translator import Translation
from imgtrans_jax.io import images, results
from imgtrans_jax.io.files import make_folder, refuse_existing, whole
from imgtrans_jax.metrics import registry
from imgtrans_jax.report.comparison_page import Column, comparison_page
from imgtrans_jax.types import Direction, UserError


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
    """Writes the page of several runs side by side, one file.

    Args:
        runs: Folders of runs, or files of generators.
        inputs: A picture or a folder; None for test pictures of the first run, with the truth where
            there is one.
        out: The page, an .html file.
        direction: Of the translation.
        count: How many inputs, 1 or more.
        size: As for `translate`.
        overwrite: Replaces a page that is there.
        trust_code: Runs the code that runs name.
        trust_paths: Opens the folders that runs name; so does `trust_code`.

    Returns:
        What is on the page, for the console.

    Raises:
        UserError: If a run or the inputs cannot be used, or if `out` is no page, or is there and
            may not be overwritten.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"`out={out}` is no page: `out={out.with_suffix('.html')}`.")
    refuse_existing(out, overwrite=overwrite)
    if count < 1:
        raise UserError(f"`count={count}` pictures are none; give 1 or more.")
    names = _names(runs)
    make_folder(out.resolve().parent, "`out`")
    if inputs:
        columns = _from_files(runs, names, inputs, direction, count, size, trust_code, out)
    else:
        columns = _from_tests(runs, names, direction, count, trust_code, trust_paths or trust_code)
    with whole(out) as partial:
        partial.write_text(
            comparison_page(columns, direction, registry.known()),
            encoding="utf-8",
            errors="backslashreplace",
        )
    without = [c.name for c in columns if c.about and not c.scores]
    hint = (
        f" No scores of {', '.join(without)}: imgtrans evaluate RUN makes them." if without else ""
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
    record = records.latest_records(run).get(direction)
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
            opened = trust.opened(loaded.experiment, trust_paths, instead="give `input=FOLDER`")
            batch = opened.samples(count)
            if given not in batch:
                raise UserError(
                    f"{run} makes pictures from nothing: there are no inputs to compare."
                )
            inputs = batch[given]
            columns.append(Column("input", _shown(inputs), {}))
            if len(opened.streams) == 1 and wanted in batch:
                columns.append(
                    Column("truth", _shown(data.decode_output(inputs, batch[wanted])), {})
                )
        translation = Translation(loaded, direction)
        taken = loaded.batch.get(given, [inputs.shape[-1]])[-1]
        if taken != inputs.shape[-1]:
            raise UserError(
                f"{run} takes {taken} channels and {runs[0]} takes {inputs.shape[-1]}: give "
                "`input=FOLDER`."
            )
        made = [translation.padded(one[None]) for one in inputs]
        pictures = [
            data.decode_output(x[None], y) if x.shape[0] == y.shape[1] else y
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
        Column(
            "input", [p if p.dtype == np.uint8 else images.unit_to_uint8(p) for p in sources], {}
        )
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
        raise UserError(f"No picture of {folder} can be read; choose another `input`.")
    return list(found), list(found.values())


def _shown(signed: np.ndarray) -> list[np.ndarray]:
    if signed.ndim != 4 or signed.shape[-1] not in (1, 3):
        raise UserError("Only runs that change grey or RGB pictures into such can be compared.")
    return list(images.to_uint8(signed))
