"""Area under the ROC curve."""

import math

from clickwright.components.evaluation.metrics.ranking import group_aucs
from clickwright.components.evaluation.metrics.row_metric import RowMetric
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows


class ExactAUC(RowMetric):
    """AUC by ranks, ties counting half: no thresholds, so no error of approximation.

    NaN where the rows hold one kind of label only, or a score is not a number.
    """

    def __init__(self, name: str = "auc") -> None:
        super().__init__(name)

    def values(self, rows: ScoredRows) -> tuple[float]:
        """Returns the AUC."""
        return (float(group_aucs(rows).auc[0]) if rows.usable else math.nan,)
