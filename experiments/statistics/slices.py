"""Whether an arm does more to some units than to others."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from clickwright.experiments.statistics.comparison import compare
from clickwright.experiments.statistics.effect import Effect
from clickwright.experiments.statistics.holm import holm
from clickwright.experiments.statistics.novelty import only_primary
from clickwright.experiments.statistics.slice_effect import SliceEffect
from clickwright.schemas.experiment import Experiment

MAX_VALUES = 20
"""Values of an attribute that are compared: those with most units."""


def by_slice(units: pa.Table, experiment: Experiment) -> list[SliceEffect]:
    """Compares the arms on the primary metric within each value of each slice.

    The more one looks, the more one finds: p-values are adjusted for all that is here.

    Args:
        units: one row a unit, with a column a slice; a slice without column is left
            out.
        experiment: the definition.

    Returns:
        Effects by slice, by value from most units to fewest, and by arm.

    Raises:
        DataError: a column that the metric needs is missing.

    References:
        Cochran, "The combination of estimates from different experiments", Biometrics
        10 (1954).
    """
    alone = only_primary(experiment)
    found: list[tuple[str, str | None, Effect]] = []
    for name in experiment.slices:
        if name not in units.column_names:
            continue
        counted = pc.value_counts(units[name]).to_pylist()
        counted.sort(key=lambda pair: (-pair["counts"], str(pair["values"])))
        for value in [pair["values"] for pair in counted[:MAX_VALUES]]:
            rows = units.filter(_is(units[name], value))
            found += [(name, value, effect) for effect in compare(rows, alone)]
    adjusted = holm([effect.p_value for _, _, effect in found])
    groups = sorted({(name, effect.arm) for name, _, effect in found})
    equal = [
        _equal_lifts(
            [e for n, _, e in found if (n, e.arm) == group], experiment.stopping.alpha
        )
        for group in groups
    ]
    heterogeneity = dict(zip(groups, holm(equal), strict=True))
    return [
        SliceEffect(
            slice=name,
            value=value,
            effect=effect.model_copy(update={"adjusted_p": p}),
            heterogeneity_p=heterogeneity[name, effect.arm],
        )
        for (name, value, effect), p in zip(found, adjusted, strict=True)
    ]


def _is(column: pa.ChunkedArray, value: str | None) -> pa.ChunkedArray:
    if value is None:
        return pc.is_null(column)
    return pc.fill_null(pc.equal(column, value), False)


def _equal_lifts(effects: list[Effect], alpha: float) -> float | None:
    """Cochran's Q test that all lifts are one."""
    known = [
        (effect.lift, effect.lift_high - effect.lift_low)
        for effect in effects
        if effect.lift is not None
        and effect.lift_low is not None
        and effect.lift_high is not None
    ]
    if len(known) < 2:
        return None
    lift, width = np.array(known).T
    # The interval is as wide as two quantiles of the normal distribution.
    weight = (2 * stats.norm.isf(alpha / 2) / width) ** 2
    spread = weight @ (lift - weight @ lift / weight.sum()) ** 2
    return float(stats.chi2.sf(spread, len(known) - 1))
