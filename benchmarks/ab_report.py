"""The report of an A/B test from its logs: seconds and memory by number of exposures.

The logs are of 14 days, ten scored candidates an exposure, a tenth as many units as
exposures, one outcome in ten exposures; the metrics are a ratio, a mean, a GAUC and a
guardrail, with one slice. A process of its own reads them, so that its peak of memory is
the report's alone.
"""

import datetime
import json
import multiprocessing
import pathlib
import resource
import tempfile
import time
from typing import Annotated, Any

import ab_logs
import rich.console
import rich.table
import typer

from clickwright.experiments.events.event_store import EventStore
from clickwright.experiments.report.build_report import build_report
from clickwright.experiments.report.render import write_report
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import parse

DEFINITION = {
    "id": "benchmark",
    "hypothesis": "The candidate raises clicks.",
    "model": "ctr",
    "arms": {
        "control": {"weight": 0.5, "target": {"model": "ctr", "label": "stable"}},
        "treatment": {"weight": 0.5, "target": {"model": "ctr", "label": "canary"}},
    },
    "start": ab_logs.START.isoformat(),
    "end": (ab_logs.START + datetime.timedelta(days=ab_logs.DAYS)).isoformat(),
    "metrics": [
        {
            "name": "ctr",
            "kind": "ratio",
            "numerator": "click",
            "denominator": "exposures",
            "role": "primary",
            "minimum_effect": 0.01,
        },
        {"name": "revenue_per_user", "kind": "mean", "value": "revenue"},
        {"name": "gauc", "kind": "gauc", "label": "click"},
        {
            "name": "latency_ms",
            "kind": "ratio",
            "numerator": "latency_ms",
            "denominator": "exposures",
            "role": "guardrail",
            "direction": "decrease",
            "margin": 0.2,
        },
    ],
    "slices": ["device"],
}
console = rich.console.Console()


def main(
    exposures: Annotated[
        list[int] | None, typer.Option(help="How many; may be given again.")
    ] = None,
    folder: Annotated[
        pathlib.Path | None,
        typer.Option(help="Where to put the logs; else the temporary folder."),
    ] = None,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="File for the figures, as JSON.")
    ] = None,
) -> None:
    """Time `build_report` and the page on logs of simulated users.

    python benchmarks/ab_report.py --exposures 1000000 --exposures 10000000
    """
    table = rich.table.Table(
        "exposures", "logs", "report", "page", "peak memory", "true lift covered"
    )
    figures = []
    for count in exposures or [10_000_000]:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            logs = pathlib.Path(name)
            with console.status(f"Writing {count:,} exposures"):
                ab_logs.write_logs(logs, count)
            size = sum(p.stat().st_size for p in logs.rglob("*") if p.is_file())
            # A process that starts anew, not one that has written the logs.
            context = multiprocessing.get_context("spawn")
            with (
                console.status(f"Reading {count:,} exposures"),
                context.Pool(1) as pool,
            ):
                found = pool.apply(measure, (logs,))
        figures.append({"exposures": count, "log_bytes": size, **found})
        table.add_row(
            f"{count:,}",
            f"{size / 1e9:.2f} GB",
            f"{found['report_seconds']:.1f} s",
            f"{found['page_seconds']:.1f} s",
            f"{found['peak_bytes'] / 2**30:.2f} GiB",
            "yes" if found["covered"] else "no",
        )
    console.print(table)
    if out:
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(logs: pathlib.Path) -> dict[str, Any]:
    """Builds the report and its page, in a process that does nothing else.

    Returns:
        Seconds of both, the process's peak of memory in bytes, and whether the interval
        covers the true lift.
    """
    experiment = parse(Experiment, DEFINITION, "benchmark")
    started = time.perf_counter()
    report = build_report(
        experiment,
        EventStore(logs, "exposure"),
        EventStore(logs, "outcome"),
        at=experiment.end + experiment.attribution.window,
        true_lifts={"ctr": {"treatment": ab_logs.LIFT}},
    )
    built = time.perf_counter()
    write_report(report, logs / "report.html")
    return {
        "report_seconds": built - started,
        "page_seconds": time.perf_counter() - built,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "covered": report.truth[0].covered,
    }


if __name__ == "__main__":
    typer.run(main)
