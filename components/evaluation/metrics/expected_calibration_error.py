"""Distance between predicted and observed click rates."""

import math

import numpy as np

from clickwright.components.evaluation.metrics.calibration_bins import (
    NUM_BINS,
    calibration_bins,
)
from clickwright.components.evaluation.metrics.row_metric import RowMetric
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows


class ExpectedCalibrationError(RowMetric):
    """Mean distance of mean prediction and mean label over bins of equal mass.

    ECE = sum_b w_b / W * |mean prediction_b - mean label_b|. Chance alone lifts it above
    0: by about sqrt(r (1 - r) B / rows) for B bins and a positive rate r.

    Args:
        num_bins: bins of equal weight that the rows are cut into by score.
        name: key of the metric.

    References:
        Nixon et al., Measuring Calibration in Deep Learning (CVPR workshops 2019).
    """

    def __init__(self, num_bins: int = NUM_BINS, name: str = "ece") -> None:
        super().__init__(name, num_bins=num_bins)
        self.num_bins = num_bins

    def values(self, rows: ScoredRows) -> tuple[float]:
        """Returns the calibration error."""
        if not rows.usable:
            return (math.nan,)
        bins = calibration_bins(rows, self.num_bins)
        distance = np.abs(bins.mean_prediction - bins.mean_label)
        return (float(np.average(distance, weights=bins.weight)),)
