"""Means and covariances of the columns of units, an arm at a time."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tea_tasting.aggr
from numpy.typing import NDArray

from clickwright.experiments.statistics.metric_columns import BEFORE


def arm_totals(
    units: pa.Table, columns: Sequence[str], arms: Iterable[str]
) -> dict[str, tea_tasting.aggr.Aggregates]:
    """Means and covariances by arm, of the arms that have at least two units.

    Args:
        units: one row a unit: `variant` and the columns. A null is a sum over nothing,
            0; in a column of what was before, it is unknown and takes the mean, which
            moves no effect.
        columns: numeric columns.
        arms: the arms wanted.
    """
    values = unit_values(units, columns)
    found = {arm: totals(values[rows_of(units, arm)], columns) for arm in arms}
    return {arm: total for arm, total in found.items() if total is not None}


def unit_values(units: pa.Table, columns: Sequence[str]) -> NDArray[np.float64]:
    """The columns as `[units, columns]`, nulls filled as `arm_totals` says."""
    filled = np.empty((units.num_rows, len(columns)), np.float64)
    for index, name in enumerate(columns):
        column = units[name].cast(pa.float64())
        mean = pc.mean(column).as_py() if name.endswith(BEFORE) else None
        filled[:, index] = pc.fill_null(column, mean or 0.0).to_numpy()
    return filled


def totals(
    values: NDArray[np.float64], columns: Sequence[str]
) -> tea_tasting.aggr.Aggregates | None:
    """Means and covariances of `[units, columns]`; None with fewer than two units."""
    if len(values) < 2:
        return None
    means = values.mean(axis=0)
    covariances = np.atleast_2d(np.cov(values, rowvar=False))
    return tea_tasting.aggr.Aggregates(
        count_=len(values),
        mean_={name: float(means[i]) for i, name in enumerate(columns)},
        var_={name: float(covariances[i, i]) for i, name in enumerate(columns)},
        cov_={
            (left, right): float(covariances[i, j])
            for i, left in enumerate(columns)
            for j, right in enumerate(columns)
            if left < right
        },
    )


def rows_of(units: pa.Table, arm: str) -> NDArray[np.bool_]:
    """Which rows are of an arm."""
    return pc.fill_null(pc.equal(units["variant"], arm), False).to_numpy()
