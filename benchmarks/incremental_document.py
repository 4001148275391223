"""The comparison of a full window with training on, as a document."""

import json
import math
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from document_parts import table
from incremental_days import Day

from clickwright.pipeline.bench.machine import this_machine

MOST_LOST = 0.001
"""AUC that training on may lose against the full window."""
_HEAD = """# Training on from day to day

Each day of the simulated shop is a span. `full window` trains from scratch on the
{window} days that end with the new one, each day. The others train from scratch once,
on day {first}, and then go on from the model of the day before with what it has not
seen: one pass over the new day at a learning rate of {rate:g}. `the first model, as it
is` is never trained on: what the others gain over it they have learned from the new
days. Each model is scored on the whole next day, which none of them has seen, against
the true click probabilities: by the clicks that fell, the models of a day differ by
chance as much as the ways do. Seconds are those of the `clickwright run` of a day,
without loading libraries, and of its Trainer alone. All are means over the days after
day {first}, and over seeds of the training.

    python benchmarks/incremental.py --docs docs/benchmarks
"""


def later(days: Sequence[Day]) -> list[Day]:
    """The days after the first, of all seeds."""
    first = min(day.day for day in days)
    return [day for day in days if day.day > first]


def differences(
    arm: Sequence[Day], full: Sequence[Day], figure: str = "auc"
) -> list[float]:
    """A figure of an arm less that of the full window, by later day and seed."""
    of = {(day.seed, day.day): getattr(day, figure) for day in full}
    return [getattr(day, figure) - of[day.seed, day.day] for day in later(arm)]


def write_document(
    results: Mapping[str, Sequence[Day]],
    window: int,
    rate: float,
    shop: Mapping[str, object],
    folder: pathlib.Path,
) -> pathlib.Path:
    """Writes `incremental.md` and `incremental.json`.

    Args:
        results: days in order, seed by seed, by the label of each way; the full window
            first.
        window: days of the full window.
        rate: learning rate of the others.
        shop: options of the simulated shop.
        folder: where to.

    Returns:
        Path of the document.
    """
    folder.mkdir(parents=True, exist_ok=True)
    full = next(iter(results.values()))
    parts = [_HEAD.format(window=window, first=full[0].day, rate=rate)]
    rows = []
    for label, days in results.items():
        shown = [""] * 2
        if days is not full:
            shown = [
                _spread(differences(days, full, figure))
                for figure in ("auc", "clicked_auc")
            ]
        found = later(days)
        rows.append(
            [
                label,
                f"{_mean(found, 'auc'):.4f}",
                *shown,
                f"{_mean(found, 'logloss'):.4f}",
                f"{_mean(found, 'pcoc'):.3f}",
                f"{_mean(found, 'rows'):,.0f}",
                _seconds(found, full, "trainer_seconds"),
                _seconds(found, full, "run_seconds"),
            ]
        )
    head = ["", "AUC", "− full window", "by clicks", "log loss", "PCOC", "rows a day"]
    parts.append(table([*head, "Trainer, s", "run, s"], rows))
    parts.append(
        "± is the standard error over days and seeds. `by clicks`: the same difference "
        "by the clicks that fell. AUC of the true click probabilities: "
        f"{_mean(later(full), 'bayes'):.4f}. PCOC is predicted over expected clicks. "
        "In brackets: share of the full window's time.\n"
    )
    parts.append("## By day and seed\n")
    header = ["scored on day", "seed", "truth", *results]
    parts.append(
        table(
            header,
            [
                [
                    str(day.day + 1),
                    str(day.seed),
                    f"{day.bayes:.4f}",
                    *(f"{days[n].auc:.4f}" for days in results.values()),
                ]
                for n, day in enumerate(full)
            ],
        )
    )
    options = ", ".join(f"{name} {value}" for name, value in shop.items())
    machine = this_machine()
    parts.append(
        f"DeepFM; shop: {options}. Machine: {machine.cores} cores, "
        f"{machine.accelerator or 'no GPU'}, {machine.processor}.\n"
    )
    path = folder / "incremental.md"
    path.write_text("\n".join(parts), encoding="utf-8")
    lines = {
        label: [d.model_dump(mode="json") for d in days]
        for label, days in results.items()
    }
    content = {"machine": machine.model_dump(mode="json"), "lines": lines}
    text = json.dumps(content, indent=1) + "\n"
    (folder / "incremental.json").write_text(text, encoding="utf-8")
    return path


def _mean(days: Sequence[Day], figure: str) -> float:
    return statistics.fmean(getattr(day, figure) for day in days)


def _spread(lost: Sequence[float]) -> str:
    error = statistics.stdev(lost) / math.sqrt(len(lost)) if len(lost) > 1 else 0.0
    return f"{statistics.fmean(lost):+.4f} ± {error:.4f}"


def _seconds(found: Sequence[Day], full: Sequence[Day], name: str) -> str:
    mean = _mean(found, name)
    return f"{mean:.0f} ({mean / _mean(later(full), name):.0%})"
