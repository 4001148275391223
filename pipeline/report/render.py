"""Writes the report of a run: one HTML file that needs no network."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from clickwright.components.evaluation.result import SliceMetrics, SplitResult
from clickwright.components.tuner.result import changed
from clickwright.pipeline.report import charts, dag
from clickwright.pipeline.report.anomalies import ComparisonRecord
from clickwright.pipeline.report.comparison import (
    METRICS,
    RANKING,
    ablation_table,
    metric_rows,
)
from clickwright.pipeline.report.items import item_view
from clickwright.pipeline.report.numerics import numeric_view
from clickwright.pipeline.report.off_policy import off_policy_view
from clickwright.pipeline.report.record import NodeRecord, RunRecord
from clickwright.pipeline.report.serving import serving_view
from clickwright.pipeline.report.statistics import FeatureStatistics
from clickwright.pipeline.report.tuning import tuning_view
from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.html_page import formats
from clickwright.schemas.html_page.card import Card
from clickwright.schemas.html_page.figure import Figure
from clickwright.schemas.html_page.page import page_template, render_page
from clickwright.schemas.spec import SPLITS

FOLDER = pathlib.Path(__file__).parent
MOST_ROWS = 200
"""Slices listed in a table; the chart shows the largest of them."""
SPARK_BARS = 14
SECTIONS = {
    "verdict": "Verdict",
    "dag": "Pipeline",
    "metrics": "Metrics",
    "slices": "Slices",
    "calibration": "Calibration",
    "tuning": "Search",
    "learning": "Learning",
    "data": "Data",
    "anomalies": "Data check",
    "numerics": "Numeric fields",
    "items": "Item tables",
    "serving": "Serving",
    "lineage": "Lineage",
    "config": "Configuration",
}
"""Sections by id; those whose view is None are left out."""


def write_report(record: RunRecord, path: pathlib.Path | str) -> int:
    """Writes the report; a reader sees the old file or the new one, never a part.

    Returns:
        The size of the file in bytes.

    Raises:
        MachineError: the folder cannot be written to or the disk is full.
    """
    page = render(record)
    write_text(pathlib.Path(path), page)
    return len(page.encode())


def render(record: RunRecord) -> str:
    """Returns the whole page."""
    figures: dict[str, Figure] = {}
    view = _view(record, figures)
    contents = [
        (section, title)
        for section, title in SECTIONS.items()
        if view.get(section, True) is not None
    ]
    return render_page(_template(), view, figures, contents)


@dataclass(frozen=True)
class _Verdict:
    """The first words of the report; `tone` is `good`, `bad` or `warn`."""

    tone: str
    headline: str
    sentence: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class _SliceGroup:
    """The slices of one column, or of one combination of columns."""

    name: str
    largest: Sequence[SliceMetrics]
    total: int


@dataclass(frozen=True)
class _FeatureRow:
    """One line of the statistics table."""

    name: str
    type: str
    missing: str
    unique: str
    summary: str
    spark: tuple[float, ...]
    chart: str | None


def _view(record: RunRecord, figures: dict[str, Figure]) -> dict[str, Any]:
    """Everything that the template needs; adds the charts to `figures`."""
    splits = record.evaluation.splits if record.evaluation else {}
    valid, test = splits.get("valid"), splits.get("test")
    bayes = record.bayes or {}
    blessed = (record.evaluation and record.evaluation.baseline) or {}
    rows = metric_rows(
        valid.overall if valid else {},
        test.overall if test else {},
        blessed,
        bayes.get("test", {}),
    )
    models: list[tuple[str, str, Mapping[str, float]]] = [
        ("test", "var(--test)", test.overall if test else {}),
        ("valid", "var(--valid)", valid.overall if valid else {}),
        ("blessed, test", "var(--muted)", blessed),
        ("Bayes, test", "var(--accent)", bayes.get("test", {})),
    ]
    if any(row.metric.key == "auc" for row in rows):
        figures["comparison"] = charts.comparison(
            [m for m in METRICS if m.key in ("auc", "logloss")],
            [model for model in models if model[2]],
        )
    groups = _slice_groups(test) if test else []
    for i, group in enumerate(groups):
        for metric in METRICS:
            overall = test.overall.get(metric.key) if test else None
            if any(metric.key in s.metrics for s in group.largest):
                figures[f"slices/{i}/{metric.key}"] = charts.slices(
                    group.largest, metric, overall
                )
    curves = {
        s: [b for b in splits[s].calibration if b.rows > 0]
        for s in ("valid", "test")
        if s in splits
    }
    if any(curves.values()):
        figures["calibration"] = charts.calibration(curves)
    learning = charts.learning_curves(
        record.learning_curve, bayes.get("valid", {}).get("auc")
    )
    figures |= {f"learning/{title}": figure for title, figure in learning.items()}
    features = _feature_rows(record, figures)
    numerics = numeric_view(record.numerics, figures)
    return {
        "record": record,
        "verdict": _verdict(record),
        "cards": _cards(record),
        "dag": dag.layout({n.name: n.upstream for n in record.nodes}),
        "node_width": dag.WIDTH,
        "node_height": dag.HEIGHT,
        "longest": max((n.seconds or 0.0 for n in record.nodes), default=0.0),
        "metrics": METRICS,
        "rows": rows,
        "ablations": ablation_table(
            test.overall if test else {},
            record.evaluation.ablations if record.evaluation else {},
        ),
        "off_policy": off_policy_view(
            record.evaluation.off_policy if record.evaluation else None
        ),
        "valid": valid,
        "test": test,
        "groups": groups,
        "curves": curves,
        "tuning": tuning_view(record.tuning, figures),
        "learning": list(learning),
        "features": features,
        "numerics": numerics,
        "items": item_view(record.items),
        "serving": serving_view(record.serving),
        "comparisons": _closest_first(record),
        "splits": {s: record.statistics[s] for s in _split_names(record)},
    }


def _verdict(record: RunRecord) -> _Verdict:
    model = f"Model {record.model}"
    if record.version:
        model += f", version {record.version},"
    reasons = record.failures
    if not reasons and record.evaluation:
        reasons = record.evaluation.failures
    if record.error is not None:
        failed = [n.name for n in record.nodes if n.state == "failed"]
        where = f" in {', '.join(failed)}" if failed else ""
        return _Verdict("bad", f"The run failed{where}", "Nothing was published.")
    if record.evaluation is None and record.tuning is not None:
        found = len(changed(record.tuning))
        return _Verdict(
            "good",
            "Better parameters found" if found else "No better parameters found",
            f"Of {len(record.tuning.trials)} trials. Nothing was trained with them, nor "
            "published.",
        )
    if not record.blessed and record.evaluation is None:
        return _Verdict(
            "warn", "Not evaluated", "Nothing was published: there are no metrics."
        )
    if not record.blessed:
        return _Verdict(
            "bad",
            "Not blessed",
            f"{model} was not published.",
            reasons,
        )
    if record.serving is not None and not record.serving.blessed:
        return _Verdict(
            "bad",
            "Failed in the server",
            f"{model} passed every threshold, and was not published.",
            record.serving.failures,
        )
    if record.published is None:
        return _Verdict(
            "warn",
            "Blessed, not published",
            f"{model} passed every threshold.",
        )
    return _Verdict(
        "good",
        "Blessed and published",
        f"{model} passed every threshold.",
    )


def _cards(record: RunRecord) -> list[Card]:
    cards = []
    splits = record.evaluation.splits if record.evaluation else {}
    auc = METRICS[0]
    if "test" in splits:
        test = splits["test"].overall
        valid = splits["valid"].overall if "valid" in splits else {}
        if "auc" not in test:
            return [*_ranking_cards(test, valid), *_run_cards(record)]
        cards.append(
            Card(
                "Test AUC",
                formats.metric(test.get("auc")),
                f"valid {formats.metric(valid.get('auc'))}",
            )
        )
        best = (record.bayes or {}).get("test", {}).get("auc")
        gap = auc.compare(test.get("auc"), best)
        if gap.value is not None:
            cards.append(
                Card(
                    "Gap to Bayes",
                    formats.signed(gap.value),
                    f"the best possible AUC is {formats.metric(best)}",
                )
            )
        baseline = (record.evaluation and record.evaluation.baseline) or {}
        step = auc.compare(test.get("auc"), baseline.get("auc"))
        if step.value is not None:
            cards.append(
                Card(
                    "AUC against blessed",
                    formats.signed(step.value),
                    f"{step.verdict}: blessed {formats.metric(baseline.get('auc'))}",
                    {"better": "good", "worse": "bad", "same": ""}[step.verdict],
                )
            )
        cards.append(
            Card(
                "Test log loss",
                formats.metric(test.get("logloss")),
                f"normalised entropy {formats.metric(test.get('ne'))}",
            )
        )
        cards.append(
            Card(
                "Test PCOC",
                formats.metric(test.get("pcoc")),
                f"calibration error {formats.metric(test.get('ece'))}",
            )
        )
        cards.append(
            Card("Test rows", formats.count(test.get("rows")), "in the evaluation")
        )
    return [*cards, *_run_cards(record)]


def _ranking_cards(test: Mapping[str, float], valid: Mapping[str, float]) -> list[Card]:
    cards = [
        Card(
            f"Test {metric.label}",
            formats.metric(test.get(metric.key)),
            f"valid {formats.metric(valid.get(metric.key))}",
        )
        for metric in RANKING
    ]
    rows = formats.count(test.get("queries"))
    return [*cards, Card("Test requests", rows, "in the evaluation")]


def _run_cards(record: RunRecord) -> list[Card]:
    cached = sum(n.state == "cached" for n in record.nodes)
    return [
        Card(
            "Run time",
            formats.duration(record.seconds),
            f"{cached} of {len(record.nodes)} nodes cached",
        )
    ]


def _slice_groups(result: SplitResult) -> list[_SliceGroup]:
    groups: dict[tuple[str, ...], list[SliceMetrics]] = {}
    for found in result.slices:
        if found.slice:
            groups.setdefault(tuple(c for c, _ in found.slice), []).append(found)
    return [
        _SliceGroup(
            " × ".join(columns),
            sorted(found, key=lambda s: -s.metrics.get("rows", 0.0))[:MOST_ROWS],
            len(found),
        )
        for columns, found in groups.items()
    ]


def _closest_first(record: RunRecord) -> list[ComparisonRecord]:
    """Drift and skew, those closest to their bounds first."""
    found = record.data_check.comparisons if record.data_check else ()
    return sorted(found, key=lambda c: -c.used)


def _split_names(record: RunRecord) -> list[str]:
    """The usual splits in their usual order, then any others."""
    usual = [s for s in SPLITS if s in record.statistics]
    return usual + [s for s in record.statistics if s not in SPLITS]


def _feature_rows(record: RunRecord, figures: dict[str, Figure]) -> list[_FeatureRow]:
    """Lines of the statistics table; adds the chart of each to `figures`."""
    splits = {s: record.statistics[s] for s in _split_names(record)}
    names = list(dict.fromkeys(n for s in splits.values() for n in s.features))
    rows = []
    for i, name in enumerate(names):
        found = [s.features.get(name) for s in splits.values()]
        first = next(f for f in found if f is not None)
        figure = charts.feature(name, splits)
        key = f"feature/{i}" if figure else None
        if key and figure:
            figures[key] = figure
        rows.append(
            _FeatureRow(
                name=name,
                type=f"list of {first.type}" if first.longest > 1 else first.type,
                missing=" · ".join(
                    formats.share(f.missing_share if f else 1.0) for f in found
                ),
                unique=formats.count(first.values.unique if first.values else None),
                summary=_summary(first),
                spark=_spark(first),
                chart=key,
            )
        )
    return rows


def _summary(feature: FeatureStatistics) -> str:
    if feature.numeric:
        n = feature.numeric
        low, middle, high = map(formats.quantity, (n.minimum, n.median, n.maximum))
        mean, deviation = formats.quantity(n.mean), formats.quantity(n.std_dev)
        return f"{low} … {middle} … {high}, mean {mean} ± {deviation}"
    if feature.values and feature.values.counts:
        top = list(feature.values.counts.items())[:3]
        return ", ".join(
            f"{value if len(value) <= 24 else value[:23] + '…'} "
            f"{formats.share(count / feature.values.total)}"
            for value, count in top
        )
    return formats.UNKNOWN


def _spark(feature: FeatureStatistics) -> tuple[float, ...]:
    """Heights from 0 to 1 of a histogram as small as a word."""
    heights: list[float] = []
    if feature.numeric:
        heights = [b.count for b in feature.numeric.histogram]
    elif feature.values:
        heights = list(feature.values.counts.values())[:SPARK_BARS]
    highest = max(heights, default=0.0)
    return tuple(h / highest for h in heights) if highest else ()


@functools.cache
def _template() -> jinja2.Template:
    return page_template(
        FOLDER,
        "report.html.j2",
        state_mark=_state_mark,
        slice_name=charts.slice_name,
    )


def _state_mark(node: NodeRecord) -> str:
    """The state for those who do not see colours."""
    return {"complete": "✓", "cached": "↺", "failed": "✕", "skipped": "–"}[node.state]
