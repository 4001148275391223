"""The effects day after day, on all that happened until then."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clickwright.experiments.statistics.arm_totals import rows_of, totals, unit_values
from clickwright.experiments.statistics.comparison import (
    compare_totals,
    metric_columns,
    wanted,
)
from clickwright.experiments.statistics.cumulative_point import CumulativePoint
from clickwright.experiments.statistics.metric_columns import BEFORE
from clickwright.schemas.experiment import Experiment


def cumulative(unit_days: pa.Table, experiment: Experiment) -> list[CumulativePoint]:
    """Compares the arms after each day, on the units seen until then.

    Args:
        unit_days: one row a unit and day: `unit`, `variant`, `day` (date32, UTC, of the
            exposures) and the columns of the table of units, summed over that day; what
            was before, `<value>_before`, is the same on all days of a unit.
        experiment: the definition.

    Returns:
        Points by day, then as `compare` has them. The last ones are those of `compare`,
        but for the GAUC, whose groups are a unit's items of a day.

    Raises:
        DataError: a column that a metric needs is missing.
    """
    columns = metric_columns(unit_days, experiment)
    names = wanted(columns)
    values = unit_values(unit_days, names)
    unit, first_rows = _numbered(unit_days["unit"])
    units = unit_days.take(pa.array(first_rows))
    of_arm = {arm: rows_of(units, arm) for arm in experiment.arms}
    kept = np.array([name.endswith(BEFORE) for name in names], bool)
    sums = np.where(kept, unit_values(units, names), 0.0)
    values[:, kept] = 0.0
    seen = np.zeros(len(first_rows), bool)
    day = unit_days["day"].to_numpy()
    points = []
    for today in np.unique(day):
        rows = np.flatnonzero(day == today)
        sums[unit[rows]] += values[rows]
        seen[unit[rows]] = True
        found = {arm: totals(sums[seen & own], names) for arm, own in of_arm.items()}
        known = {arm: total for arm, total in found.items() if total is not None}
        points += [
            CumulativePoint(day=today.astype("datetime64[D]").item(), effect=effect)
            for effect in compare_totals(known, columns, experiment)
        ]
    return points


def _numbered(unit: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each unit, 0 upwards, by row; and a row of each unit."""
    coded = pc.dictionary_encode(unit).combine_chunks()
    codes = coded.indices.to_numpy().astype(np.int64)
    _, first_rows = np.unique(codes, return_index=True)
    return codes, first_rows
