"""What the report says of the search for parameters."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clickwright.components.tuner.result import TuningResult, changed
from clickwright.components.tuner.trial_outcome import TrialOutcome
from clickwright.schemas.html_page import formats
from clickwright.schemas.html_page.figure import Figure, plain

MOST_ROWS = 50
"""Trials listed in the table."""
_ROW_HEIGHT = 26
_LABEL_LENGTH = 24
_MARKS = {
    "complete": ("complete", "circle", "var(--accent)"),
    "pruned": ("ended early", "x", "var(--muted)"),
}


@dataclass(frozen=True)
class _Value:
    """One parameter: configured, best, and how much it matters."""

    name: str
    configured: str
    best: str
    changed: bool
    importance: str


@dataclass(frozen=True)
class _Row:
    """One trial."""

    number: int
    state: str
    score: str
    epochs: str
    time: str
    values: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class TuningView:
    """The section of the search."""

    objective: str
    algorithm: str
    best: str
    configured: str
    gain: str
    values: tuple[_Value, ...]
    names: tuple[str, ...]
    rows: tuple[_Row, ...]
    """The best trials first; those without a score last."""
    total: int
    failed: tuple[_Row, ...]
    charts: tuple[tuple[str, str, str], ...]
    """Key, heading and description."""


def tuning_view(
    result: TuningResult | None, figures: dict[str, Figure]
) -> TuningView | None:
    """The section's content; None where nothing was searched for.

    Adds to `figures` those of the section, by `tuning/<chart>`.
    """
    if result is None:
        return None
    figures["tuning/trials"] = trials_figure(result)
    charts = [
        (
            "trials",
            "Trials",
            (
                f"{result.objective} of every trial on the validation split, and the best "
                "so far"
            ),
        )
    ]
    if result.importance:
        figures["tuning/importance"] = importance_figure(result)
        charts.append(
            (
                "importance",
                "Importance",
                "Share of each parameter in the differences between trials",
            )
        )
    names = tuple(result.configured)
    best, own = result.best_trial, result.as_configured
    ranked = sorted(result.trials, key=lambda trial: _rank(trial, result.direction))
    better = changed(result)
    gain = None
    if best.score is not None and own.score is not None:
        gain = best.score - own.score
    rows = [_row(trial, names) for trial in ranked]
    return TuningView(
        objective=result.objective,
        algorithm=result.algorithm,
        best=formats.metric(best.score),
        configured=formats.metric(own.score),
        gain=formats.signed(gain),
        values=tuple(
            _Value(
                name,
                shown(result.configured[name]),
                shown(best.values[name]),
                name in better,
                formats.share(result.importance.get(name)),
            )
            for name in names
        ),
        names=names,
        rows=tuple(rows[:MOST_ROWS]),
        total=len(rows),
        failed=tuple(row for row in rows if row.message),
        charts=tuple(charts),
    )


def shown(value: Any) -> str:
    """A parameter's value as one writes it."""
    return value if isinstance(value, str) else json.dumps(value)


def importance_figure(result: TuningResult) -> Figure:
    """One bar a parameter, the most important on top."""
    names = list(result.importance)
    shares = list(result.importance.values())
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": shares,
                "y": list(range(len(names))),
                "text": [plain(name) for name in names],
                "textposition": "none",
                "customdata": [formats.share(share) for share in shares],
                "marker": {"color": "var(--accent)"},
                "hovertemplate": "%{text}: %{customdata}<extra></extra>",
            }
        ],
        "layout": {
            "height": len(names) * _ROW_HEIGHT + 70,
            "showlegend": False,
            "xaxis": {
                "title": {"text": "Share of the differences"},
                "tickformat": ".0%",
                "rangemode": "tozero",
                "nticks": 5,
            },
            "yaxis": {
                "tickmode": "array",
                "tickvals": list(range(len(names))),
                "ticktext": [plain(n.partition(".")[2], _LABEL_LENGTH) for n in names],
                "autorange": "reversed",
            },
        },
    }


def trials_figure(result: TuningResult) -> Figure:
    """The score of every trial in their order, and a line of the best so far."""
    sign = 1.0 if result.direction == "max" else -1.0
    data: list[Figure] = []
    steps: list[tuple[int, float]] = []
    for trial in result.trials:
        if trial.score is not None:
            best = max([sign * trial.score, *(sign * value for _, value in steps[-1:])])
            steps.append((int(trial.trial) + 1, sign * best))
    data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "x": [number for number, _ in steps],
            "y": [value for _, value in steps],
            "line": {"color": "var(--test)", "width": 1.5, "shape": "hv"},
            "hoverinfo": "skip",
        }
    )
    for state, (name, symbol, color) in _MARKS.items():
        trials = [t for t in result.trials if t.state == state]
        if trials:
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": [int(t.trial) + 1 for t in trials],
                    "y": [t.score for t in trials],
                    "text": [_told(t, list(result.configured)) for t in trials],
                    "marker": {"size": 9, "symbol": symbol, "color": color},
                    "hovertemplate": "trial %{x}: %{y:.4f}<br>%{text}<extra></extra>",
                }
            )
    return {
        "data": data,
        "layout": {
            "xaxis": {"title": {"text": "Trial"}, "nticks": 10, "zeroline": False},
            "yaxis": {"title": {"text": plain(result.objective)}, "zeroline": False},
        },
    }


def _told(trial: TrialOutcome, names: Sequence[str]) -> str:
    values = (f"{name} {plain(shown(trial.values[name]))}" for name in names)
    return "<br>".join(values)


def _row(trial: TrialOutcome, names: Sequence[str]) -> _Row:
    return _Row(
        number=int(trial.trial) + 1,
        state=trial.state,
        score=formats.metric(trial.score),
        epochs=formats.count(trial.epochs),
        time=formats.duration(trial.seconds),
        values=tuple(shown(trial.values[name]) for name in names),
        message=trial.message,
    )


def _rank(trial: TrialOutcome, direction: str) -> tuple[bool, float, int]:
    sign = -1.0 if direction == "max" else 1.0
    score = 0.0 if trial.score is None else sign * trial.score
    return trial.score is None, score, int(trial.trial)
