"""Plotly figures of the report of an experiment."""

from collections.abc import Iterable, Sequence

from clickwright.experiments.statistics.cumulative_point import CumulativePoint
from clickwright.experiments.statistics.day_effect import DayEffect
from clickwright.experiments.statistics.effect import Effect
from clickwright.experiments.statistics.slice_effect import SliceEffect
from clickwright.schemas.html_page import formats
from clickwright.schemas.html_page.figure import (
    Figure,
    dotted_line,
    name_ticks,
    panel_heading,
    plain,
)

ROW_HEIGHT = 34
"""Pixels an arm or a value."""
_FIXED = "fixed horizon"
_ALWAYS = "always valid"


def effects(found: Sequence[Effect], truths: dict[tuple[str, str], float]) -> Figure:
    """Lifts and their intervals: a panel a metric, on a scale of its own.

    Args:
        found: effects of which the lift is known, a metric's together.
        truths: true lifts by metric and arm, where they are known.
    """
    metrics = list(dict.fromkeys(effect.metric for effect in found))
    heights = [
        ROW_HEIGHT * sum(e.metric == metric for e in found) + 58 for metric in metrics
    ]
    total = sum(heights)
    layout: Figure = {
        "height": total + 34,
        "annotations": [],
        "shapes": [],
        "margin": {"l": 8, "r": 16, "t": 34, "b": 8},
    }
    data, top = [], 1.0
    for i, (metric, height) in enumerate(zip(metrics, heights, strict=True)):
        number = "" if i == 0 else str(i + 1)
        rows = [effect for effect in found if effect.metric == metric]
        for trace in _intervals(rows, [effect.arm for effect in rows]):
            trace |= {"xaxis": f"x{number}", "yaxis": f"y{number}"}
            trace["showlegend"] = i == 0
            data.append(trace)
        known = [
            (place, truths[effect.metric, effect.arm])
            for place, effect in enumerate(rows)
            if (effect.metric, effect.arm) in truths
        ]
        if known:
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": "truth",
                    "x": [lift for _, lift in known],
                    "y": [place for place, _ in known],
                    "marker": {
                        "symbol": "diamond",
                        "size": 11,
                        "color": "var(--valid)",
                    },
                    "hovertemplate": "true lift %{x:+.2%}<extra></extra>",
                    "xaxis": f"x{number}",
                    "yaxis": f"y{number}",
                }
            )
        share = height / total
        layout[f"yaxis{number}"] = {
            **name_ticks([effect.arm for effect in rows]),
            "range": [len(rows) - 0.5, -0.5],
            "domain": [
                max(top - share + share * 26 / height, 0),
                top - share * 24 / height,
            ],
            "anchor": f"x{number}",
            "showgrid": False,
            "zeroline": False,
        }
        layout[f"xaxis{number}"] = {
            "tickformat": "+.2~%",
            "nticks": 5,
            "zeroline": False,
            "anchor": f"y{number}",
        }
        layout["annotations"].append(panel_heading(_title(rows[0]), top))
        marks = [(0.0, "var(--muted)")]
        if rows[0].margin is not None:
            worse = 1 if rows[0].direction == "decrease" else -1
            marks.append((worse * rows[0].margin, "var(--bad)"))
        layout["shapes"] += [
            dotted_line(f"x{number}", at, at, f"y{number} domain", 0, 1, stroke)
            for at, stroke in marks
        ]
        top -= share
    return {"data": data, "layout": layout}


def cumulative(points: Sequence[CumulativePoint], truth: float | None) -> Figure | None:
    """The lift after each day, with both intervals; None without any lift."""
    known = [point for point in points if point.effect.lift is not None]
    if not known:
        return None
    days = [_day(point) for point in known]
    banded = [point for point in known if point.effect.always_low is not None]
    data: list[Figure] = []
    if len(banded) > 1:
        there = [_day(point) for point in banded]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": _ALWAYS,
                "x": there + there[::-1],
                "y": [point.effect.always_low for point in banded]
                + [point.effect.always_high for point in reversed(banded)],
                "fill": "toself",
                "fillcolor": "var(--train)",
                "line": {"color": "var(--train)", "width": 1},
                "opacity": 0.25,
                "hoverinfo": "skip",
            }
        )
    else:
        data += _bars(
            [(_day(point), point.effect) for point in banded],
            vertical=True,
            always=True,
        )
    data += _bars([(_day(point), point.effect) for point in known], vertical=True)
    shapes = [dotted_line("x domain", 0, 1, "y", 0, 0, "var(--muted)")]
    if truth is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": "truth",
                "x": days,
                "y": [truth] * len(days),
                "line": {"color": "var(--valid)", "dash": "dot", "width": 1.5},
                "marker": {"symbol": "diamond", "size": 6},
                "hovertemplate": "true lift %{y:+.2%}<extra></extra>",
            }
        )
    layout: Figure = {
        "height": 340,
        "xaxis": {
            "type": "category",
            # The band may begin later than the dots.
            "categoryorder": "array",
            "categoryarray": days,
            "nticks": 4,
            "tickangle": 0,
            "showgrid": False,
        },
        "yaxis": {
            "tickformat": "+.2~%",
            "nticks": 6,
            "zeroline": False,
            "title": {"text": "Lift of all units until then"},
        },
        "shapes": shapes,
    }
    return {"data": data, "layout": layout}


def slices(found: Sequence[SliceEffect], overall: float | None) -> Figure | None:
    """Lifts of one slice's values; None without any lift."""
    known = [item for item in found if item.effect.lift is not None]
    if not known:
        return None
    names = ["(none)" if item.value is None else item.value for item in known]
    shapes = [dotted_line("x", 0, 0, "y domain", 0, 1, "var(--muted)")]
    if overall is not None:
        shapes.append(
            dotted_line("x", overall, overall, "y domain", 0, 1, "var(--accent)")
        )
    layout = {
        "height": ROW_HEIGHT * len(known) + 100,
        "xaxis": {"tickformat": "+.2~%", "nticks": 5, "zeroline": False},
        "yaxis": {
            **name_ticks(names),
            "range": [len(known) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
        },
        "shapes": shapes,
    }
    return {
        "data": _intervals([item.effect for item in known], names),
        "layout": layout,
    }


def novelty(found: Sequence[DayEffect]) -> Figure | None:
    """Lifts by day since the first exposure; None without any."""
    known = [item for item in found if item.effect.lift is not None]
    if not known:
        return None
    return {
        "data": _bars([(item.day, item.effect) for item in known], vertical=True),
        "layout": {
            "height": 300,
            "showlegend": False,
            "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
            "xaxis": {
                "title": {"text": "Days since a unit's first exposure"},
                "dtick": max(1, len(known) // 8),
                "zeroline": False,
                "showgrid": False,
            },
            "yaxis": {
                "tickformat": "+.2~%",
                "nticks": 6,
                "zeroline": False,
                "title": {"text": "Lift on that day"},
            },
            "shapes": [dotted_line("x domain", 0, 1, "y", 0, 0, "var(--muted)")],
        },
    }


def _intervals(found: Sequence[Effect], names: Sequence[str]) -> list[Figure]:
    """Both intervals of each effect, one below the other; arms by their place."""
    places = list(enumerate(found))
    return [
        *_bars([p for p in places if p[1].always_low is not None], always=True),
        *_bars(places, names=names),
    ]


def _bars(
    found: Iterable[tuple[int | str, Effect]],
    *,
    names: Sequence[str] | None = None,
    vertical: bool = False,
    always: bool = False,
) -> list[Figure]:
    """One dot with its interval an effect; nothing without any."""
    pairs = [(place, e) for place, e in found if e.lift is not None]
    if not pairs:
        return []
    ends = [
        (e.always_low, e.always_high) if always else (e.lift_low, e.lift_high)
        for _, e in pairs
    ]
    lifts = [e.lift or 0.0 for _, e in pairs]
    along, across = ("y", "x") if vertical else ("x", "y")
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": _ALWAYS if always else _FIXED,
            along: lifts,
            across: [place for place, _ in pairs],
            "text": [
                f"{plain(names[i]) if names else plain(e.arm)}: "
                f"{formats.signed_share(e.lift)}, {formats.signed_share(low)} to "
                f"{formats.signed_share(high)}"
                for i, ((_, e), (low, high)) in enumerate(zip(pairs, ends, strict=True))
            ],
            f"error_{along}": {
                "type": "data",
                "symmetric": False,
                "array": [
                    0.0 if high is None else high - lift
                    for lift, (_, high) in zip(lifts, ends, strict=True)
                ],
                "arrayminus": [
                    0.0 if low is None else lift - low
                    for lift, (low, _) in zip(lifts, ends, strict=True)
                ],
                "color": "var(--train)" if always else "var(--ink)",
                "thickness": 1.5 if always else 3,
                "width": 5 if always else 0,
            },
            "marker": {
                "size": 3 if always else 9,
                "color": "var(--train)" if always else "var(--accent)",
            },
            "hovertemplate": "%{text}"
            + (f" ({_ALWAYS})" if always else f" ({_FIXED})")
            + "<extra></extra>",
        }
    ]


def _day(point: CumulativePoint) -> str:
    return f"{point.day:%b %d}"


def _title(effect: Effect) -> str:
    better = "↑" if effect.direction == "increase" else "↓"
    return f"{plain(effect.metric, 24)} {better}"
