"""What a search has found, for the console and the summary."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import rich.box
import rich.console
import rich.table
import rich.text
import yaml

from clickwright.components.tuner.result import TuningResult, changed
from clickwright.components.tuner.sections import by_section

_MOST_TRIALS = 10


def figures(result: TuningResult | None) -> dict[str, Any] | None:
    """The search in `summary.json`; None where there was none."""
    if result is None:
        return None
    return {
        "objective": result.objective,
        "best": result.best_trial.score,
        "as_configured": result.as_configured.score,
        "values": result.best_trial.values,
        "changed": changed(result),
        "importance": result.importance,
        "trials": [
            trial.model_dump(mode="json", exclude={"curve"}) for trial in result.trials
        ],
    }


def show(
    found: Mapping[str, Any], report: pathlib.Path, console: rich.console.Console
) -> None:
    """Prints the best trials, and the best values as they stand in a YAML.

    Args:
        found: what `figures` gave.
        report: where the report is.
        console: where it goes.
    """
    trials = found["trials"]
    first, scored = trials[0], [t for t in trials if t["score"] is not None]
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    for column in ("trial", found["objective"], "epochs"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("in place of the configured values")
    up = found["best"] >= max(trial["score"] for trial in scored)
    scored.sort(key=lambda trial: -trial["score"] if up else trial["score"])
    listed = scored[:_MOST_TRIALS]
    for trial in listed if first in listed else [*listed, first]:
        told = [
            f"{name.partition('.')[2]} {json.dumps(value)}"
            for name, value in trial["values"].items()
            if value != first["values"][name]
        ]
        if trial is first:
            told = ["as configured"]
        if trial["state"] != "complete":
            told.append(f"({trial['state']})")
        table.add_row(
            str(int(trial["trial"]) + 1),
            "–" if trial["score"] is None else f"{trial['score']:.4f}",
            str(trial["epochs"]),
            rich.text.Text(", ".join(told)),
        )
    console.print(table)
    failed = [trial for trial in trials if trial["state"] == "failed"]
    if failed:
        last = failed[0]["message"].splitlines()[-1]
        console.print(
            f"failed: {len(failed)}; the first, trial {int(failed[0]['trial']) + 1}: "
            f"{last}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if found["importance"]:
        shares = ", ".join(f"{n} {s:.0%}" for n, s in found["importance"].items())
        console.print(f"importance: {shares}", highlight=False, soft_wrap=True)
    if found["changed"]:
        console.print("better than the configuration, ready for its YAML:")
        console.print(_yaml(found["changed"]), highlight=False, soft_wrap=True)
    else:
        console.print("nothing was better than the configuration as it stands")
    console.print(f"report: {report}", highlight=False, soft_wrap=True)


def _yaml(values: Mapping[str, Any]) -> str:
    sections = by_section(values)
    content: dict[str, Any] = {}
    if sections["model"]:
        content["model"] = {"params": sections["model"]}
    if sections["training"]:
        content["training"] = sections["training"]
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=None).rstrip()
