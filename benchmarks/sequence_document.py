"""The comparison of models of a history as a document with charts."""

import json
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from document_parts import dots_svg, table
from sequence_trials import Result

from clickwright.pipeline.bench.machine import this_machine

FIGURES = ("auc", "gauc", "logloss", "valid_auc", "examples_per_second")
_HEAD = """# Models of a history

What models make of the items that a person clicked before, and of the vectors of
items. Figures are means ± standard deviations over seeds; `sequence.json` has those of
every seed. Each line is a training of its own: `no history` never saw a history, `no
vectors` never the vectors of the item table. The validation split ends each training
and chooses its epoch; the test split is scored once. GAUC is the AUC within each user,
averaged by rows over users with and without clicks.

    python benchmarks/sequence.py --docs docs/benchmarks
"""
_ABOUT = {
    "marketplace": """## The simulated shop

The click probabilities are known: models learn from clicks, but are scored against the
probabilities of the test split, without the chance of the clicks that fell. The gap is
what a model lacks of their own AUC. Items have vectors that stand for picture and text.
The truth without histories leaves out what they add to the log odds. The truth without
vectors knows neither looks nor tastes, and past clicks are alike by their categories
alone; with `known items` it knows what clicks may teach of an item that is seen often:
what all people, and those of each segment, think of its looks. A model that made all of
vectors would lose, without them, as much as lies between the two.
""",
    "marketplace_20000_items": """## The simulated shop with ten times the items

Twenty thousand items in place of two thousand, in a log of the same size: clicks tell
little of a single one, and what is known of it stands in its vector.
""",
    "collm_ml1m": """## MovieLens-1M as CoLLM splits it

Whether a person likes a film, with what they had liked before. Films have vectors made
of their titles by latent semantic analysis.
""",
}


def write_document(
    results: Sequence[Sequence[Result]],
    truths: Mapping[str, Mapping[str, Mapping[str, float]]],
    folder: pathlib.Path,
    notes: Sequence[str] = (),
) -> pathlib.Path:
    """Writes `sequence.md`, `sequence.json` and a chart a data set.

    Args:
        results: by data set, model and ablation, those of all seeds; none empty.
        truths: metrics of the true probabilities on the test split, by `Trial.data`
            and ablation.
        folder: where to.
        notes: what is left out, and why.

    Returns:
        Path of the document.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sections = [_HEAD, *(f"{note}.\n" for note in notes)]
    for name in dict.fromkeys(line[0].trial.data for line in results):
        lines = [line for line in results if line[0].trial.data == name]
        text, chart = _section(name, lines, truths.get(name, {}))
        (folder / f"sequence_{name}.svg").write_text(chart, encoding="utf-8")
        sections.append(text)
    sections.append(_settings(results))
    figures = {
        "machine": this_machine().model_dump(mode="json"),
        "truths": truths,
        "lines": [_figures(line) for line in results],
    }
    path = folder / "sequence.json"
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    path = folder / "sequence.md"
    path.write_text("\n".join(sections), encoding="utf-8")
    return path


def _section(
    name: str,
    lines: Sequence[Sequence[Result]],
    truths: Mapping[str, Mapping[str, float]],
) -> tuple[str, str]:
    header = ["model", "ablation", "test AUC", "GAUC", "log loss"]
    header += ["parameters", "examples/s", "seeds"]
    best = truths["full"]["auc"] if truths else None
    if best is not None:
        header.insert(3, "gap to the truth")
    rows = []
    for ablation, truth in truths.items():
        cells = ["the truth", ablation, *(f"{truth[f]:.4f}" for f in FIGURES[:3])]
        cells.insert(3, f"{best - truth['auc']:.4f}")
        rows.append([*cells, "–", "–", "–"])
    for line in sorted(lines, key=lambda line: -_mean(line, "auc")):
        first = line[0]
        cells = [first.trial.model, first.trial.ablation]
        cells += [_told(line, figure) for figure in ("auc", "gauc", "logloss")]
        if best is not None:
            cells.insert(3, f"{best - _mean(line, 'auc'):.4f}")
        cells += [f"{first.parameters:,}", f"{_mean(line, 'examples_per_second'):,.0f}"]
        rows.append([*cells, str(len(line))])
    text = f"""{_ABOUT.get(name, f"## {name}")}
{table(header, rows, words=2)}
![Test AUC](sequence_{name}.svg)
"""
    chart = dots_svg(
        f"Test AUC on {name}",
        [
            (f"{x[0].trial.model}, {x[0].trial.ablation}", _mean(x, "auc"), _spread(x))
            for x in lines
        ],
        {} if best is None else {"true": best},
    )
    return text, chart


def _mean(line: Sequence[Result], figure: str) -> float:
    return statistics.fmean(getattr(result, figure) for result in line)


def _spread(line: Sequence[Result], figure: str = "auc") -> float | None:
    values = [getattr(result, figure) for result in line]
    return statistics.stdev(values) if len(values) > 1 else None


def _told(line: Sequence[Result], figure: str) -> str:
    spread = _spread(line, figure)
    mean = f"{_mean(line, figure):.4f}"
    return mean if spread is None else f"{mean} ± {spread:.4f}"


def _settings(results: Sequence[Sequence[Result]]) -> str:
    told = {}
    for line in results:
        trial = line[0].trial
        for name, said in (
            (f"{trial.data}, data", trial.options),
            (f"{trial.dataset}, training", trial.training),
            (f"{trial.dataset}, {trial.model}", trial.params),
        ):
            if said:
                told[name] = json.dumps(said)
    machine = this_machine().model_dump()
    return "\n".join(
        [
            "## Settings",
            "",
            "What is not named has its default.",
            "",
            *(f"* {name}: `{said}`" for name, said in told.items()),
            "",
            "Machine: " + ", ".join(f"{k} {v}" for k, v in machine.items() if v) + ".",
            "",
        ]
    )


def _figures(line: Sequence[Result]) -> dict[str, Any]:
    trial = line[0].trial
    return {
        **trial.model_dump(mode="json", exclude={"seed"}),
        "parameters": line[0].parameters,
        "mean": {name: _mean(line, name) for name in FIGURES},
        "deviation": {name: _spread(line, name) for name in FIGURES},
        "seeds": {
            str(result.trial.seed): {
                **{name: getattr(result, name) for name in FIGURES},
                "epochs": result.epochs,
                "seconds": result.seconds,
            }
            for result in line
        },
    }
