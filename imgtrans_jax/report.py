"""What a run shows: rate and time left, metrics as JSON lines and TensorBoard files, and a page
that opens from disk.
"""

from __future__ import annotations

import contextlib
import html
import json
import math
import os
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog  # type: ignore[attr-defined]

from imgtrans_jax import json_files
from imgtrans_jax.files import whole
from imgtrans_jax.images import grid, to_bytes, write_picture
from imgtrans_jax.watch import Alarm

REFRESH_SECONDS = 15
SAY_EVERY = 10.0  # seconds between console lines on a slow machine
LONG_WAIT = 0.1  # from this share of the time on it is said that pictures are waited for
_COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")


def duration(seconds: float) -> str:
    """'42 s', '3 min 20 s', '5 h 10 min', '2 d 3 h'."""
    seconds = round(seconds)
    for size, unit, smaller, smaller_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // smaller} {smaller_unit}"
    return f"{seconds} s"


def timestamp() -> str:
    """Now, in the machine's own time."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


class Clock:
    """Rate, time left and input wait of one run of the loop."""

    def __init__(self, first: int, total: int, batch_size: int, verbose: bool = False) -> None:
        self.first, self.total, self.batch_size, self.verbose = first, total, batch_size, verbose
        self.start = self.said = time.monotonic()
        self.waited = 0.0
        self.promised = False
        self.rate = math.nan  # steps per second
        self._wait_began = 0.0

    def waiting(self) -> Clock:
        """A context in which time counts as waiting for input."""
        return self

    def __enter__(self) -> None:
        self._wait_began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.waited += time.monotonic() - self._wait_began

    def due(self) -> bool:
        """Whether the console has been silent for long."""
        return time.monotonic() - self.said > SAY_EVERY

    def line(self, step: int, values: dict[str, float]) -> str:
        """One line of progress, with `verbose` a second with all terms; call it right after the
        device has been waited for.
        """
        now = time.monotonic()
        self.said = now
        self.rate = (step - self.first) / (now - self.start)
        left = duration((self.total - step) / self.rate)
        wait = self.waited / (now - self.start)
        parts = [
            f"step {step}/{self.total}",
            f"{self.rate * self.batch_size:.3g} images/s",
            f"{left} left",
        ]
        if self.verbose or wait >= LONG_WAIT:
            parts.append(f"input wait {100 * wait:.0f} %")
        terms = {name: value for name, value in values.items() if not name.startswith("norm/")}
        shown = "  ".join(
            f"{name} {value:.3f}"
            for name, value in (terms if self.verbose else sums(terms)).items()
        )
        text = "  ".join(parts) + ("\n    " if self.verbose else "  ") + shown
        if not self.promised and step - self.first >= 5 and step < self.total:
            self.promised = True
            whole = duration((self.total - self.first) / self.rate)
            text += f"\nThis config needs about {whole} here for {self.total - self.first} steps."
        return text

    def figures(self) -> dict[str, float]:
        """For the log: seconds a step, and the share of them spent waiting for input."""
        elapsed = time.monotonic() - self.start
        return {"time/step_s": 1 / self.rate, "time/input_wait": self.waited / elapsed}

    def status(self, step: int, running: bool) -> str:
        """One sentence for the page."""
        if step >= self.total:
            return f"Finished: {step} steps ({timestamp()})."
        left = "" if math.isnan(self.rate) else f"about {duration((self.total - step) / self.rate)}"
        if running:
            return (
                f"Training: step {step} of {self.total}{left and f', {left} left'} ({timestamp()})."
            )
        return (
            f"Stopped: step {step} of {self.total} ({timestamp()}). The same command goes "
            f"on{left and f', for {left}'}."
        )


def sums(terms: Mapping[str, float]) -> dict[str, float]:
    """Terms with those of one kind together, as their names begin: cycle_a and cycle_b are `cycle`,
    all of the critics `d`.
    """
    found: dict[str, float] = {}
    for name, value in terms.items():
        kind = name.split("_")[0]
        found[kind] = found.get(kind, 0.0) + value
    return found


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
        self.events = _Events(folder, step + 1)
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
                        *_of_one_size([to_bytes(_three_channels(x)) for x in columns.values()]),
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


class _Events:
    """TensorBoard files, written by the caller's own thread: the library's SummaryWriter has one
    for it, which dies of a full disk, and then makes the program wait for it for ever.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        self.writer: EventsWriter | None = None
        # hides what was logged later
        self._write(Event(step=step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step: int, values: Any) -> None:
        self._write(Event(step=step, summary=values))

    def flush(self) -> None:
        self._try(lambda writer: writer.flush())

    def close(self) -> None:
        self._try(lambda writer: writer.close())
        self.writer = None

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._try(lambda writer: writer.write_event(event))

    def _try(self, what: Callable[[EventsWriter], Any]) -> None:
        """What cannot be written is left out, and a new file begun for what follows: nothing is
        read behind a cut record.
        """
        try:
            self.writer = self.writer or EventsWriter(
                str(self.folder / "events"), f".{os.getpid()}.{time.monotonic_ns()}"
            )
            what(self.writer)
        except OSError:
            if self.writer is not None:
                with contextlib.suppress(OSError):
                    self.writer.close()
            self.writer = None


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


def curves_svg(
    title: str, names: Sequence[str], rows: Sequence[Mapping[str, float]], width: int = 420
) -> str:
    """One chart of the named values over the steps, with axes from the smallest to the largest
    finite value.
    """
    height, left, bottom = 220, 56, 24
    points = {n: [(r["step"], r[n]) for r in rows if n in r and np.isfinite(r[n])] for n in names}
    points = {n: _thinned(p) for n, p in points.items() if p}
    if not points:
        return ""
    xs = [x for p in points.values() for x, _ in p]
    ys = [y for p in points.values() for _, y in p]
    low, high = min(ys), max(ys)
    low, high = (min(0.0, low), high) if low > -high else (low, high)
    x_span, y_span = max(max(xs) - min(xs), 1), (high - low) or 1.0

    def place(x: float, y: float) -> str:
        across = left + (x - min(xs)) / x_span * (width - left - 8)
        return f"{across:.1f},{(height - bottom) - (y - low) / y_span * (height - bottom - 10):.1f}"

    lines, legend = [], []
    for number, (name, values) in enumerate(points.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(place(x, y) for x, y in values)
        lines.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        legend.append(
            f'<span style="color:{colour}">{html.escape(name)} {values[-1][1]:.4g}</span>'
        )
    axes = (
        f'<path d="M{left},10V{height - bottom}H{width - 8}" stroke="#999" fill="none"/>'
        f'<text x="{left - 4}" y="16" text-anchor="end">{high:.3g}</text>'
        f'<text x="{left - 4}" y="{height - bottom}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{left}" y="{height - 6}">{min(xs)}</text>'
        f'<text x="{width - 8}" y="{height - 6}" text-anchor="end">step {max(xs)}</text>'
    )
    return (
        f"<figure><figcaption>{html.escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {width} {height}" width="{width}">{axes}{"".join(lines)}</svg>'
        f"<div class='legend'>{' '.join(legend)}</div></figure>"
    )


def _thinned(points: list[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
    return points[:: max(1, len(points) // most)]


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
