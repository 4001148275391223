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
days. Each model is scored on the whole next day, which none of them has seen. Seconds
are those of the `clickwright run` of a day, without loading libraries, and of its
Trainer alone; both are means over the days after day {first}.

    python benchmarks/incremental.py --docs docs/benchmarks
"""


def differences(arm: Sequence[Day], full: Sequence[Day]) -> list[float]:
    """AUC of an arm less that of the full window, by day after the first."""
    of = {day.day: day.auc for day in full}
    return [day.auc - of[day.day] for day in arm[1:]]


def write_document(
    results: Mapping[str, Sequence[Day]],
    window: int,
    rate: float,
    shop: Mapping[str, object],
    folder: pathlib.Path,
) -> pathlib.Path:
    """Writes `incremental.md` and `incremental.json`.

    Args:
        results: days in order, by the label of each way; the full window first.
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
        later = days[1:]
        lost = differences(days, full)
        spread = statistics.stdev(lost) / math.sqrt(len(lost)) if len(lost) > 1 else 0.0
        shown = "" if days is full else f"{statistics.fmean(lost):+.4f} ± {spread:.4f}"
        rows.append(
            [
                label,
                f"{statistics.fmean(d.auc for d in later):.4f}",
                shown,
                f"{statistics.fmean(d.logloss for d in later):.4f}",
                f"{statistics.fmean(d.pcoc for d in later):.3f}",
                f"{statistics.fmean(d.rows for d in later):,.0f}",
                _seconds([d.trainer_seconds for d in later], full, "trainer_seconds"),
                _seconds([d.run_seconds for d in later], full, "run_seconds"),
            ]
        )
    head = ["", "AUC", "− full window", "log loss", "PCOC", "rows a day"]
    parts.append(table([*head, "Trainer, s", "run, s"], rows))
    parts.append(
        "± is the standard error over days. AUC of the true click probabilities: "
        f"{statistics.fmean(d.bayes for d in full[1:]):.4f}. PCOC is predicted over "
        "observed clicks. In brackets: share of the full window's time.\n"
    )
    parts.append("## By day\n")
    header = ["scored on day", "truth", *results]
    parts.append(
        table(
            header,
            [
                [
                    str(day.day + 1),
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


def _seconds(found: Sequence[float], full: Sequence[Day], name: str) -> str:
    mean = statistics.fmean(found)
    whole = statistics.fmean(getattr(day, name) for day in full[1:])
    return f"{mean:.0f} ({mean / whole:.0%})"
