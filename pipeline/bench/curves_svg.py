"""Learning curves as one SVG file: a small panel a run."""

import html
import itertools
import math
from collections.abc import Iterator, Sequence

from clickwright.pipeline.bench.records import BoardRow, CurvePoint
from clickwright.schemas.html_page import formats

_COLUMNS = 4
_WIDTH, _HEIGHT = 212, 132
_LEFT, _TOP, _GAP = 52, 34, 18
"""Room for the labels of the axis, for a panel's title, and between panels."""
_BELOW = 0.02
"""Least AUC shown, below the worst run's best epoch; earlier epochs lie lower."""
# The colours of the report, on a ground of the file's own: a page may be dark where
# the system is light.
_STYLE = """
.ground { fill: #ffffff; stroke: #e1e4ea; }
.grid { stroke: #e1e4ea; }
.fall { stroke: #596171; stroke-dasharray: 2 3; opacity: 0.7; }
.curve { fill: none; stroke: #2a6fdb; stroke-width: 1.8; stroke-linejoin: round; }
.best { fill: #2a6fdb; }
text { fill: #171a21; font: 12px system-ui, sans-serif; }
.name { font-weight: 600; }
.tick { fill: #596171; font-size: 11px; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #171a21; stroke: #2b303b; }
  .grid { stroke: #2b303b; }
  .fall { stroke: #a2a9b8; }
  .curve { stroke: #6fa5ff; }
  .best { fill: #6fa5ff; }
  text { fill: #e9ebf1; }
  .tick { fill: #a2a9b8; }
}
"""


def curves_svg(rows: Sequence[BoardRow]) -> str:
    """AUC on the validation split by epoch, on one scale for all trained runs."""
    shown = [row for row in rows if any(_known(c) for c in row.curves.values())]
    lines = max(1, math.ceil(len(shown) / _COLUMNS))
    width = _LEFT + _COLUMNS * (_WIDTH + _GAP)
    height = lines * (_HEIGHT + _TOP + _GAP) + 10
    size = f'width="{width}" height="{height}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"'
        f' viewBox="0 0 {width} {height}">'
    )
    parts = [
        head,
        "<title>AUC on the validation split by epoch</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" {size} rx="6"/>',
    ]
    if shown:
        low, high = _range(shown)
        for n, row in enumerate(shown):
            x = _LEFT + n % _COLUMNS * (_WIDTH + _GAP)
            y = _TOP + n // _COLUMNS * (_HEIGHT + _TOP + _GAP)
            parts += _panel(row, x, y, low, high, ticks=n % _COLUMNS == 0)
    else:
        parts.append(f'<text x="{_LEFT}" y="{_TOP}">Nothing was trained yet.</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(
    row: BoardRow, x: int, y: int, low: float, high: float, ticks: bool
) -> Iterator[str]:
    def down(auc: float) -> float:
        return y + _HEIGHT * (1 - (max(auc, low) - low) / (high - low))

    most = max(len(curve) for curve in row.curves.values())

    def across(epoch: int) -> float:
        return x + _WIDTH * (epoch - 1) / max(most - 1, 1)

    yield f'<text class="name" x="{x}" y="{y - 8}">{html.escape(row.key)}</text>'
    yield (
        f'<text class="tick" x="{x + _WIDTH}" y="{y - 8}" text-anchor="end">'
        f"test {formats.metric(row.auc)}</text>"
    )
    for auc in (low, (low + high) / 2, high):
        yield (
            f'<path class="grid" d="M{x} {down(auc):.1f}h{_WIDTH}"/>'
            + (
                f'<text class="tick" x="{x - 6}" y="{down(auc) + 4:.1f}" '
                f'text-anchor="end">{auc:.3f}</text>'
                if ticks
                else ""
            )
        )
    yield (
        f'<text class="tick" x="{x}" y="{y + _HEIGHT + 14}">1</text>'
        f'<text class="tick" x="{x + _WIDTH}" y="{y + _HEIGHT + 14}" '
        f'text-anchor="end">{most}</text>'
    )
    first = row.curves[min(row.curves)]
    for before, after in itertools.pairwise(first):
        if (after.learning_rate or 0.0) < (before.learning_rate or 0.0):
            yield f'<path class="fall" d="M{across(after.epoch):.1f} {y}v{_HEIGHT}"/>'
    for curve in row.curves.values():
        points = " ".join(
            f"{across(epoch):.1f},{down(auc):.1f}" for epoch, auc in _known(curve)
        )
        yield f'<polyline class="curve" points="{points}"/>'
    if known := _known(first):
        epoch, auc = max(known, key=lambda point: point[1])
        yield (
            f'<circle class="best" cx="{across(epoch):.1f}" cy="{down(auc):.1f}" '
            'r="3.5"/>'
        )


def _range(rows: Sequence[BoardRow]) -> tuple[float, float]:
    """The scale: ends on hundredths, all best epochs inside."""
    best = [
        max(auc for _, auc in _known(curve))
        for row in rows
        for curve in row.curves.values()
        if _known(curve)
    ]
    low = math.floor((min(best) - _BELOW) * 100) / 100
    return max(low, 0.0), min(math.ceil(max(best) * 100) / 100, 1.0)


def _known(curve: Sequence[CurvePoint]) -> list[tuple[int, float]]:
    return [
        (point.epoch, point.valid_auc)
        for point in curve
        if point.valid_auc is not None and math.isfinite(point.valid_auc)
    ]
