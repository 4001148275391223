"""Which columns of the table of units a metric is computed from."""

import dataclasses
import functools
import operator
from collections.abc import Iterable, Iterator
from typing import Self

from tea_tasting.aggr import Aggregates

from clickwright.schemas.experiment import (
    Experiment,
    GaucMetric,
    MeanMetric,
    RatioMetric,
)

BEFORE = "_before"
"""Ends the names of columns that hold what a unit did before."""


@dataclasses.dataclass(frozen=True)
class MetricColumns:
    """A mean is the sum of `numerator` over units, over `denominator` or their count.

    The covariates are those that CUPED adjusts by.
    """

    numerator: str
    denominator: str | None = None
    numerator_before: str | None = None
    denominator_before: str | None = None

    @classmethod
    def of(
        cls,
        metric: MeanMetric | RatioMetric | GaucMetric,
        experiment: Experiment,
        known: Iterable[str],
    ) -> Self:
        """Columns of a metric.

        Args:
            metric: one of the experiment's.
            experiment: says whether covariates are wanted.
            known: the columns that there are.

        Returns:
            The columns, with the covariates that are wanted and there. A ratio takes
            the ratio before, or its numerator alone before.
        """
        if isinstance(metric, GaucMetric):
            return cls("auc_weighted", "auc_weight")
        ratio = isinstance(metric, RatioMetric)
        numerator, *denominator = metric.columns
        columns = cls(numerator, denominator[0] if ratio else None)
        before = {name for name in known if name.endswith(BEFORE)}
        if experiment.cuped is None or numerator + BEFORE not in before:
            return columns
        below = f"{columns.denominator}{BEFORE}"
        return dataclasses.replace(
            columns,
            numerator_before=numerator + BEFORE,
            denominator_before=below if ratio and below in before else None,
        )

    @property
    def adjusted(self) -> bool:
        """Whether there is a covariate."""
        return self.numerator_before is not None

    @property
    def names(self) -> tuple[str, str | None, str | None, str | None]:
        """Numerator, denominator, and both before."""
        return (
            self.numerator,
            self.denominator,
            self.numerator_before,
            self.denominator_before,
        )

    def useful(self, *arms: Aggregates) -> tuple[Self, float]:
        """The columns without covariates that say nothing, and CUPED's coefficient.

        Args:
            arms: means and covariances over the units of each arm compared.
        """
        below = self.denominator_before
        if self.numerator_before is not None and (
            below is None or all(arm.mean(below) for arm in arms)
        ):
            units = functools.reduce(operator.add, arms)
            spread = units.ratio_var(self.numerator_before, below)
            if spread > 0:
                return self, float(units.ratio_cov(*self.names) / spread)
        plain = dataclasses.replace(
            self, numerator_before=None, denominator_before=None
        )
        return plain, 0.0

    def variance(self, units: Aggregates, coefficient: float) -> float:
        """Variance of the mean over `n` units, times `n`, less what CUPED explains.

        Args:
            units: means and covariances; of a denominator, the mean is not 0.
            coefficient: CUPED's.
        """
        variance = units.ratio_var(self.numerator, self.denominator)
        if self.adjusted:
            before = units.ratio_var(self.numerator_before, self.denominator_before)
            variance += coefficient**2 * before
            variance -= 2 * coefficient * units.ratio_cov(*self.names)
        return max(float(variance), 0.0)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.names if name is not None)
