"""Binary cross-entropy."""

import numpy as np

from clickwright.components.evaluation.metrics.row_metric import RowMetric
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows

EPSILON = 1e-7
"""Scores are kept this far from 0 and 1, as Keras and TFMA do."""


def log_loss(rows: ScoredRows) -> float:
    """Mean of -log(probability given to what happened), in nats."""
    if not rows.usable:
        return float("nan")
    score = np.clip(rows.score, EPSILON, 1.0 - EPSILON)
    happened = np.where(rows.label == 1.0, score, 1.0 - score)
    return float(np.average(-np.log(happened), weights=rows.weight))


class LogLoss(RowMetric):
    """Mean negative log probability of what happened, in nats."""

    def __init__(self, name: str = "logloss") -> None:
        super().__init__(name)

    def values(self, rows: ScoredRows) -> tuple[float]:
        """Returns the log loss."""
        return (log_loss(rows),)
