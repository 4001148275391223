"""What one unit does without the experiment: where planning starts from."""

from typing import Annotated, Self

import pyarrow as pa
from pydantic import Field

from clickwright.experiments.statistics.arm_totals import totals, unit_values
from clickwright.experiments.statistics.metric_columns import MetricColumns
from clickwright.schemas.errors import DataError
from clickwright.schemas.experiment import Experiment, RatioMetric
from clickwright.schemas.strict_yaml import StrictModel


class Baseline(StrictModel):
    """Mean of the primary metric, and the variance that one unit adds to it."""

    mean: Annotated[float, Field(gt=0)]
    variance: Annotated[float, Field(gt=0)]
    """Of the mean over `n` units, times `n`; after CUPED where there are covariates."""
    rate: bool = False
    """Whether each unit has 0 or 1."""

    @classmethod
    def of_rate(cls, rate: float) -> Self:
        """A metric that is 0 or 1 for each unit: `rate` of them have 1.

        Raises:
            DataError: the rate is not between 0 and 1.
        """
        if not 0 < rate < 1:
            raise DataError(
                f"A rate must lie between 0 and 1. Received: {rate}.",
                fix="give the share of units that convert, such as 0.12",
            )
        return cls(mean=rate, variance=rate * (1 - rate), rate=True)

    @classmethod
    def of_units(cls, units: pa.Table, experiment: Experiment) -> Self:
        """The primary metric of past units, all arms together.

        Args:
            units: one row a unit, as `unit_table` makes it.
            experiment: the definition.

        Raises:
            DataError: a column is missing, or the units have no mean above 0 or no
                spread.
        """
        metric = experiment.primary
        columns = MetricColumns.of(metric, experiment, units.column_names)
        missing = [name for name in columns if name not in units.column_names]
        if missing:
            raise DataError(
                f"The metric `{metric.name}` needs the column `{missing[0]}`. The table "
                f"has: {', '.join(units.column_names)}.",
                fix="give past units with the columns of the primary metric",
            )
        names = sorted(set(columns))
        found = totals(unit_values(units, names), names)
        mean = variance = 0.0
        if found and (not columns.denominator or found.mean(columns.denominator)):
            columns, coefficient = columns.useful(found)
            mean = found.mean(columns.numerator) / found.mean(columns.denominator)
            variance = columns.variance(found, coefficient)
            scale = metric.scale if isinstance(metric, RatioMetric) else 1.0
            mean, variance = mean * scale, variance * scale**2
        if not (mean > 0 and variance > 0):
            raise DataError(
                f"{units.num_rows:,} units with a mean of {mean:g} and a variance of "
                f"{variance:g} of `{metric.name}` leave nothing to plan from.",
                fix="give past units whose metric has a mean above 0 and a spread",
            )
        return cls(mean=mean, variance=variance)

    def variance_of_arm(self, lift: float) -> float:
        """`variance` in an arm with a relative lift.

        What each unit does is taken to grow alike, and its spread with it. That is on
        the safe side: the spread of counts grows less.
        """
        if self.rate:
            rate = min(self.mean * (1 + lift), 1.0)
            return rate * (1 - rate)
        return self.variance * (1 + lift) ** 2
