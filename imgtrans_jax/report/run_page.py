"""What a run shows: metrics as JSON lines and TensorBoard files, and a page that opens from
disk.
"""

from __future__ import annotations

import contextlib
import dataclasses
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
from imgtrans_jax.report.page import Html, joined, markup, page
from imgtrans_jax.report.tensorboard import EventWriter

REFRESH_SECONDS = 15
SHOWN = 6  # sheets of a direction that are not folded
SMALL = 140
"""Pixels of width up to which a sheet is shown with sharp pixels: `style.css` enlarges it to twice
that, and more.
"""


@dataclasses.dataclass(frozen=True)
class Alarm:
    """Something that was seen.

    Attributes:
        name: What and where.
        text: One sentence, and what to try.
        since: The first step of it.
    """

    name: str
    text: str
    since: int


class Report:
    """The files of one run: metrics.jsonl, events.out.tfevents.*, samples/*.png and index.html.

    Args:
        folder: Of the run.
        config: Its stored JSON form.
        versions: name -> version, shown on the page.
        step: Where the training goes on; what was logged later than it is dropped.
        notes: What the loss terms mean.
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
        self.log_is_complete = True  # whether metrics.jsonl has all rows

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Records scalars at a step.

        Args:
            step: From 1.
            values: By name.

        Raises:
            OSError: If nothing can be written; the row is written with the next one.
        """
        row = {"step": step, **values}
        self.rows.append(row)
        before, self.log_is_complete = self.log_is_complete, False
        if before:
            with (self.folder / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
        else:  # the last time the disk was full
            _write_text(
                self.folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in self.rows)
            )
        self.log_is_complete = True
        for name, value in values.items():
            self.events.add(step, summary.scalar(name, value))

    def samples(self, step: int, sheets: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Writes sheets of pictures.

        Args:
            step: From 1.
            sheets: By name, columns of images (N, H, W, C) in [-1, 1] by their names; smaller ones
                are enlarged.

        Raises:
            OSError: If nothing can be written.
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
        """Writes index.html.

        Args:
            status: One sentence.
            running: The page loads itself anew every few seconds.
            alarms: What a `Watch` has seen.

        Raises:
            OSError: If nothing can be written.
        """
        refresh = markup('<meta http-equiv="refresh" content="$seconds">', seconds=REFRESH_SECONDS)
        text = page(
            "run.html",
            title=self.folder.name,
            head=refresh if running else Html(),
            status=status,
            watched=_watched(alarms),
            samples=self._samples_html(),
            curves=self._curves_html(),
            facts=joined([markup(_FACT, name=k, value=v) for k, v in self.versions.items()]),
            config=json.dumps(self.config, indent=1),
        )
        _write_text(self.folder / "index.html", text)
        self.events.flush()

    def close(self) -> None:
        self.events.close()

    def _samples_html(self) -> Html:
        columns = _read_columns(self.folder / _COLUMNS)
        sheets: dict[str, list[tuple[int, Path]]] = {}
        for step, name, path in _sheets(self.folder):
            sheets.setdefault(name, []).append((step, path))
        if not sheets:
            return Html("<p>The first samples come with the first report.</p>")
        return joined(
            [_sheets_html(name, paths, columns.get(name)) for name, paths in sheets.items()]
        )

    def _curves_html(self) -> Html:
        if not self.rows:
            return Html()
        names = sorted({name for row in self.rows for name in row if name != "step"})
        groups: dict[str, list[str]] = {}
        for name in names:
            groups.setdefault(_group(name), []).append(name)
        charts = [curves_svg(group, members, self.rows) for group, members in groups.items()]
        return markup(_CURVES, notes=self.notes, charts=joined(charts))


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


def _watched(alarms: Sequence[Alarm]) -> Html:
    if not alarms:
        return Html()
    seen = [markup(_ALARM, step=alarm.since, text=alarm.text) for alarm in alarms]
    return markup(_WATCH, seen=joined(seen))


def _sheets_html(
    name: str, sheets: Sequence[tuple[int, Path]], columns: Sequence[str] | None
) -> Html:
    """The sheets of one direction, by their steps: the newest first, and the oldest folded."""
    older = [_figure(*sheet) for sheet in sheets[:-SHOWN]]
    return markup(
        _SHEETS,
        title=_DIRECTIONS.get(name, name.capitalize()),
        columns=f"Columns: {', '.join(columns)}. " if columns is not None else "",
        kind="tiny" if _width(sheets[-1][1]) <= SMALL else "",
        newest=joined([_figure(*sheet) for sheet in sheets[: -SHOWN - 1 : -1]]),
        older=markup(_OLDER, count=len(older), sheets=joined(older)) if older else Html(),
    )


def _figure(step: int, path: Path) -> Html:
    source = f"samples/{urllib.parse.quote(path.name, errors='surrogateescape')}"
    return markup(_FIGURE, source=source, step=step)


def _width(picture: Path) -> int:
    """The width that a PNG says it has; 0 if it is none."""
    with contextlib.suppress(OSError), picture.open("rb") as file:
        start = file.read(24)
        if start.startswith(b"\x89PNG"):
            return int.from_bytes(start[16:20], "big")
    return 0


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
_FACT = "<tr><td>$name</td><td>$value</td></tr>"
_ALARM = "<li>Since step $step: $text</li>"
_WATCH = '<section><h2>Worth a look</h2><ul class="watch">$seen</ul></section>'
_CURVES = '<section><h2>Curves</h2><p>$notes</p><div class="row curves">$charts</div></section>'
_OLDER = '<details><summary>$count earlier</summary><div class="row">$sheets</div></details>'
_SHEETS = """<section class="$kind">
<h2>$title</h2>
<p class="quiet">${columns}Newest first.</p>
<div class="row">$newest</div>
$older
</section>
"""
_FIGURE = (
    '<figure><a href="$source"><img src="$source" loading="lazy" alt="samples at step $step"></a>'
    "<figcaption>step $step</figcaption></figure>\n"
)
