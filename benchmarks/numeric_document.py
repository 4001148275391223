"""The comparison of numeric encoders as a document with charts."""

import collections
import html
import json
import pathlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from document_parts import WIDTH, dots_svg, svg, table
from numeric_trials import (
    AUTO,
    RULES,
    STEP_EDGES,
    STEP_PROBABILITIES,
    Result,
    Settings,
)

from clickwright.pipeline.bench.machine import this_machine

PUBLISHED = {"C4.5": 15.54, "C4.5-auto": 14.46, "NBTree": 14.10, "FSS-NB": 14.05}
"""Test errors in percent, as `adult.names` lists them."""
STEP_AUC = 0.9
"""Of the true probabilities: half of the rows have .9, the others .1."""


class Line:
    """The results of all seeds of one model with one encoder.

    Args:
        results: at least one.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = results
        self.settings: Settings = results[0].trial.settings
        self.encoder = results[0].trial.encoder

    @property
    def label(self) -> str:
        """The encoder as the document calls it."""
        return {
            "linear": "linear (`x * v`)",
            "autodis_without_bias": "autodis without biases",
            "autodis_without_bias_sharp": "the same, temperature 0.01",
            RULES: "rules (left to the Discretizer)",
            AUTO: "auto (searched by training)",
        }.get(self.encoder, self.encoder)

    def values(self, name: str) -> list[float]:
        """A figure of each seed."""
        return [getattr(result, name) for result in self.results]

    def mean(self, name: str) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.values(name))

    def deviation(self, name: str) -> float | None:
        """Sample standard deviation; None with one seed."""
        values = self.values(name)
        return statistics.stdev(values) if len(values) > 1 else None

    def told(self, name: str, digits: int, factor: float = 1.0) -> str:
        """Mean and deviation in words."""
        deviation = self.deviation(name)
        mean = f"{factor * self.mean(name):.{digits}f}"
        return (
            mean if deviation is None else f"{mean} ± {factor * deviation:.{digits}f}"
        )


def write_document(
    results: Sequence[Sequence[Result]],
    bayes: float | None,
    folder: pathlib.Path,
    note: str = "",
) -> pathlib.Path:
    """Writes `numeric.md`, `numeric.json` and the charts.

    Args:
        results: by model and encoder, those of all seeds; none of them empty.
        bayes: test AUC of the shop's true click probabilities.
        folder: where to.
        note: why something is left out.

    Returns:
        Path of the document.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[Line]] = collections.defaultdict(list)
    for rows in results:
        line = Line(rows)
        parts[line.settings.part].append(line)
    sections = [_HEAD]
    if note:
        sections.append(f"{note}.\n")
    writers: Mapping[str, Callable[[list[Line]], tuple[str, str]]] = {
        "step": _step,
        "adult": _adult,
        "criteo_8k": _criteo,
        "marketplace": lambda lines: _marketplace(lines, bayes),
    }
    for part, write in writers.items():
        if parts[part]:
            text, chart = write(parts[part])
            (folder / f"numeric_{part}.svg").write_text(chart, encoding="utf-8")
            sections.append(text)
    sections.append(_settings([line for part in parts.values() for line in part]))
    figures = {
        "machine": this_machine().model_dump(mode="json"),
        "published_adult_errors": PUBLISHED,
        "bayes_test_auc": {"step": STEP_AUC, "marketplace": bayes},
        "lines": [_figures(line) for part in parts.values() for line in part],
    }
    path = folder / "numeric.json"
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    path = folder / "numeric.md"
    path.write_text("\n".join(sections), encoding="utf-8")
    return path


_HEAD = """# Encoders of numeric features

How well models do when the numbers of a log are embedded in different ways. Figures are
means ± standard deviations over seeds; `numeric.json` has those of every seed. The
validation split ends each training and chooses its epoch; the test split is scored
once.

    python benchmarks/numeric.py --docs docs/benchmarks
"""


def _step(lines: list[Line]) -> tuple[str, str]:
    edges = ", ".join(f"{edge:g}" for edge in STEP_EDGES)
    rows = [[x.label, x.told("auc", 4), x.told("logloss", 4)] for x in lines]
    text = f"""## A step function of one number

`x` lies evenly between 0 and 1, and the click probability jumps between
{STEP_PROBABILITIES[0]:g} and {STEP_PROBABILITIES[1]:g} at {edges}. The model is a linear
layer on the embedding of `x`, so that all else must come from the embedding. The true
probabilities have an AUC of {STEP_AUC}.

{table(["embedding", "test AUC", "log loss"], rows)}
Without biases AutoDis ranks its meta-embeddings alike for all positive values, and a
larger `x` only sharpens the choice. At a temperature of 0.1 that alone still tells some
ranges apart; where the choice is sharp for nearly all `x`, nothing is left of it.

![Learned click probabilities](numeric_step.svg)
"""
    return text, _curves_svg(lines)


def _adult(lines: list[Line]) -> tuple[str, str]:
    rows = [
        [
            x.label,
            x.told("error", 2, 100.0),
            x.told("auc", 4),
            x.told("logloss", 4),
            f"{x.results[0].parameters:,}",
            str(len(x.results)),
        ]
        for x in lines
    ]
    rows += [
        [f"{name}, published", f"{error:.2f}", "", "", "", ""]
        for name, error in PUBLISHED.items()
    ]
    header = ["encoder", "test error, %", "AUC", "log loss", "parameters", "seeds"]
    model = lines[0].settings.model
    text = f"""## Adult

Who earned more than 50,000 dollars, by six numbers and eight categories; rows with
unknown values are left out, as in the published figures. `{model}`, with the encoder
of the row for all six numbers. 15,060 test rows: an error of 14 % has a standard error
of 0.28 % by itself, but all encoders are measured on the same rows.

{table(header, rows)}{_chosen(lines)}
![Test errors](numeric_adult.svg)
"""
    chart = dots_svg(
        "Test error on Adult, %",
        [(x.label, x.mean("error") * 100, _times(x.deviation("error"))) for x in lines],
        {name: PUBLISHED[name] for name in ("C4.5", "NBTree")},
    )
    return text, chart


def _criteo(lines: list[Line]) -> tuple[str, str]:
    rows = [
        [
            x.label,
            x.told("valid_logloss", 4),
            x.told("auc", 4),
            x.told("logloss", 4),
            f"{x.results[0].parameters:,}",
            str(len(x.results)),
        ]
        for x in lines
    ]
    header = ["encoder", "valid log loss", "AUC", "log loss", "parameters", "seeds"]
    text = f"""## Criteo's first 8,000 rows

Thirteen counts, a fifth of them missing, beside 26 categories. `{lines[0].settings.model}`,
with the encoder of the row for all thirteen. 391 test rows: an AUC has a standard error
of about 0.03 by itself; all encoders are measured on the same rows.

{table(header, rows)}{_chosen(lines)}
![Test log loss](numeric_criteo_8k.svg)
"""
    chart = dots_svg(
        "Test log loss on Criteo's first rows",
        [(x.label, x.mean("logloss"), x.deviation("logloss")) for x in lines],
        {},
    )
    return text, chart


def _marketplace(lines: list[Line], bayes: float | None) -> tuple[str, str]:
    if bayes is None:
        raise ValueError("`bayes` must be known where the shop was simulated.")
    rows = [
        [
            x.settings.model,
            x.label,
            x.told("auc", 4),
            f"{bayes - x.mean('auc'):.4f}",
            x.told("logloss", 4),
            str(len(x.results)),
        ]
        for x in lines
    ]
    header = ["model", "encoder", "test AUC", "gap to Bayes", "log loss", "seeds"]
    text = f"""## The simulated shop

Two of the features are numbers: the price of the item and the budget of the shopper.
The true click probabilities have an AUC of {bayes:.4f} on the test rows; the gap is what
a model lacks of it.

{table(header, rows, words=2)}{_chosen(lines)}
![Gap to the true click probabilities](numeric_marketplace.svg)
"""
    chart = dots_svg(
        "AUC below that of the true click probabilities",
        [
            (
                f"{x.settings.model}, {x.encoder}",
                bayes - x.mean("auc"),
                x.deviation("auc"),
            )
            for x in lines
        ],
        {},
    )
    return text, chart


def _chosen(lines: Sequence[Line]) -> str:
    """What rules and search have chosen, in words."""
    told = [
        f"`{line.encoder}`"
        + (f" ({line.settings.model})" if line.settings.part == "marketplace" else "")
        + ": "
        + ", ".join(f"{f} {e}" for f, e in line.results[0].encoders.items())
        + ".\n"
        for line in lines
        if line.encoder in (RULES, AUTO)
    ]
    return "\n" + "\n".join(told) if told else ""


def _settings(lines: Sequence[Line]) -> str:
    known = {line.settings.model_dump_json(): line.settings for line in lines}
    told = [
        f"* {s.part}, {s.model}: "
        + "; ".join(
            f"{name} {json.dumps(values)}"
            for name, values in (
                ("parameters", s.params),
                ("training", s.training),
                ("data", s.data),
            )
            if values
        )
        for s in known.values()
    ]
    machine = this_machine().model_dump()
    return "\n".join(
        [
            "## Settings",
            "",
            "What is not named has its default.",
            "",
            *told,
            "",
            "Machine: " + ", ".join(f"{k} {v}" for k, v in machine.items() if v) + ".",
            "",
        ]
    )


def _figures(line: Line) -> dict[str, Any]:
    names = ("auc", "logloss", "error", "valid_auc", "valid_logloss", "valid_error")
    return {
        "part": line.settings.part,
        "model": line.settings.model,
        "encoder": line.encoder,
        "parameters": line.results[0].parameters,
        "encoders": line.results[0].encoders,
        "mean": {name: line.mean(name) for name in names},
        "deviation": {name: line.deviation(name) for name in names},
        "seeds": {
            str(r.trial.seed): {
                **{name: getattr(r, name) for name in names},
                "epochs": r.epochs,
                "seconds": r.seconds,
            }
            for r in line.results
        },
        "settings": line.settings.model_dump(mode="json"),
    }


def _times(deviation: float | None) -> float | None:
    return None if deviation is None else 100.0 * deviation


def _curves_svg(lines: Sequence[Line]) -> str:
    """Probabilities by `x`: the true ones, and those of each embedding's first seed."""
    title = "Click probability by x: true (dashed) and learned"
    left, top, width, height = 52, 44, WIDTH - 52 - 180, 220

    def place(x: float, p: float) -> str:
        return f"{left + x * width:.1f},{top + (1 - p) * height:.1f}"

    parts = [f'<text x="14" y="22">{title}</text>']
    for p in (0.0, 0.5, 1.0):
        y = top + (1 - p) * height
        parts.append(f'<path class="grid" d="M{left} {y}h{width}"/>')
        parts.append(
            f'<text class="tick" x="{left - 8}" y="{y + 4}" '
            f'text-anchor="end">{p:g}</text>'
        )
    for x in (0.0, *STEP_EDGES, 1.0):
        parts.append(
            f'<text class="tick" x="{left + x * width:.1f}" y="{top + height + 18}" '
            f'text-anchor="middle">{x:g}</text>'
        )
    edges = (0.0, *STEP_EDGES, 1.0)
    true = " ".join(
        f"{place(edges[n], p)} {place(edges[n + 1], p)}"
        for n, p in enumerate(STEP_PROBABILITIES)
    )
    parts.append(f'<polyline class="curve mark" points="{true}"/>')
    for n, line in enumerate(lines):
        curve = line.results[0].curve
        points = " ".join(place(at / (len(curve) - 1), p) for at, p in enumerate(curve))
        parts.append(f'<polyline class="curve curve{n}" points="{points}"/>')
        parts.append(
            f'<text class="curve{n}t" x="{left + width + 14}" y="{top + 16 + 20 * n}">'
            f"{html.escape(line.label.replace('`', ''))}</text>"
        )
    return svg(title, top + height + 34, parts)
