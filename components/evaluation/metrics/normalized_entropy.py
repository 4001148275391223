"""Log loss against that of the base rate."""

import math

import numpy as np

from clickwright.components.evaluation.metrics.log_loss import log_loss
from clickwright.components.evaluation.metrics.row_metric import RowMetric
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows


class NormalizedEntropy(RowMetric):
    """Log loss divided by that of always predicting the rows' own positive rate.

    NE = log loss / -(r log r + (1 - r) log(1 - r)). Below 1 the model has learnt more
    than the rate; NaN where the rows hold one kind of label only.

    References:
        He et al., Practical Lessons from Predicting Clicks on Ads at Facebook
        (ADKDD 2014), section 3.
    """

    def __init__(self, name: str = "ne") -> None:
        super().__init__(name)

    def values(self, rows: ScoredRows) -> tuple[float]:
        """Returns the normalised entropy."""
        if not rows.usable:
            return (math.nan,)
        rate = float(np.average(rows.label, weights=rows.weight))
        if not 0.0 < rate < 1.0:
            return (math.nan,)
        entropy = -(rate * math.log(rate) + (1.0 - rate) * math.log1p(-rate))
        return (log_loss(rows) / entropy,)
