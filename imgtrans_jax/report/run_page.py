"""What a run shows: metrics as JSON lines and TensorBoard files, and a page that opens from disk."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import summary

from imgtrans_jax.io import json_files
from imgtrans_jax.io.files import whole
from imgtrans_jax.io.images import grid, to_uint8, write_picture
from imgtrans_jax.report.curves import curves_svg
from imgtrans_jax.report.tensorboard import EventWriter

REFRESH_SECONDS = 15


class Report:
    """The files of one run in `folder`: metrics.jsonl, events.out.tfevents.*, samples/*.png and
    index.html.

    config: its stored JSON form. versions: name -> version, shown on the page. notes: what the loss
    terms mean. After a resume at `step`, what was logged later than it is dropped.
    """

    def __init__(
        self, folder: Path, config: Any, versions: Mapping[str, str], step: int, notes: str = ""
    ) -> None:
        self.folder, self.config, self.versions, self.notes = folder, config, versions, notes
        (folder / "samples").mkdir(parents=True, exist_ok=True)
        self.rows = [row for row in read_metrics(folder) if row["step"] <= step]
        _write_text(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in self.rows))
        for made, _, picture in _sheets(folder):
            if made > step:
                picture.unlink()
        self.events = EventWriter(folder, step + 1)
        self.whole = True  # whether metrics.jsonl has all rows

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Records scalars by name at a step."""
        row = {"step": step, **values}
        self.rows.append(row)
        before, self.whole = self.whole, False
        if before:
            with (self.folder / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
        else:  # the last time the disk was full
            _write_text(
                self.folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in self.rows)
            )
        self.whole = True
        for name, value in values.items():
            self.events.add(step, summary.scalar(name, value))

    def samples(self, step: int, sheets: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Writes each sheet: columns of images (N, H, W, C) in [-1, 1] by their names, smaller ones
        enlarged.
        """
        for name, columns in sheets.items():
            sheet = grid(
                list(
                    zip(
                        *_of_one_size([to_uint8(_three_channels(x)) for x in columns.values()]),
                        strict=True,
                    )
                )
            )
            write_picture(
                self.folder / "samples" / f"{step:07d}_{name.replace(' ', '-')}.png", sheet
            )
            self.events.add(step, summary.image(name.replace(" ", "_"), sheet, dataformats="HWC"))
        _write_text(
            self.folder / _COLUMNS,
            json.dumps({name: list(columns) for name, columns in sheets.items()}),
        )

    def page(self, status: str, running: bool, alarms: Sequence[Alarm] = ()) -> None:
        """Writes index.html, with what a `Watch` has seen. While `running` the page loads itself
        anew every few seconds.
        """
        refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if running else ""
        name = html.escape(self.folder.name)
        seen = "".join(
            f"<li>Since step {alarm.since}: {html.escape(alarm.text)}" for alarm in alarms
        )
        watched = f"<h2>Worth a look</h2><ul class='watch'>{seen}</ul>" if seen else ""
        body = "\n".join((watched, self._samples_html(), self._curves_html(), self._facts_html()))
        _write_text(
            self.folder / "index.html",
            _PAGE.format(
                refresh=refresh, name=name, status=html.escape(status), style=_STYLE, body=body
            ),
        )
        self.events.flush()

    def close(self) -> None:
        self.events.close()

    def _samples_html(self) -> str:
        columns = _read_columns(self.folder / _COLUMNS)
        sheets: dict[str, list[tuple[int, Path]]] = {}
        for step, name, path in _sheets(self.folder):
            sheets.setdefault(name, []).append((step, path))
        parts = []
        for direction, paths in sheets.items():
            shown = paths[-1:-7:-1]
            figures = "".join(_figure(*sheet) for sheet in shown)
            older = "".join(_figure(*sheet) for sheet in paths[:-6])
            more = (
                f"<details><summary>{len(paths) - 6} earlier</summary><div "
                f"class='row'>{older}</div></details>"
                if older
                else ""
            )
            named = (
                f"Columns: {', '.join(map(str, columns[direction]))}. "
                if direction in columns
                else ""
            )
            parts.append(
                f"<h2>{_DIRECTIONS.get(direction, html.escape(direction.capitalize()))}</h2>"
                f"<p>{html.escape(named)}Newest first.</p>"
                f"<div class='row'>{figures}</div>{more}"
            )
        return "".join(parts) or "<p>The first samples come with the first report.</p>"

    def _curves_html(self) -> str:
        names = sorted({name for row in self.rows for name in row if name != "step"})
        groups: dict[str, list[str]] = {}
        for name in names:
            groups.setdefault(_group(name), []).append(name)
        charts = "".join(curves_svg(group, members, self.rows) for group, members in groups.items())
        return (
            f"<h2>Curves</h2><p>{html.escape(self.notes)}</p><div class='row'>{charts}</div>"
            if self.rows
            else ""
        )

    def _facts_html(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(k)}<td>{html.escape(v)}" for k, v in self.versions.items()
        )
        config = html.escape(json.dumps(self.config, indent=1))
        table = f"<h2>Run</h2><table>{rows}</table>"
        return f"{table}<details><summary>Config</summary><pre>{config}</pre></details>"


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl: `step`, and numbers by name. A line that a kill cut short, or that
    is damaged, is passed over, and so is what is no number.
    """
    rows = []
    for row in json_files.lines(folder / "metrics.jsonl"):
        step = json_files.count(row.get("step"))
        if step is not None:
            rows.append(
                {"step": step}
                | {k: v for k, v in row.items() if k != "step" and json_files.number(v) is not None}
            )
    return rows


def _group(name: str) -> str:
    if name.startswith("score/"):
        return name.rsplit("/", 1)[1]  # each metric has a scale of its own
    for start, group in (
        ("watch/", "variety and brightness"),
        ("d_", "critics"),
        ("norm/", "norms"),
        ("rate", "learning rate"),
        ("time/", "time"),
    ):
        if name.startswith(start):
            return group
    return "generators"


def _sheets(folder: Path) -> list[tuple[int, str, Path]]:
    """Step, name and path of the run's own sheets of samples, by their steps; what else lies there
    is let be."""
    names = {name.replace("-", " ") for name in _read_columns(folder / _COLUMNS)}
    found = ((_SHEET.fullmatch(path.name), path) for path in folder.glob("samples/*.png"))
    sheets = ((int(match[1]), match[2].replace("-", " "), path) for match, path in found if match)
    return sorted(sheet for sheet in sheets if sheet[1] in names)


def _figure(step: int, path: Path) -> str:
    source = html.escape(f"samples/{urllib.parse.quote(path.name, errors='surrogateescape')}")
    picture = (
        f'<a href="{source}"><img src="{source}" loading="lazy" alt="samples at step {step}"></a>'
    )
    return f"<figure>{picture}<figcaption>step {step}</figcaption></figure>"


def _read_columns(path: Path) -> dict[str, list[str]]:
    read = json_files.read_or_none(path) or {}
    return {
        name: [str(column) for column in columns]
        for name, columns in read.items()
        if isinstance(columns, list)
    }


def _of_one_size(columns: list[np.ndarray]) -> list[np.ndarray]:
    """Columns (N, H, W, C), of which smaller ones show their pixels enlarged."""
    height = max(x.shape[1] for x in columns)
    return [
        x.repeat(height // x.shape[1], axis=1).repeat(height // x.shape[1], axis=2) for x in columns
    ]


def _three_channels(images: np.ndarray) -> np.ndarray:
    """(N, H, W, C) -> RGB for showing: grey repeated, of two channels the mean, of more the first
    three.
    """
    if images.shape[3] < 3:
        images = images.mean(axis=3, keepdims=True)
    return np.repeat(images, 3, axis=3) if images.shape[3] == 1 else images[..., :3]


def _write_text(path: Path, text: str) -> None:
    with whole(path) as partial:
        # a name may be anything
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


_COLUMNS = "columns.json"
_SHEET = re.compile(r"([0-9]{7,20})_(.+)\.png")
_DIRECTIONS = {"a2b": "a to b", "b2a": "b to a"}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem "
    "auto;max-width:1280px;padding:0 "
    "1rem;color:#222}h1,h2{font-weight:600;margin:1.2em 0 "
    ".3em}.row{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}"
    "figcaption{color:#666;font-size:13px}"
    "img{max-width:100%;min-width:280px;image-rendering:auto;border:1px solid #eee}svg{max-width:100%;font:11px "
    "system-ui,sans-serif;fill:#666}.legend{font-size:12px;max-width:420px}.legend "
    "span{margin-right:.8em;white-space:nowrap}table{border-spacing:1em "
    ".1em;margin-left:-1em}"
    "pre{background:#f6f6f6;padding:1em;overflow:auto}summary{cursor:pointer;color:#666}.status{font-size:17px}"
    ".watch{background:#fff7ed;border-left:4px solid #d97706;padding:.6em 1em "
    ".6em 2em;max-width:60em}"
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>{refresh}
<meta name="viewport" content="width=device-width"><style>{style}</style></head>
<body><h1>{name}</h1><p class="status">{status}</p>
{body}
</body></html>
"""


@dataclasses.dataclass(frozen=True)
class Alarm:
    """Something that was seen. name: what and where; text: one sentence, and what to try; since:
    the first step of it.
    """

    name: str
    text: str
    since: int
