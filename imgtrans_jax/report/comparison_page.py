"""The page of several runs side by side. Imports io."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from imgtrans_jax.io import images
from imgtrans_jax.report.page import Html, joined, markup, page

TINY = 64
"""Pixels of the longer side up to which pictures are shown enlarged with sharp pixels."""


class Scale(Protocol):
    """What the page must know of a metric."""

    @property
    def better(self) -> Literal["higher", "lower"]: ...

    @property
    def meaning(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class Column:
    """One run, or the inputs.

    Attributes:
        name: Above the column.
        pictures: uint8 (H, W, C), or float in [0, 1].
        scores: Of its newest evaluation in this direction, or {}.
        about: How far it was trained, and what was scored; '' for what is no run.
        errors: Standard errors of the scores, as far as they are known.
        basis: What must agree for scores to compare.
    """

    name: str
    pictures: list[np.ndarray]
    scores: Mapping[str, float]
    about: str = ""
    errors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    basis: Any = None  # what must agree for scores to compare


def comparison_page(columns: Sequence[Column], direction: str, scales: Mapping[str, Scale]) -> str:
    """The page of several runs side by side.

    Args:
        columns: With as many pictures each; the first has the inputs.
        direction: a2b or b2a.
        scales: Of the metrics, by name.

    Returns:
        HTML.
    """
    metrics = list(dict.fromkeys(name for column in columns for name in column.scores))
    rows = [_scores(metric, scales.get(metric), columns) for metric in metrics]
    rows += [_pictures(row) for row in zip(*(c.pictures for c in columns), strict=True)]
    return page(
        "comparison.html",
        title=" · ".join(column.name for column in columns if column.about),
        direction=_WAYS[direction],
        note=_NOTE if metrics else _NO_SCORES,
        names=joined([markup("<th>$name<small>$about</small></th>", **_named(c)) for c in columns]),
        rows=joined(rows, "\n"),
    )


def _named(column: Column) -> dict[str, str]:
    return {"name": column.name, "about": column.about}


def _scores(metric: str, scale: Scale | None, columns: Sequence[Column]) -> Html:
    """One metric's row. The best is marked where the scores compare."""
    values = [c.scores[metric] for c in columns if metric in c.scores]
    alike = all(c.basis == columns[-1].basis for c in columns if metric in c.scores)
    best = None
    if scale is not None and alike and len(values) > 1:
        best = max(values) if scale.better == "higher" else min(values)
    return markup(
        '<tr class="score"><th title="$meaning">$metric<small>$better</small></th>$cells</tr>',
        meaning=scale.meaning if scale else "",
        metric=metric,
        better=f"{scale.better} is better" if scale else "",
        cells=joined([_score(metric, column, best) for column in columns[1:]]),
    )


def _score(metric: str, column: Column, best: float | None) -> Html:
    value = column.scores.get(metric)
    if value is None:
        return Html("<td></td>")
    error = column.errors.get(metric)
    return markup(
        "<td>$value$error</td>",
        value=markup('<b class="best">$x</b>' if value == best else "$x", x=f"{value:.4g}"),
        error=Html() if error is None else markup("<small>± $x</small>", x=f"{error:.2g}"),
    )


def _pictures(row: Sequence[np.ndarray]) -> Html:
    kind = "tiny" if max(max(picture.shape[:2]) for picture in row) <= TINY else ""
    cells = [markup('<td><img src="$uri" alt=""></td>', uri=images.data_uri(p)) for p in row]
    return markup('<tr class="$kind">$cells</tr>', kind=kind, cells=joined(cells))


_WAYS = {"a2b": "From the first domain to the second", "b2a": "From the second domain to the first"}
_NOTE = (
    "Each run's newest evaluation, with standard errors; the best is bold where counts, "
    "features and real pictures agree."
)
_NO_SCORES = "No scores yet: imgtrans evaluate RUN makes them."
