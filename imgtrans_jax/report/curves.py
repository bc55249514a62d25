"""Curves as SVG. Imports page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from imgtrans_jax.report.page import Html, joined, markup

COLORS = 8  # in `style.css`: .curve-0 and so on


def curves_svg(
    title: str, names: Sequence[str], rows: Sequence[Mapping[str, float]], width: int = 420
) -> Html:
    """One chart of values over the steps, from the smallest to the largest finite value.

    Args:
        title: Above it.
        names: Of the values, a curve each.
        rows: `step`, and values by name; not all need be there.
        width: In pixels.

    Returns:
        A figure; '' if there is no finite value.
    """
    height, left, bottom = 220, 56, 24
    points = {n: [(r["step"], r[n]) for r in rows if n in r and np.isfinite(r[n])] for n in names}
    points = {n: _thinned(p) for n, p in points.items() if p}
    if not points:
        return Html()
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
        color = f"curve-{number % COLORS}"
        path = " ".join(place(x, y) for x, y in values)
        lines.append(markup(_LINE, color=color, path=path))
        legend.append(markup(_NAME, color=color, name=name, value=f"{values[-1][1]:.4g}"))
    axes = markup(
        _AXES,
        left=left,
        beside=left - 4,
        right=width - 8,
        bottom=height - bottom,
        below=height - 6,
        high=f"{high:.3g}",
        low=f"{low:.3g}",
        first=min(xs),
        last=max(xs),
    )
    return markup(
        _CHART,
        title=title,
        width=width,
        height=height,
        axes=axes,
        lines=joined(lines),
        legend=joined(legend, " "),
    )


def _thinned(points: list[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
    return points[:: max(1, len(points) // most)]


_LINE = (
    '<polyline class="$color" points="$path" fill="none" stroke="currentColor" stroke-width="1.5"/>'
)
_NAME = '<span class="$color">$name $value</span>'
_AXES = (
    '<path class="axes" d="M$left,10V${bottom}H$right" fill="none"/>'
    '<text x="$beside" y="16" text-anchor="end">$high</text>'
    '<text x="$beside" y="$bottom" text-anchor="end">$low</text>'
    '<text x="$left" y="$below">$first</text>'
    '<text x="$right" y="$below" text-anchor="end">step $last</text>'
)
_CHART = (
    "<figure><figcaption>$title</figcaption>"
    '<svg viewBox="0 0 $width $height">$axes$lines</svg>'
    '<div class="legend">$legend</div></figure>\n'
)
