"""Predicted clicks over observed clicks."""

import math

import numpy as np

from clickwright.components.evaluation.metrics.row_metric import RowMetric
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows


class PCOC(RowMetric):
    """Mean prediction over mean label: 1 is right on average, above 1 too much.

    NaN where there is no positive row.
    """

    def __init__(self, name: str = "pcoc") -> None:
        super().__init__(name)

    def values(self, rows: ScoredRows) -> tuple[float]:
        """Returns the ratio."""
        observed = float(np.dot(rows.label, rows.weight))
        if not rows.usable or observed == 0.0:
            return (math.nan,)
        return (float(np.dot(rows.score, rows.weight)) / observed,)
