"""What the report says of numeric fields."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clickwright.pipeline.report import numeric_charts
from clickwright.schemas.autodis_report import (
    AutoDisReport,
    FieldReport,
    SplitValues,
)
from clickwright.schemas.discretization_plan import FieldPlan
from clickwright.schemas.html_page import formats
from clickwright.schemas.html_page.figure import Figure
from clickwright.schemas.spec import SPLITS

CHARTS: dict[str, tuple[str, str, Callable[[FieldReport], Figure | None]]] = {
    "response": (
        "Response and click rate",
        "Predicted click rate with the field set to each value, and the actual one",
        numeric_charts.response,
    ),
    "bins": (
        "Bins along the values",
        "Weight of every bin at every value",
        numeric_charts.bins,
    ),
    "path": (
        "Embedding along the values",
        "Two principal components of the embedding at every value",
        numeric_charts.path,
    ),
    "usage": (
        "Use of the bins",
        "Mean weight of every bin over the training split",
        numeric_charts.usage,
    ),
}
"""Heading, description and figure, by key."""


@dataclass(frozen=True)
class _FieldRow:
    """One line of the overview."""

    name: str
    encoder: str
    bins: str
    dead: str
    temperature: str
    drift: str
    response: str
    missing: str


@dataclass(frozen=True)
class _Decision:
    """One decision of the plan."""

    field: str
    name: str
    value: str
    by: str
    reason: str


@dataclass(frozen=True)
class _ValueRow:
    """What a field's splits hold beside the values of the training range."""

    name: str
    missing: str
    non_finite: str
    below: str
    above: str


@dataclass(frozen=True)
class _CurveTables:
    """The numbers of a field's charts.

    Attributes:
        name: the field.
        clicks: values, rows and click rate of each bin.
        curve: value, predicted click rate, strongest bin and its weight.
    """

    name: str
    clicks: tuple[tuple[str, str, str], ...]
    curve: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class NumericView:
    """The section of numeric fields."""

    warnings: tuple[tuple[str, str], ...]
    rows: tuple[_FieldRow, ...]
    decisions: tuple[_Decision, ...]
    splits: tuple[str, ...]
    values: tuple[_ValueRow, ...]
    searches: tuple[tuple[str, Any], ...]
    """Field and `Search`, of the fields whose encoder was searched for."""
    charts: tuple[tuple[str, str, str], ...]
    """Key, heading and description of the charts that some field has."""
    chosen: tuple[tuple[int, str], ...]
    """Number and name of the fields with charts."""
    tables: tuple[_CurveTables, ...]
    response_rows: int


def numeric_view(
    report: AutoDisReport | None, figures: dict[str, Figure]
) -> NumericView | None:
    """The section's content; None where there is nothing to show.

    Adds to `figures` those of every field, by `numeric/<chart>/<number>`.
    """
    if report is None or not report.fields:
        return None
    fields = list(report.fields.items())
    drawn: dict[str, list[int]] = {key: [] for key in CHARTS}
    for i, (_, field) in enumerate(fields):
        for key, (_, _, figure_of) in CHARTS.items():
            figure = figure_of(field)
            if figure is not None:
                figures[f"numeric/{key}/{i}"] = figure
                drawn[key].append(i)
    splits = list(dict.fromkeys(itertools.chain(*(f.splits for _, f in fields))))
    splits.sort(key=lambda s: SPLITS.index(s) if s in SPLITS else len(SPLITS))
    charted = {i for numbers in drawn.values() for i in numbers}
    return NumericView(
        warnings=report.warnings(),
        rows=tuple(_row(name, field) for name, field in fields),
        decisions=tuple(d for name, f in fields for d in _decisions(name, f.plan)),
        splits=tuple(splits),
        values=tuple(_values(name, field, splits) for name, field in fields),
        searches=tuple((n, f.plan.search) for n, f in fields if f.plan.search),
        charts=tuple(
            (key, heading, description)
            for key, (heading, description, _) in CHARTS.items()
            if drawn[key]
        ),
        chosen=tuple((i, name) for i, (name, _) in enumerate(fields) if i in charted),
        tables=tuple(_tables(name, field) for name, field in fields if field.grid),
        response_rows=report.response_rows,
    )


def _row(name: str, field: FieldReport) -> _FieldRow:
    unknown = formats.UNKNOWN
    usage = field.usage
    response = (
        f"{formats.metric(min(field.response))} to "
        f"{formats.metric(max(field.response))}"
        if field.response
        else unknown
    )
    return _FieldRow(
        name=name,
        encoder=field.plan.encoding.kind,
        bins=f"{usage.effective:.1f} of {len(usage.shares)}" if usage else unknown,
        dead=str(len(usage.dead)) if usage else unknown,
        temperature=formats.quantity(field.temperature),
        drift=formats.metric(usage.drift if usage else None),
        response=response,
        missing=formats.metric(field.response_missing),
    )


def _decisions(name: str, plan: FieldPlan) -> list[_Decision]:
    return [
        _Decision(
            field=name,
            name=decision.replace("_", " "),
            value=_decided(decision, plan),
            by="spec" if decision in plan.given else "data",
            reason=reason,
        )
        for decision, reason in plan.reasons.items()
    ]


def _decided(decision: str, plan: FieldPlan) -> str:
    """What was decided; empty where the reason says it itself."""
    match decision:
        case "scaling":
            return plan.scaling.kind
        case "encoder":
            return plan.encoding.kind
        case "missing" if plan.scaling.missing is None:
            return "an embedding of its own"
        case "missing":
            return f"{formats.quantity(plan.scaling.missing)}, scaled"
    value = getattr(plan.encoding, decision, "")
    if isinstance(value, tuple):
        return f"{len(value)} values" if len(value) > 4 else ", ".join(map(str, value))
    return str(value)


def _values(name: str, field: FieldReport, splits: Sequence[str]) -> _ValueRow:
    def shares(of: Callable[[SplitValues], float]) -> str:
        return " · ".join(
            formats.share(of(field.splits[split]) if split in field.splits else None)
            for split in splits
        )

    return _ValueRow(
        name=name,
        missing=shares(lambda s: s.missing),
        non_finite=shares(lambda s: s.non_finite),
        below=shares(lambda s: s.below),
        above=shares(lambda s: s.above),
    )


def _tables(name: str, field: FieldReport) -> _CurveTables:
    clicks = [
        (numeric_charts.bin_name(b), formats.count(b.rows), formats.metric(b.rate))
        for b in field.click_rates
    ]
    curve = []
    for i, (value, predicted) in enumerate(
        zip(field.grid, field.response, strict=True)
    ):
        strongest = formats.UNKNOWN
        if field.assignments is not None:
            weights = field.assignments[i]
            b = max(range(len(weights)), key=weights.__getitem__)
            strongest = f"{b} ({formats.share(weights[b])})"
        curve.append((formats.quantity(value), formats.metric(predicted), strongest))
    if field.missing_clicks is not None:
        m = field.missing_clicks
        clicks.append(("missing", formats.count(m.rows), formats.metric(m.rate)))
    if field.response_missing is not None:
        curve.append(
            ("missing", formats.metric(field.response_missing), formats.UNKNOWN)
        )
    return _CurveTables(name, tuple(clicks), tuple(curve))
