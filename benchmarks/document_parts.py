"""Tables and charts of documents."""

import html
import math
from collections.abc import Mapping, Sequence

WIDTH = 720
"""Of every chart."""
_LEFT, _RIGHT, _LINE = 190, 40, 26
_STYLE = """
.ground { fill: #ffffff; stroke: #e1e4ea; }
.grid { stroke: #e1e4ea; }
.mark { stroke: #596171; stroke-dasharray: 3 3; }
.spread { stroke: #2a6fdb; stroke-width: 2; }
.dot { fill: #2a6fdb; }
.curve { fill: none; stroke-width: 2; }
.curve0 { stroke: #2a6fdb; }
.curve1 { stroke: #c2571a; }
.curve2 { stroke: #1d8a55; }
.curve3 { stroke: #8a4fc2; }
text { fill: #171a21; font: 12px system-ui, sans-serif; }
.curve0t { fill: #2a6fdb; }
.curve1t { fill: #c2571a; }
.curve2t { fill: #1d8a55; }
.curve3t { fill: #8a4fc2; }
.tick { fill: #596171; font-size: 11px; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #171a21; stroke: #2b303b; }
  .grid { stroke: #2b303b; }
  .mark { stroke: #a2a9b8; }
  .spread, .curve0 { stroke: #6fa5ff; }
  .dot, .curve0t { fill: #6fa5ff; }
  .curve1 { stroke: #f09a5e; }
  .curve1t { fill: #f09a5e; }
  .curve2 { stroke: #5fc892; }
  .curve2t { fill: #5fc892; }
  .curve3 { stroke: #c19af0; }
  .curve3t { fill: #c19af0; }
  text { fill: #e9ebf1; }
  .tick { fill: #a2a9b8; }
}
"""


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A table whose first columns are words, the others numbers."""
    rules = ["---"] * words + ["---:"] * (len(header) - words)
    lines = [header, rules, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def svg(title: str, height: int, parts: Sequence[str]) -> str:
    """A chart of these parts."""
    size = f'width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            + f'{size} viewBox="0 0 {WIDTH} {height}">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" {size} rx="6"/>',
            *parts,
            "</svg>\n",
        ]
    )


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from below the lowest to above the highest."""
    raw = max(high - low, 1e-6) / 5
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [n * step for n in range(first, last + 1)]


def dots_svg(
    title: str,
    dots: Sequence[tuple[str, float, float | None]],
    marks: Mapping[str, float],
) -> str:
    """A dot and its deviation a line; marks are upright lines."""
    ends = [m + sign * (d or 0.0) for _, m, d in dots for sign in (-1, 1)]
    grid = ticks(min([*ends, *marks.values()]), max([*ends, *marks.values()]))
    top, bottom = 52, 52 + _LINE * len(dots)

    def across(value: float) -> float:
        share = (value - grid[0]) / (grid[-1] - grid[0])
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    parts = [f'<text x="14" y="22">{html.escape(title)}</text>']
    for tick in grid:
        x = across(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" '
            f'text-anchor="middle">{tick:g}</text>'
        )
    for name, value in marks.items():
        x = across(value)
        parts.append(f'<path class="mark" d="M{x:.1f} {top}V{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{top - 6}" '
            f'text-anchor="middle">{html.escape(name)}</text>'
        )
    for n, (label, mean, deviation) in enumerate(dots):
        y = top + _LINE * (n + 0.5)
        name = html.escape(label.replace("`", ""))
        parts.append(
            f'<text x="{_LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{name}</text>'
        )
        if deviation:
            first, last = across(mean - deviation), across(mean + deviation)
            parts.append(f'<path class="spread" d="M{first:.1f} {y}H{last:.1f}"/>')
        parts.append(f'<circle class="dot" cx="{across(mean):.1f}" cy="{y}" r="4.5"/>')
    return svg(title, bottom + 30, parts)
