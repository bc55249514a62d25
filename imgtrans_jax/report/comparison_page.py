"""The page of several runs side by side. Imports io."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imgtrans_jax.io import images
from imgtrans_jax.metrics import registry


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


def comparison_page(columns: Sequence[Column], direction: str) -> str:
    metrics = list(dict.fromkeys(name for column in columns for name in column.scores))
    head = "".join(
        f"<th>{html.escape(c.name)}<small>{html.escape(c.about)}</small>" for c in columns
    )
    rows = []
    for metric in metrics:
        values = [c.scores.get(metric) for c in columns]
        known = [v for v in values if v is not None]
        alike = all(c.basis == columns[-1].basis for c in columns if metric in c.scores)
        best = max(known) if metric in registry.HIGHER_IS_BETTER else min(known)
        cells = []
        for column, value in list(zip(columns, values, strict=True))[1:]:
            error = f" ± {column.errors[metric]:.2g}" if metric in column.errors else ""
            cells.append(
                "<td>"
                if value is None
                else f"<td>{_number(value, value == best and len(known) > 1 and alike)}{error}"
            )
        better = "higher is better" if metric in registry.HIGHER_IS_BETTER else "lower is better"
        meaning = html.escape(registry.MEANING.get(metric, ""))
        rows.append(
            "<tr class='score'><th "
            f"title='{meaning}'>{html.escape(metric)}<small>{better}</small>{''.join(cells)}"
        )
    for pictures in zip(*(column.pictures for column in columns), strict=True):
        rows.append(
            "<tr>" + "".join(f"<td><img src='{images.data_uri(p)}' alt=''>" for p in pictures)
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
