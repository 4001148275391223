"""The arms of an experiment against its control."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import tea_tasting.aggr
import tea_tasting.metrics
from tea_tasting.metrics.mean import MeanResult

from clickwright.experiments.statistics.arm_totals import arm_totals
from clickwright.experiments.statistics.confidence_sequence import (
    one_sided_critical,
    two_sided_critical,
)
from clickwright.experiments.statistics.effect import Effect
from clickwright.experiments.statistics.holm import holm
from clickwright.experiments.statistics.lift_bounds import lift_bounds
from clickwright.experiments.statistics.metric_columns import MetricColumns
from clickwright.schemas.errors import DataError
from clickwright.schemas.experiment import (
    Experiment,
    GaucMetric,
    MeanMetric,
    RatioMetric,
)

_ROUNDING = 1e-12

Totals = Mapping[str, tea_tasting.aggr.Aggregates]
Metric = MeanMetric | RatioMetric | GaucMetric


def compare(units: pa.Table, experiment: Experiment) -> list[Effect]:
    """Compares every arm that gets units with control, on every metric.

    Means are compared by Welch's test, ratios of sums by the delta method over units,
    both after CUPED where the experiment wants it and the table has `<value>_before`.

    Args:
        units: one row a unit, as `unit_table` makes it.
        experiment: the definition.

    Returns:
        Effects, by metric and then by arm, in the definition's order.

    Raises:
        DataError: a column that a metric needs is missing.

    References:
        Deng, Knoblich, Lu, "Applying the Delta Method in Metric Analytics", KDD 2018;
        Deng, Xu, Kohavi, Walker, "Improving the Sensitivity of Online Controlled
        Experiments by Utilizing Pre-Experiment Data" (CUPED), WSDM 2013.
    """
    columns = metric_columns(units, experiment)
    return compare_totals(
        arm_totals(units, wanted(columns), experiment.arms), columns, experiment
    )


def metric_columns(units: pa.Table, experiment: Experiment) -> dict[str, MetricColumns]:
    """Columns of each metric, by its name.

    Raises:
        DataError: a column that a metric needs is missing.
    """
    known = units.column_names
    columns = {
        metric.name: MetricColumns.of(metric, experiment, known)
        for metric in experiment.metrics
    }
    for name, needed in columns.items():
        for column in ("variant", *needed):
            if column not in known:
                raise DataError(
                    f"The metric `{name}` needs the column `{column}`. The table of "
                    f"units has: {', '.join(known)}.",
                    where=experiment.id,
                    fix="name an outcome that is logged, or drop the metric",
                )
    return columns


def wanted(columns: Mapping[str, MetricColumns]) -> list[str]:
    """All columns that some metric is computed from, each once, sorted."""
    return sorted({name for needed in columns.values() for name in needed})


def compare_totals(
    totals: Totals, columns: Mapping[str, MetricColumns], experiment: Experiment
) -> list[Effect]:
    """Compares arms of which the means and covariances are known.

    Args:
        totals: by arm; an arm with fewer than two units is absent.
        columns: by metric.
        experiment: the definition.

    Returns:
        Effects, by metric and then by arm, in the definition's order.
    """
    arms = treatments(experiment)
    effects = [
        effect(totals, columns[metric.name], metric, arm, experiment)
        for metric in experiment.metrics
        for arm in arms
    ]
    return _adjusted(_adjusted(effects, "primary"), "secondary")


def treatments(experiment: Experiment) -> list[str]:
    """The arms that are compared with control: all that get units."""
    return [
        name
        for name, arm in experiment.arms.items()
        if name != experiment.control and arm.weight > 0
    ]


def effect(
    totals: Totals,
    columns: MetricColumns,
    metric: Metric,
    arm: str,
    experiment: Experiment,
) -> Effect:
    """One arm against control on one metric, p-value not adjusted.

    Args:
        totals: by arm; an arm with fewer than two units is absent.
        columns: of the metric.
        metric: the metric.
        arm: the arm.
        experiment: the definition.
    """
    control, treated = totals.get(experiment.control), totals.get(arm)
    empty = Effect(
        metric=metric.name,
        role=metric.role,
        kind=metric.kind,
        direction=metric.direction,
        arm=arm,
        units_control=control.count() if control else 0,
        units_arm=treated.count() if treated else 0,
        margin=metric.margin if metric.role == "guardrail" else None,
    )
    if control is None or treated is None:
        return empty
    if columns.denominator and not (
        control.mean(columns.denominator) and treated.mean(columns.denominator)
    ):
        return empty
    columns, coefficient = columns.useful(control, treated)
    plain = [
        units.mean(columns.numerator) / units.mean(columns.denominator)
        for units in (control, treated)
    ]
    variances = [
        columns.variance(units, coefficient) / units.count()
        for units in (control, treated)
    ]
    difference = plain[1] - plain[0]
    # Rounding gives values that are all the same a spread, too.
    rounding = _ROUNDING * max(map(abs, plain))
    found: dict[str, Any] = {}
    if math.sqrt(sum(variances)) > rounding:
        result = tea_tasting.metrics.RatioOfMeans(
            *columns.names, confidence_level=1 - experiment.stopping.alpha
        ).analyze_aggregates(control, treated)
        means = _Means(
            float(result.control),
            variances[0],
            float(result.treatment),
            variances[1],
            _shared_variance(control + treated, columns, coefficient),
        )
        found = _once(means, result, metric)
        if columns.adjusted:
            unadjusted = sum(
                units.ratio_var(columns.numerator, columns.denominator) / units.count()
                for units in (control, treated)
            )
            reduction = 1 - means.se**2 / unadjusted
            found |= {"cuped": True, "variance_reduction": reduction}
    elif abs(difference) > rounding:
        # An arm that always fails must be seen: each arm gets the spread that one
        # more unit like those of the other would give it.
        spread = [(difference / units.count()) ** 2 for units in (control, treated)]
        means = _Means(plain[0], spread[0], plain[1], spread[1], 0.0)
    else:
        means = _Means(plain[0], 0.0, plain[1], 0.0, 0.0)
    enough = experiment.stopping.minimum_units
    if means.se > 0 and min(control.count(), treated.count()) >= enough:
        units = control.count() + treated.count()
        found |= _always(means, units, metric, experiment)
    scale = _scale(metric)
    found |= {
        "control_mean": means.control * scale,
        "arm_mean": means.arm * scale,
        "difference": means.difference * scale,
    }
    return empty.model_copy(update=found)


def _scale(metric: Metric) -> float:
    return metric.scale if isinstance(metric, RatioMetric) else 1.0


class _Means(NamedTuple):
    """Two means, their own variances, and the one that both have in common."""

    control: float
    control_variance: float
    arm: float
    arm_variance: float
    shared_variance: float

    @property
    def difference(self) -> float:
        return self.arm - self.control

    @property
    def se(self) -> float:
        return math.sqrt(self.control_variance + self.arm_variance)

    def lift_bounds(self, critical: float) -> tuple[float, float] | None:
        return lift_bounds(*self, critical)


def _once(means: _Means, result: MeanResult, metric: Metric) -> dict[str, Any]:
    """The fields of an effect that hold at one look."""
    scale = _scale(metric)
    critical = (float(result.effect_size_ci_upper) - means.difference) / means.se
    found: dict[str, Any] = {
        "se": means.se * scale,
        "difference_low": (means.difference - critical * means.se) * scale,
        "difference_high": (means.difference + critical * means.se) * scale,
        "p_value": min(float(result.pvalue), 1.0),
    }
    if bounds := means.lift_bounds(critical):
        found |= {"lift": means.arm / means.control - 1}
        found |= {"lift_low": bounds[0], "lift_high": bounds[1]}
    return found


def _always(
    means: _Means, units: int, metric: Metric, experiment: Experiment
) -> dict[str, float | bool]:
    """The fields of an effect that hold at all looks at once."""
    alpha = experiment.stopping.alpha
    critical = two_sided_critical(units, alpha / len(treatments(experiment)))
    found: dict[str, float | bool] = {
        "always_significant": abs(means.difference) > critical * means.se
    }
    if bounds := means.lift_bounds(critical):
        found |= {"always_low": bounds[0], "always_high": bounds[1]}
    if metric.role != "guardrail" or metric.margin is None:
        return found
    # Each guardrail and arm has the whole alpha: harm is to be seen early.
    critical = one_sided_critical(units, alpha)
    worse = 1.0 if metric.direction == "decrease" else -1.0
    # The worst mean that the margin allows, in units of the control's.
    allowed = 1 + worse * metric.margin * math.copysign(1.0, means.control)
    excess = worse * (means.arm - allowed * means.control)
    error = math.sqrt(
        means.arm_variance
        + allowed**2 * means.control_variance
        + (1 - allowed) ** 2 * means.shared_variance
    )
    found["breached"] = excess > critical * error
    if bounds := means.lift_bounds(critical):
        found["harm_low"] = bounds[0] if worse > 0 else -bounds[1]
    return found


def _shared_variance(
    both: tea_tasting.aggr.Aggregates, columns: MetricColumns, coefficient: float
) -> float:
    """Variance that both means owe to the covariate's mean, which both lean on."""
    if not columns.adjusted:
        return 0.0
    spread = both.ratio_var(columns.numerator_before, columns.denominator_before)
    return float(coefficient**2 * spread) / both.count()


def _adjusted(effects: Sequence[Effect], role: str) -> list[Effect]:
    """The effects, with p-values of one role adjusted for each other."""
    family = [index for index, item in enumerate(effects) if item.role == role]
    adjusted = list(effects)
    for index, value in zip(
        family, holm([effects[index].p_value for index in family]), strict=True
    ):
        adjusted[index] = effects[index].model_copy(update={"adjusted_p": value})
    return adjusted
