"""Records of evaluations in files: written, read within bounds, shown as lines. Imports io and
metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imgtrans_jax.io import json_files
from imgtrans_jax.io.files import make_folder, refuse_existing
from imgtrans_jax.metrics import registry
from imgtrans_jax.metrics.base import SetMetric

FILE = "evaluations.jsonl"
"""In the folder of a run, or of the pictures: one JSON object for each evaluation, the newest
last.
"""


# ------------------------------------------------------------------------------------------ records


def append_records(records: Sequence[Mapping[str, Any]], file: Path, anew: bool = False) -> None:
    """Writes records to a file.

    Args:
        records: One for each direction.
        file: JSON lines.
        anew: Makes the file anew, instead of appending to it.

    Raises:
        OSError: If nothing can be written.
    """
    with file.open("w" if anew else "a") as opened:
        opened.writelines(json.dumps(record) + "\n" for record in records)


def check_table(file: Path, overwrite: bool) -> None:
    """Sees that records can be added to a file, whose folder is made.

    Args:
        file: JSON lines; it need not be there.
        overwrite: A file of anything else may be replaced.

    Raises:
        UserError: For a file of anything else, unless it may be overwritten, and where nothing can
            be written.
    """
    make_folder(file.parent, "`out`")
    try:
        with file.open() as opened:
            first = json.loads(opened.readline(2**20) or '{"scores": {}}')
    except FileNotFoundError:
        return
    except ValueError:
        first = None
    if not (isinstance(first, dict) and "scores" in first):
        refuse_existing(file, overwrite=overwrite)


def latest_records(folder: Path) -> dict[str, dict[str, Any]]:
    """The newest record of each direction that a folder keeps: `step`, and, by name, `scores`,
    `errors` and `counts`, which are numbers, and `protocol` with `features` and `pictures`. Lines
    that are cut short, and values of other kinds, are passed over.
    """
    found: dict[str, dict[str, Any]] = {}
    for record in json_files.lines(folder / FILE):
        kept = {
            name: json_files.numbers(record.get(name)) for name in ("scores", "errors", "counts")
        }
        protocol = record["protocol"] if isinstance(record.get("protocol"), dict) else {}
        parts = {
            name: protocol[name] if isinstance(protocol.get(name), dict) else {}
            for name in ("features", "pictures")
        }
        if isinstance(record.get("what"), str):
            step = json_files.count(record.get("step"))
            found[record["what"]] = record | kept | {"step": step, "protocol": protocol | parts}
    return found


def table(record: Mapping[str, Any]) -> str:
    """A record as lines for the console."""
    counts = record["counts"]
    step = f", step {record['step']}" if record.get("step") is not None else ""
    lines = [
        f"{record['source']}  {record['what']}{step}  ({counts['fakes']} results, "
        f"{counts['reals']} real pictures)"
    ]
    meanings = registry.summaries()
    for name, value in record["scores"].items():
        if name.startswith("iou/"):
            continue
        error = f" ± {record['errors'][name]:.4f}" if name in record["errors"] else ""
        lines.append(
            f"  {name:20}{value:10.4f}{error:10}  {meanings.get(name.removeprefix('real/'), '')}"
        )
    if str(record["protocol"].get("split", "")).startswith("training"):
        lines.append(
            "  These are training pictures, for there are no others: scores of held-out ones "
            "would be worse."
        )
    if record["errors"]:
        lines.append("  ± is the standard error.")
    resized = record["protocol"].get("resized to their partner")
    if resized:
        lines.append(
            f"  {resized} results had another size than their partner and were resized to it."
        )
    features = record["protocol"].get("features")
    of_sets = [metric.name for metric in registry.of_kind(SetMetric)]
    if features and set(of_sets) & set(record["scores"]):
        lines.append(
            f"  {' and '.join(of_sets)} in features of {features['network']} ({features['layer']}; "
            f"{features['resize']})"
        )
        few = min(counts.values())
        if few < 4 * int(features["layer"].split()[-1]) and "fid" in record["scores"]:
            lines.append(
                f"  {few} pictures are few for a FID: it is far above what thousands would give."
            )
    return "\n".join(lines)
