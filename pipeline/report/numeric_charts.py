"""Figures of one numeric field, as `charts` has those of the rest.

Values lie on the axes by their place in the grid, evenly apart: heavy tails leave room
for what is not tail.
"""

import math
from collections.abc import Sequence

import numpy as np

from clickwright.schemas.autodis_report import ClickRate, FieldReport
from clickwright.schemas.html_page import formats
from clickwright.schemas.html_page.figure import Figure, plain

MOST_TICKS = 6
_SCALE = [[0, "var(--card)"], [1, "var(--accent)"]]


def response(field: FieldReport) -> Figure | None:
    """Predicted click rate along the values, and the actual one with its rows below."""
    if not field.grid:
        return None
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "predicted, field set to the value",
            "x": list(range(len(field.grid))),
            "y": list(field.response),
            "text": [formats.quantity(v) for v in field.grid],
            "line": {"color": "var(--accent)", "width": 2},
            "marker": {"size": 6},
            "hovertemplate": "set to %{text}: predicted %{y:.4f}<extra></extra>",
        }
    ]
    ticks = _value_ticks(field.grid)
    bins = list(field.click_rates)
    low = [_place(field.grid, b.low) for b in bins]
    high = [_place(field.grid, b.high) for b in bins]
    names = [bin_name(b) for b in bins]
    missing = len(field.grid) + 0.5
    if field.response_missing is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "predicted, missing",
                "showlegend": False,
                "x": [missing],
                "y": [field.response_missing],
                "marker": {"size": 9, "color": "var(--accent)", "symbol": "diamond"},
                "hovertemplate": "missing: predicted %{y:.4f}<extra></extra>",
            }
        )
    if field.missing_clicks is not None:
        bins.append(field.missing_clicks)
        low, high = [*low, missing], [*high, missing]
        names.append("missing")
    if field.response_missing is not None or field.missing_clicks is not None:
        ticks["tickvals"].append(missing)
        ticks["ticktext"].append("missing")
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    half = [(b - a) / 2 for a, b in zip(low, high, strict=True)]
    rows = [formats.count(b.rows) for b in bins]
    data.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "clicked, rows with such values",
            "x": middle,
            "y": [b.rate for b in bins],
            "error_x": {"array": half, "color": "var(--train)", "width": 0},
            "text": names,
            "customdata": rows,
            "marker": {"size": 8, "color": "var(--train)"},
            "hovertemplate": "%{text}: clicked %{y:.4f}<br>%{customdata} rows of train"
            "<extra></extra>",
        }
    )
    data.append(
        {
            "type": "bar",
            "name": "rows",
            "showlegend": False,
            "x": middle,
            # A bin of one value has no width of its own.
            "width": [max(2 * h, 0.6) for h in half],
            "y": [b.rows for b in bins],
            "text": names,
            "textposition": "none",
            "yaxis": "y2",
            "marker": {"color": "var(--train)", "opacity": 0.5},
            "hovertemplate": "%{text}: %{y:,} rows of train<extra></extra>",
        }
    )
    layout = {
        "height": 420,
        "xaxis": {**ticks, "anchor": "y2", "title": {"text": "Value"}},
        "yaxis": {
            "domain": [0.3, 1],
            "title": {"text": "Click rate"},
            "rangemode": "tozero",
            "tickformat": "~g",
            "nticks": 6,
        },
        "yaxis2": {
            "domain": [0, 0.2],
            "title": {"text": "Rows"},
            "nticks": 2,
            "tickformat": "~s",
        },
    }
    return {"data": data, "layout": layout}


def bins(field: FieldReport) -> Figure | None:
    """Weight of each bin at each value, and the path of the strongest one."""
    if not field.assignments:
        return None
    weights = np.array(field.assignments).T  # [bins, grid]
    strongest = weights.argmax(axis=0)
    names = [formats.quantity(v) for v in field.grid]
    places = list(range(len(field.grid)))
    data = [
        {
            "type": "heatmap",
            "z": np.round(weights, 4).tolist(),
            "x": places,
            "zmin": 0,
            "zmax": 1,
            "colorscale": _SCALE,
            "showscale": False,
            "text": [names] * len(weights),
            "hovertemplate": "value %{text}<br>bin %{y}: %{z:.3f}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "strongest bin",
            "x": places,
            "y": strongest.tolist(),
            "line": {"color": "var(--valid)", "width": 1.5, "shape": "hvh"},
            "hoverinfo": "skip",
        },
    ]
    layout = {
        "height": 380,
        "showlegend": False,
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "xaxis": {
            **_value_ticks(field.grid),
            "title": {"text": "Value"},
            "showgrid": False,
            "zeroline": False,
        },
        "yaxis": {
            "title": {"text": "Bin"},
            "tickformat": "d",
            "nticks": 8,
            "range": [-0.5, len(weights) - 0.5],
            "showgrid": False,
            "zeroline": False,
        },
    }
    return {"data": data, "layout": layout}


def usage(field: FieldReport) -> Figure | None:
    """Mean weight of each bin over the training split, dead bins in another colour."""
    if field.usage is None:
        return None
    shares, dead = field.usage.shares, set(field.usage.dead)
    data = [
        {
            "type": "bar",
            "x": list(range(len(shares))),
            "y": list(shares),
            "marker": {
                "color": [
                    "var(--bad)" if b in dead else "var(--train)"
                    for b in range(len(shares))
                ]
            },
            "text": ["dead, " if b in dead else "" for b in range(len(shares))],
            "textposition": "none",
            "hovertemplate": "bin %{x}: %{text}%{y:.3%}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "x": [-0.5, len(shares) - 0.5],
            "y": [1 / len(shares)] * 2,
            "line": {"color": "var(--muted)", "dash": "dot", "width": 1.5},
            "hovertemplate": "an equal share, %{y:.3%}<extra></extra>",
        },
    ]
    layout = {
        "height": 320,
        "showlegend": False,
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "xaxis": {"title": {"text": "Bin"}, "tickformat": "d", "nticks": 8},
        "yaxis": {
            "title": {"text": "Mean weight"},
            "tickformat": ".0%" if max(shares) > 0.05 else ".1%",
            "nticks": 5,
        },
    }
    return {"data": data, "layout": layout}


def path(field: FieldReport) -> Figure | None:
    """The embedding along the values, on its two principal components."""
    if field.embedding is None:
        return None
    first, second = zip(*field.embedding.path, strict=True)
    names = [formats.quantity(v) for v in field.grid]
    shares = [formats.share(s) for s in field.embedding.explained]
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": list(first),
            "y": list(second),
            "text": names,
            "line": {"color": "var(--line)", "width": 2},
            "marker": {
                "size": 9,
                "color": list(range(len(names))),
                "colorscale": [[0, "var(--train)"], [1, "var(--valid)"]],
            },
            "hovertemplate": "value %{text}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "text",
            "x": [first[0], first[-1]],
            "y": [second[0], second[-1]],
            "text": [plain(names[0]), plain(names[-1])],
            "textposition": ["top center", "bottom center"],
            "hoverinfo": "skip",
        },
    ]
    layout = {
        "height": 380,
        "showlegend": False,
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "xaxis": {
            "title": {"text": f"First component ({shares[0]})"},
            "range": _roomy(first),
            "nticks": 5,
        },
        "yaxis": {
            "title": {"text": f"Second component ({shares[1]})"},
            "range": _roomy(second),
            "nticks": 5,
        },
    }
    return {"data": data, "layout": layout}


def bin_name(found: ClickRate) -> str:
    """The values of a bin, in words."""
    low, high = formats.quantity(found.low), formats.quantity(found.high)
    return low if found.low == found.high else f"{low} to {high}"


def _place(grid: Sequence[float], value: float) -> float:
    """Place of a value among those of the grid, linear between them."""
    return float(np.interp(value, grid, range(len(grid))))


def _value_ticks(grid: Sequence[float]) -> Figure:
    step = max(math.ceil((len(grid) - 1) / (MOST_TICKS - 1)), 1)
    places = list(range(0, len(grid), step))
    return {
        "tickvals": places,
        "ticktext": [plain(formats.quantity(grid[p])) for p in places],
        "tickangle": 0,
    }


def _roomy(values: Sequence[float]) -> list[float]:
    """A range with room for text around the points."""
    low, high = min(values), max(values)
    room = 0.18 * (high - low) or 1e-3
    return [low - room, high + room]
