"""Which columns of the table of units a metric is computed from."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Self

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

    def __iter__(self) -> Iterator[str]:
        names = (getattr(self, field.name) for field in dataclasses.fields(self))
        return (name for name in names if name is not None)
