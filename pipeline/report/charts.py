"""Plotly figures of the report, as plain dictionaries."""

import math
from collections.abc import Mapping, Sequence

from clickwright.components.evaluation.result import CalibrationBin, SliceMetrics
from clickwright.pipeline.report.comparison import Metric
from clickwright.pipeline.report.learning_curve import EpochRecord
from clickwright.pipeline.report.statistics import (
    Bucket,
    FeatureStatistics,
    SplitStatistics,
)
from clickwright.schemas.html_page import formats
from clickwright.schemas.html_page.figure import (
    Figure,
    dotted_line,
    name_ticks,
    panel_heading,
    plain,
)

MOST_SLICES = 30
MOST_VALUES = 12
ROW_HEIGHT = 26
"""Pixels a value on a vertical axis of names."""
HEAVY_TAIL = 20
"""Ratio of the maximum to the median from which an axis is logarithmic."""


def color(split: str) -> str:
    """The colour of a split, the same in all charts."""
    return f"var(--{split})" if split in ("train", "valid", "test") else "var(--ink)"


def comparison(
    metrics: Sequence[Metric], models: Sequence[tuple[str, str, Mapping[str, float]]]
) -> Figure:
    """One dot a model and metric, on a scale a metric.

    Args:
        metrics: one panel each, first on top.
        models: name, color and metrics of each model, first on top.
    """
    data = []
    layout: Figure = {
        "height": len(metrics) * (len(models) * 30 + 44) + 8,
        "showlegend": False,
        "margin": {"l": 8, "r": 12, "t": 4, "b": 8},
        "annotations": [],
    }
    share = 1 / len(metrics)
    for i, m in enumerate(metrics):
        number = "" if i == 0 else str(i + 1)
        shown = [(n, c, v[m.key]) for n, c, v in models if formats.known(v.get(m.key))]
        values = [v for _, _, v in shown]
        room = max((max(values) - min(values)) * 0.35, 1e-3) if values else 1e-3
        data.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": m.label,
                "x": values,
                "y": [plain(n) for n, _, _ in shown],
                "text": [formats.metric(v) for v in values],
                "textposition": "middle right",
                "cliponaxis": False,
                "marker": {"size": 11, "color": [c for _, c, _ in shown]},
                "hovertemplate": "%{y}: %{text}<extra></extra>",
                "xaxis": f"x{number}",
                "yaxis": f"y{number}",
            }
        )
        top = 1 - i * share
        layout[f"yaxis{number}"] = {
            "type": "category",
            "autorange": "reversed",
            "categoryorder": "array",
            "categoryarray": [plain(n) for n, _, _ in models],
            "domain": [top - share * 0.72, top - share * 0.1],
            "anchor": f"x{number}",
        }
        layout[f"xaxis{number}"] = {
            "range": [min(values) - room / 3, max(values) + room] if values else None,
            "nticks": 4,
            "anchor": f"y{number}",
        }
        layout["annotations"].append(
            panel_heading(f"{m.label} ({m.goal} is better)", top)
        )
    return {"data": data, "layout": layout}


def slices(
    found: Sequence[SliceMetrics], metric: Metric, overall: float | None
) -> Figure:
    """A metric and the rows of the largest slices of one column.

    Args:
        found: the slices, each with `rows` among its metrics. The largest are shown,
            by number where their values are numbers, else the largest first.
        metric: what the dots show.
        overall: the same metric over all rows, drawn as a line where it is known.
    """
    largest = sorted(found, key=lambda s: -s.metrics.get("rows", 0.0))[:MOST_SLICES]
    if all(_is_number(slice_name(s)) for s in largest):
        largest.sort(key=lambda s: float(slice_name(s)))  # hours, positions
    names = [slice_name(s) for s in largest]
    ticks = name_ticks(names)
    values = [s.metrics.get(metric.key) for s in largest]
    rows = [s.metrics.get("rows") for s in largest]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": metric.label,
        "x": values,
        "y": list(range(len(largest))),
        "text": [plain(n) for n in names],
        "customdata": [formats.count(r) for r in rows],
        "marker": {"size": 10, "color": "var(--test)"},
        "hovertemplate": f"%{{text}}<br>{metric.label} %{{x:.4f}}, "
        "%{customdata} rows<extra></extra>",
        "cliponaxis": False,
    }
    bars = {
        "type": "bar",
        "orientation": "h",
        "name": "rows",
        "x": rows,
        "y": list(range(len(largest))),
        "xaxis": "x2",
        "text": [plain(n) for n in names],
        "textposition": "none",
        "marker": {"color": "var(--muted)", "opacity": 0.55},
        "hovertemplate": "%{text}<br>%{x:,} rows<extra></extra>",
    }
    layout = {
        "height": len(largest) * ROW_HEIGHT + 90,
        "showlegend": False,
        "xaxis": {
            "domain": [0, 0.62],
            "title": {"text": metric.label},
            "nticks": 5,
            "tickangle": 0,
            "zeroline": False,
        },
        "xaxis2": {
            "domain": [0.68, 1],
            "title": {"text": "Rows"},
            "nticks": 2,
            "tickformat": "~s",
            "tickangle": 0,
        },
        "yaxis": {
            **ticks,
            "range": [len(largest) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
        },
        "margin": {"l": 8, "r": 16, "t": 26, "b": 8},
    }
    if overall is not None and formats.known(overall):
        layout["shapes"] = [
            dotted_line("x", overall, overall, "y domain", 0, 1, "var(--accent)")
        ]
        layout["annotations"] = [
            {
                "text": f"all rows {formats.metric(overall)}",
                "x": overall,
                "xref": "x",
                "y": 1,
                "yref": "y domain",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 12, "color": "var(--accent)"},
            }
        ]
    return {"data": [dots, bars], "layout": layout}


def slice_name(found: SliceMetrics) -> str:
    """The values of a slice: `mobile` or `mobile · 12`."""
    return " · ".join(value for _, value in found.slice)


def calibration(curves: Mapping[str, Sequence[CalibrationBin]]) -> Figure:
    """Actual over predicted click rate by bin, and where the rows lie below.

    Args:
        curves: bins by split, all of them with rows.
    """
    ends = [
        max(b.mean_prediction, b.mean_label) for bins in curves.values() for b in bins
    ]
    end = min(max(ends, default=1.0) * 1.06, 1.0)
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "perfect",
            "x": [0, end],
            "y": [0, end],
            "line": {"color": "var(--muted)", "dash": "dot", "width": 1.5},
            "hoverinfo": "skip",
        }
    ]
    for split, bins in curves.items():
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": split,
                "x": [b.mean_prediction for b in bins],
                "y": [b.mean_label for b in bins],
                "customdata": [formats.count(b.rows) for b in bins],
                "line": {"color": color(split), "width": 2},
                "marker": {"size": 7},
                "hovertemplate": "predicted %{x:.4f}, clicked %{y:.4f}<br>"
                f"%{{customdata}} rows of {split}<extra></extra>",
            }
        )
    # The last is the test split; bars on bars could not be told apart.
    for split, bins in list(curves.items())[-1:]:
        # The bins hold equally many rows: their density, not their height, tells
        # where the predictions lie. Many rows of one score make a bin without width.
        widths = [max(b.upper - b.lower, end / 200) for b in bins]
        total = sum(b.rows for b in bins)
        data.append(
            {
                "type": "bar",
                "name": f"rows of {split}",
                "showlegend": False,
                "x": [(b.lower + b.upper) / 2 for b in bins],
                "width": widths,
                "y": [b.rows / total / w for b, w in zip(bins, widths, strict=True)],
                "customdata": [formats.count(b.rows) for b in bins],
                "text": [
                    f"{formats.metric(b.lower)} to {formats.metric(b.upper)}"
                    for b in bins
                ],
                "textposition": "none",
                "yaxis": "y2",
                "marker": {"color": color(split), "opacity": 0.5},
                "hovertemplate": "predicted %{text}<br>"
                f"%{{customdata}} rows of {split}<extra></extra>",
            }
        )
    layout = {
        "height": 520,
        "xaxis": {
            "range": [0, end],
            "title": {"text": "Predicted click rate"},
            "anchor": "y2",
        },
        "yaxis": {
            "range": [0, end],
            "domain": [0.32, 1],
            "title": {"text": "Actual click rate"},
        },
        "yaxis2": {
            "domain": [0, 0.24],
            "title": {"text": "Rows"},
            "showticklabels": False,
        },
    }
    return {"data": data, "layout": layout}


def learning_curves(
    records: Sequence[EpochRecord], best_auc: float | None = None
) -> dict[str, Figure]:
    """One figure a quantity that the log knows, by title.

    Args:
        records: lines of the log, oldest first.
        best_auc: the valid split's AUC of the true probability, drawn as a line.
    """
    by_epoch = len({r.epoch for r in records}) == len(records)
    x = [r.epoch if by_epoch else r.step for r in records]
    panels = {
        "Loss": [
            ("training loss", "train", [r.loss for r in records]),
            ("valid log loss", "valid", [r.valid_logloss for r in records]),
        ],
        "Valid AUC": [("valid AUC", "valid", [r.valid_auc for r in records])],
        "Learning rate": [("learning rate", "", [r.learning_rate for r in records])],
        "Examples a second": [
            ("examples a second", "", [r.examples_per_second for r in records])
        ],
    }
    figures = {}
    for title, lines in panels.items():
        data: list[Figure] = [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": x,
                "y": values,
                "line": {"color": color(split), "width": 2},
                "marker": {"size": 6},
                "hovertemplate": f"%{{y:,.5~g}} {name}<extra></extra>",
            }
            for name, split, values in lines
            if any(formats.known(v) for v in values)
        ]
        if not data:
            continue
        figure: Figure = {
            "data": data,
            "layout": {
                "height": 240,
                "showlegend": len(data) > 1,
                "hovermode": "x unified",
                "margin": {"l": 8, "r": 12, "t": 30 if len(data) > 1 else 12, "b": 8},
                "xaxis": {
                    "title": {"text": "Epoch" if by_epoch else "Step"},
                    "tickformat": ",d",
                    "nticks": 8,
                },
                "yaxis": {
                    "nticks": 5,
                    "tickformat": "~g" if title != "Examples a second" else "~s",
                },
            },
        }
        if title == "Valid AUC" and formats.known(best_auc):
            figure["data"].append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": "Bayes-optimal",
                    "x": [x[0], x[-1]],
                    "y": [best_auc, best_auc],
                    "line": {"color": "var(--accent)", "dash": "dot", "width": 1.5},
                    "hovertemplate": "%{y:.4f} Bayes-optimal<extra></extra>",
                }
            )
            figure["layout"].update(showlegend=True)
            figure["layout"]["margin"]["t"] = 30
        figures[title] = figure
    return figures


def feature(name: str, splits: Mapping[str, SplitStatistics]) -> Figure | None:
    """How one column is distributed in each split; None where nothing is known."""
    found = {s: st.features[name] for s, st in splits.items() if name in st.features}
    if any(f.numeric for f in found.values()):
        return _numeric(found)
    if any(f.values and f.values.counts for f in found.values()):
        return _values(found)
    return None


def _values(found: Mapping[str, FeatureStatistics]) -> Figure:
    """Shares of the first split's most frequent values, in every split."""
    shares = {
        split: {v: c / f.values.total for v, c in f.values.counts.items()}
        for split, f in found.items()
        if f.values and f.values.counts
    }
    first = next(iter(shares.values()))
    names = list(first)[:MOST_VALUES]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": split,
            "x": [by_value.get(n) for n in names],
            "y": list(range(len(names))),
            "text": [plain(n) for n in names],
            "textposition": "none",
            "marker": {"color": color(split)},
            "hovertemplate": f"%{{text}}<br>%{{x:.2%}} of {split}<extra></extra>",
        }
        for split, by_value in shares.items()
    ]
    layout = {
        "height": len(names) * (8 + 10 * len(shares)) + 90,
        "xaxis": {
            "title": {"text": "Share of values"},
            "tickformat": ".0%" if max(first.values()) > 0.05 else ".1%",
            "nticks": 6,
        },
        "yaxis": {
            **name_ticks(names),
            "range": [len(names) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
        },
        "legend": {"traceorder": "normal"},
    }
    return {"data": data, "layout": layout}


def _numeric(found: Mapping[str, FeatureStatistics]) -> Figure:
    """Density from the histogram as steps, and quantiles as boxes below."""
    summaries = {s: f.numeric for s, f in found.items() if f.numeric}
    logarithmic = all(
        n.minimum > 0 and n.maximum > HEAVY_TAIL * n.median for n in summaries.values()
    )
    data: list[Figure] = []
    for split, n in summaries.items():
        # Equal widths are useless on a logarithmic axis: all rows are in the first.
        steps = _density(n.quantiles if logarithmic else n.histogram, logarithmic)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": split,
                "x": [low for low, _, _, _ in steps] + [steps[-1][1]] if steps else [],
                "y": [d for _, _, d, _ in steps] + [steps[-1][2]] if steps else [],
                "text": [
                    f"{formats.quantity(low)} to {formats.quantity(high)}: "
                    f"{formats.share(part)} of {split}"
                    for low, high, _, part in [*steps, *steps[-1:]]
                ],
                "line": {"shape": "hv", "color": color(split), "width": 2},
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    for split, n in summaries.items():
        quantiles = _quantiles(n.quantiles, (0.1, 0.25, 0.75, 0.9))
        if quantiles is None:
            continue
        p10, q1, q3, p90 = quantiles
        data.append(
            {
                "type": "box",
                "orientation": "h",
                "name": split,
                "showlegend": False,
                "y": [split],
                "lowerfence": [p10],
                "q1": [q1],
                "median": [n.median],
                "q3": [q3],
                "upperfence": [p90],
                "line": {"color": color(split), "width": 1.5},
                "yaxis": "y2",
                "hoverinfo": "x",
            }
        )
    boxes = any(trace["type"] == "box" for trace in data)
    layout = {
        "height": 360 if boxes else 260,
        "xaxis": {
            "type": "log" if logarithmic else "linear",
            "anchor": "y2" if boxes else "y",
            # Plotly would label 2 and 5 too, in a type too small to read.
            **({"dtick": 1, "tickformat": "~s"} if logarithmic else {"nticks": 7}),
            "title": {"text": "Value (boxes: 10, 25, 50, 75 and 90% quantiles)"}
            if boxes
            else {"text": "Value"},
        },
        "yaxis": {
            "domain": [0.4 if boxes else 0, 1],
            "title": {"text": "Density"},
            "showticklabels": False,
            "rangemode": "tozero",
        },
        "yaxis2": {"domain": [0, 0.32], "type": "category", "autorange": "reversed"},
    }
    return {"data": data, "layout": layout}


def _density(
    buckets: Sequence[Bucket], logarithmic: bool
) -> list[tuple[float, float, float, float]]:
    """Low, high, share a unit (or a decade) and share of each bucket.

    Comparable between splits, whose buckets differ. A bucket without width (many
    rows of one value) is joined with the next, the last with the one before.
    """
    total = sum(b.count for b in buckets)
    steps: list[tuple[float, float, float, float]] = []
    count, low = 0.0, None
    for bucket in buckets:
        count += bucket.count
        low = bucket.low if low is None else low
        width = math.log10(bucket.high / low) if logarithmic else bucket.high - low
        if width > 0:
            part = count / total if total else 0.0
            steps.append((low, bucket.high, part / width, part))
            count, low = 0.0, None
    if count and steps:
        start, end, _, part = steps[-1]
        part += count / total
        width = math.log10(end / start) if logarithmic else end - start
        steps[-1] = (start, end, part / width, part)
    elif count and low is not None:
        steps = [(low - 0.5, low + 0.5, 1.0, 1.0)]  # one value in all rows
    return steps


def _quantiles(
    buckets: Sequence[Bucket], levels: Sequence[float]
) -> list[float] | None:
    """Values below which each share of the rows lies, linear within a bucket."""
    total = sum(b.count for b in buckets)
    if not total:
        return None
    found = []
    for level in levels:
        left = level * total
        for bucket in buckets:
            if left <= bucket.count:
                break
            left -= bucket.count
        within = min(left / bucket.count, 1.0) if bucket.count else 0.0
        found.append(bucket.low + within * (bucket.high - bucket.low))
    return found


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
