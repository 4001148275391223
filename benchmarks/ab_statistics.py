"""Whether the statistics of A/B tests keep what they promise, by simulation."""

import concurrent.futures
import itertools
import json
import math
import multiprocessing
import pathlib
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

import numpy as np
import rich.console
import rich.progress
import rich.table
import typer
from ab_trials import Trial, definition, population, trial, units_of

from clickwright.experiments.statistics.baseline import Baseline
from clickwright.experiments.statistics.planning import detectable_effect

POWER = 0.8
console = rich.console.Console()


def main(
    experiments: Annotated[
        int, typer.Option(help="Experiments with and without an effect each.", min=20)
    ] = 1000,
    people: Annotated[
        int, typer.Option(help="People who may come, an experiment.", min=500)
    ] = 2000,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 2,
    markdown: Annotated[
        pathlib.Path | None, typer.Option(help="Where to write the table as well.")
    ] = None,
    record: Annotated[
        pathlib.Path | None, typer.Option(help="Where to write the figures as JSON.")
    ] = None,
) -> None:
    """Simulate A/A and A/B tests of two weeks, looked at every day.

    People come back, differ, and are dealt to the arms by the router's own hash. The
    lift of the A/B tests is the one that the plan says is found in 80 of 100.

        python benchmarks/ab_statistics.py --experiments 100
    """
    pilot = population(np.random.default_rng(2**32), 200_000)
    past = units_of(pilot)
    experiment = definition("pilot")
    expected = people * past.num_rows / 200_000
    lift = detectable_effect(
        experiment, Baseline.of_units(past, experiment), expected, power=POWER
    )
    correlation = np.corrcoef(past["revenue"], past["revenue_before"])[0, 1]
    # No seed of an A/A test is that of an A/B test.
    same = _run("A/A", range(experiments), people, 0.0, workers)
    other = _run(
        "A/B", range(experiments, 2 * experiments), people, lift or 0.0, workers
    )
    figures = _figures(same, other, lift or 0.0, float(correlation**2))
    _show(figures, experiments, statistics.mean(t.units for t in same), lift, markdown)
    if record is not None:
        record.write_text(
            json.dumps({name: value for name, value, _ in figures}, indent=2) + "\n",
            encoding="utf-8",
        )


def _run(
    name: str, seeds: Sequence[int], people: int, lift: float, workers: int
) -> list[Trial]:
    # Not by fork: threads of the libraries would be lost in the children.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
        done = pool.map(
            trial,
            seeds,
            itertools.repeat(people),
            itertools.repeat(lift),
            chunksize=10,
        )
        return list(
            rich.progress.track(
                done,
                f"{name} tests",
                len(seeds),
                console=rich.console.Console(stderr=True),
            )
        )


def _figures(
    same: list[Trial], other: list[Trial], lift: float, explained: float
) -> list[tuple[str, float, str]]:
    """Name, value and what it should be."""
    both = same + other
    plain = [t.plain_revenue.difference or 0.0 for t in other]
    adjusted = [t.revenue.difference or 0.0 for t in other]
    reductions = [t.revenue.variance_reduction or 0.0 for t in both]
    return [
        ("A/A: fixed test rejects", _rate(same, _significant), "5 % +- 1.4"),
        ("A/A: fixed test rejects on some day", _rate(same, lambda t: t.naive), "-"),
        (
            "A/A: always-valid test rejects on some day",
            _rate(same, lambda t: t.sequential_day is not None),
            "<= 5 %",
        ),
        (
            "A/A: sample ratio alarm at p < 0.001",
            _rate(same, lambda t: t.sample_ratio_p < 0.001),
            "0.1 %",
        ),
        (
            "A/A: sample ratio p < 0.05",
            _rate(same, lambda t: t.sample_ratio_p < 0.05),
            "5 % +- 1.4",
        ),
        (
            "guardrail breached at the margin on some day",
            _rate(both, lambda t: t.breached),
            "<= 5 %",
        ),
        (
            "A/B: 95 % interval covers the lift",
            _rate(other, lambda t: _covers(t, lift)),
            "95 % +- 1.4",
        ),
        (
            "A/B: always-valid interval misses it on some day",
            _rate(other, lambda t: t.always_missed),
            "<= 5 %",
        ),
        ("A/B: power of the fixed test", _rate(other, _significant), "80 % +- 3"),
        (
            "A/B: power of the always-valid test",
            _rate(other, lambda t: t.sequential_day is not None),
            "-",
        ),
        ("CUPED: variance taken away, as theory has it", explained, "-"),
        (
            "CUPED: variance taken away, mean of the reports",
            statistics.mean(reductions),
            "as theory",
        ),
        (
            "CUPED: variance taken away, between the A/B tests",
            1 - statistics.variance(adjusted) / statistics.variance(plain),
            "as theory",
        ),
    ]


def _show(
    figures: list[tuple[str, float, str]],
    experiments: int,
    units: float,
    lift: float | None,
    markdown: pathlib.Path | None,
) -> None:
    header = ("figure", "found", "standard error", "should be")
    lines = [
        (
            name,
            f"{value:.1%}",
            "" if name.startswith("CUPED") else f"{_error(value, experiments):.1%}",
            should,
        )
        for name, value, should in figures
    ]
    table = rich.table.Table(
        title=f"{experiments:,} A/A and {experiments:,} A/B tests of {units:,.0f} "
        f"units, 14 days; lift of the A/B tests {lift or 0:.2%}"
    )
    for column in header:
        table.add_column(column)
    for line in lines:
        table.add_row(*line)
    console.print(table)
    if markdown is not None:
        rows = (header, ("---",) * len(header), *lines)
        text = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
        markdown.write_text(text + "\n", encoding="utf-8")


def _rate(trials: Iterable[Trial], holds: Callable[[Trial], bool]) -> float:
    return statistics.mean(float(holds(one)) for one in trials)


def _error(rate: float, experiments: int) -> float:
    return math.sqrt(rate * (1 - rate) / experiments)


def _significant(one: Trial) -> bool:
    return one.ctr.p_value is not None and one.ctr.p_value < 0.05


def _covers(one: Trial, lift: float) -> bool:
    low, high = one.ctr.lift_low, one.ctr.lift_high
    return low is not None and high is not None and low <= lift <= high


if __name__ == "__main__":
    typer.run(main)
