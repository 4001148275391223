"""Whether the arms' units can be compared: alike before, and measured alike."""

import pyarrow as pa
import pyarrow.compute as pc

from clickwright.experiments.health.check import Check
from clickwright.experiments.statistics.comparison import compare
from clickwright.experiments.statistics.effect import Effect
from clickwright.experiments.statistics.metric_columns import BEFORE
from clickwright.schemas.experiment import Experiment, MeanMetric, RatioMetric

ALARM = 0.001
"""p-value below which arms differ for another reason than chance."""
LATENCY_DIFFERENCE = 0.1
"""Relative difference of the latency that is worth a word."""


def unit_checks(units: pa.Table, experiment: Experiment) -> list[Check]:
    """Looks at the number of units, their outcomes, their past and their latency.

    Args:
        units: one row a unit, as `unit_table` makes it.
        experiment: the definition.
    """
    return [
        _enough(units, experiment),
        _outcomes(units, experiment),
        _past(units, experiment),
        _latency(units, experiment),
    ]


def _enough(units: pa.Table, experiment: Experiment) -> Check:
    counts = {
        arm: _of(units, arm).num_rows
        for arm, definition in experiment.arms.items()
        if definition.weight
    }
    fewest = min(counts, key=lambda arm: counts[arm])
    least = experiment.stopping.minimum_units
    return Check(
        name="enough units",
        status="fail" if counts[fewest] < least else "ok",
        value=float(counts[fewest]),
        rule=f"fails with fewer than {least:,} units in an arm (`minimum_units`)",
        text=f"The smallest arm, {fewest}, has {counts[fewest]:,} units.",
    )


def _outcomes(units: pa.Table, experiment: Experiment) -> Check:
    """Outcomes that no metric can do without have arrived, for every arm."""
    needed = set(experiment.primary.columns)
    absent: list[str] = []
    silent: list[str] = []
    nothing = pa.repeat(True, units.num_rows)
    for name in experiment.outcomes:
        none = pc.equal(pc.fill_null(units[name], 0.0), 0.0)
        nothing = pc.and_(nothing, none)
        without = [
            arm
            for arm, definition in experiment.arms.items()
            if definition.weight
            and not pc.any(pc.invert(_masked(none, units, arm))).as_py()
        ]
        if without:
            said = f"no {name} for {', '.join(without)}"
            (absent if name in needed else silent).append(said)
    share = pc.mean(nothing.cast(pa.float64())).as_py() if units.num_rows else None
    missing = absent + silent
    return Check(
        name="outcomes",
        status="fail" if absent else "warn" if silent else "ok",
        value=share,
        rule="fails where an arm has no outcome of the primary metric at all, warns "
        "for other metrics; the value is the share of units without any outcome",
        text=(f"There is {'; '.join(missing)}. " if missing else "")
        + (
            f"{share:.2%} of the units have no outcome."
            if share is not None and experiment.outcomes
            else "No outcome is expected."
        ),
    )


def _past(units: pa.Table, experiment: Experiment) -> Check:
    name = "before the experiment"
    rule = (
        f"fails at p < {ALARM:g} after correction: the arms differed before they were "
        "treated differently"
    )
    before = [column for column in units.column_names if column.endswith(BEFORE)]
    metrics = tuple(
        # Not validated: a column's name may be longer than an outcome's.
        MeanMetric.model_construct(name=column, kind="mean", value=column)
        for column in before
    )
    worst = _worst(units, experiment, metrics)
    if worst is None:
        return Check(
            name=name, status="ok", rule=rule, text="Nothing is known from before."
        )
    value = worst.metric.removesuffix(BEFORE)
    return Check(
        name=name,
        status="fail" if _p(worst) < ALARM else "ok",
        value=_p(worst),
        rule=rule,
        text=f"Furthest apart: {value} of {worst.arm}, {worst.arm_mean:.4g} a unit "
        f"against {worst.control_mean:.4g} (p = {_p(worst):.3g} after correction).",
    )


def _latency(units: pa.Table, experiment: Experiment) -> Check:
    rule = (
        f"warns at p < {ALARM:g} and a difference of at least "
        f"{LATENCY_DIFFERENCE:.0%}: a slow arm changes more than its scores"
    )
    metric = RatioMetric(
        name="latency_ms",
        kind="ratio",
        numerator="latency_ms",
        denominator="exposures",
    )
    worst = _worst(units, experiment, (metric,))
    if worst is None or worst.lift is None:
        return Check(
            name="latency", status="ok", rule=rule, text="No difference is measurable."
        )
    differs = _p(worst) < ALARM and abs(worst.lift) >= LATENCY_DIFFERENCE
    return Check(
        name="latency",
        status="warn" if differs else "ok",
        value=worst.lift,
        rule=rule,
        text=f"{worst.arm} takes {worst.arm_mean:.2f} ms, {experiment.control} "
        f"{worst.control_mean:.2f} ms ({worst.lift:+.1%}, p = {_p(worst):.3g}).",
    )


def _worst(
    units: pa.Table,
    experiment: Experiment,
    metrics: tuple[MeanMetric | RatioMetric, ...],
) -> Effect | None:
    """The least likely difference by chance, over arms and metrics."""
    # Not the experiment's own metrics: no validation, no covariates.
    asked = experiment.model_copy(update={"metrics": metrics, "cuped": None})
    known = [e for e in compare(units, asked) if e.adjusted_p is not None]
    return min(known, key=_p, default=None)


def _p(effect: Effect) -> float:
    return 1.0 if effect.adjusted_p is None else effect.adjusted_p


def _of(units: pa.Table, arm: str) -> pa.Table:
    return units.filter(pc.equal(units["variant"], arm))


def _masked(values: pa.ChunkedArray, units: pa.Table, arm: str) -> pa.ChunkedArray:
    return values.filter(pc.equal(units["variant"], arm))
