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
import pyarrow as pa
import pyarrow.csv
import rich.console
import rich.progress
import rich.table
import typer
from ab_trials import DAYS, Trial, definition, population, trial, units_of
from document_parts import table
from scipy import stats

from clickwright.experiments.health.sample_ratio import SampleRatio
from clickwright.experiments.statistics.baseline import Baseline
from clickwright.experiments.statistics.comparison import compare
from clickwright.experiments.statistics.planning import detectable_effect
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import parse

POWER = 0.8
_HEADER = ("figure", "found", "standard error", "should be")
_INTRODUCTION = """# Statistics of A/B tests

Written by `benchmarks/ab_statistics.py`. People come back, differ, and are dealt to the \
arms by the router's own hash; each experiment is looked at after each day. The lift of \
the A/B tests is the one that the plan says a fixed test finds in 80 of 100. CTR is the \
primary metric, a ratio; revenue per user shows what covariates take away; latency is \
worse by exactly the margin of its guardrail."""
console = rich.console.Console()


def main(
    experiments: Annotated[
        int, typer.Option(help="Experiments with and without an effect each.", min=20)
    ] = 1000,
    people: Annotated[
        int, typer.Option(help="People who may come, an experiment.", min=500)
    ] = 2000,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 2,
    cookie_cats: Annotated[
        pathlib.Path | None,
        typer.Option(help="cookie_cats.csv, a real experiment, to be judged as well."),
    ] = None,
    markdown: Annotated[
        pathlib.Path | None, typer.Option(help="Where to write the document as well.")
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
    units = statistics.mean(t.units for t in same)
    title = (
        f"{experiments:,} A/A and {experiments:,} A/B tests of {units:,.0f} units, "
        f"{DAYS} days; lift of the A/B tests {lift or 0.0:.2%}"
    )
    lines = _lines(figures, experiments)
    _show(title, lines)
    if markdown is not None:
        parts = [_INTRODUCTION, f"## {title}", table(_HEADER, lines).rstrip()]
        if cookie_cats is not None:
            parts += _cookie_cats(cookie_cats)
        markdown.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
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
            "A/A: guardrail breached at the margin on some day",
            _rate(same, lambda t: t.breached),
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


def _lines(
    figures: list[tuple[str, float, str]], experiments: int
) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{value:.1%}",
            "" if name.startswith("CUPED") else f"{_error(value, experiments):.1%}",
            should,
        )
        for name, value, should in figures
    ]


def _show(title: str, lines: list[tuple[str, ...]]) -> None:
    shown = rich.table.Table(title=title)
    for column in _HEADER:
        shown.add_column(column)
    for line in lines:
        shown.add_row(*line)
    console.print(shown)


def _cookie_cats(path: pathlib.Path) -> list[str]:
    """What the library and scipy find in a game's log, side by side."""
    read = pyarrow.csv.read_csv(path)
    moved = read["test_version"].to_numpy() == "gate_40"
    names = ("retention_1", "retention_7")
    kept = {name: read[name].to_numpy().astype(float) for name in names}
    content = definition("cookie cats").model_dump(mode="json", exclude={"cuped"})
    content["metrics"] = [
        {
            "name": name,
            "kind": "mean",
            "value": name,
            "role": role,
            "minimum_effect": 0.02,
        }
        for name, role in zip(names, ("secondary", "primary"), strict=True)
    ]
    variant = np.where(moved, "treatment", "control")
    units = pa.table(kept | {"variant": variant})
    effects = compare(units, parse(Experiment, content, "benchmark"))
    counts = {"control": int((~moved).sum()), "treatment": int(moved.sum())}
    ratio = SampleRatio(counts, dict.fromkeys(counts, 0.5)).p_value
    z = (counts["treatment"] - counts["control"]) / math.sqrt(len(moved))
    lines = [
        (
            "sample ratio",
            f"{counts['control']:,}",
            f"{counts['treatment']:,}",
            *[""] * 5,
            f"{ratio:.6f}",
            f"{2 * stats.norm.sf(abs(z)):.6f}",
        )
    ]
    for effect in effects:
        value = kept[effect.metric]
        test = stats.ttest_ind(value[moved], value[~moved], equal_var=False)
        theirs = test.confidence_interval()
        ours = effect.difference_low or 0.0, effect.difference_high or 0.0
        lines.append(
            (
                effect.metric,
                f"{effect.control_mean:.4f}",
                f"{effect.arm_mean:.4f}",
                f"{100 * ours[0]:.3f} to {100 * ours[1]:.3f}",
                f"{100 * theirs.low:.3f} to {100 * theirs.high:.3f}",
                f"{effect.lift:.2%}",
                f"{effect.lift_low:.2%} to {effect.lift_high:.2%}",
                f"{effect.always_low:.2%} to {effect.always_high:.2%}",
                f"{effect.p_value:.6f}",
                f"{test.pvalue:.6f}",
            )
        )
    header = (
        "",
        "gate 30",
        "gate 40",
        "difference, points",
        "by scipy",
        "lift",
        "at a fixed horizon",
        "always valid",
        "p",
        "by scipy",
    )
    what = (
        "A game moved its first gate from level 30 to level 40 for half of its "
        f"{len(moved):,} new players. Retention is whether a player came back after 1 or "
        "7 days. scipy: Welch's test, and the normal distribution for the sample ratio, "
        "which raises no alarm before p < 0.001."
    )
    return ["## Cookie Cats", what, table(header, lines).rstrip()]


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
