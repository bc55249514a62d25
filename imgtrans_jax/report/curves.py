"""Curves as SVG. Imports nothing here."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np

_COLORS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")


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
        colour = _COLORS[number % len(_COLORS)]
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
