"""The calibration plot's data."""

from tensorflow_model_analysis.metrics import calibration_plot, metric_types
from tensorflow_model_analysis.proto import metrics_for_slice_pb2

from clickwright.components.evaluation.metrics.calibration_bins import (
    NUM_BINS,
    calibration_bins,
)
from clickwright.components.evaluation.metrics.row_metric import RowMetric
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows


class CalibrationCurve(RowMetric):
    """Predicted and observed click rates by bin, in TFMA's format for such plots.

    Both thresholds of a bucket are scores that occur in it.

    Args:
        num_bins: bins of equal weight that the rows are cut into by score.
        name: key of the plot.
    """

    KEY_TYPE = metric_types.PlotKey

    def __init__(
        self,
        num_bins: int = NUM_BINS,
        name: str = calibration_plot.CALIBRATION_PLOT_NAME,
    ) -> None:
        super().__init__(name, num_bins=num_bins)
        self.num_bins = num_bins

    def values(
        self, rows: ScoredRows
    ) -> tuple[metrics_for_slice_pb2.CalibrationHistogramBuckets]:
        """Returns the buckets."""
        found = calibration_bins(rows, self.num_bins)
        plot = metrics_for_slice_pb2.CalibrationHistogramBuckets()
        for lower, upper, weight, prediction, label in zip(
            found.lower,
            found.upper,
            found.weight,
            found.mean_prediction,
            found.mean_label,
            strict=True,
        ):
            bucket = plot.buckets.add(
                lower_threshold_inclusive=lower, upper_threshold_exclusive=upper
            )
            bucket.num_weighted_examples.value = weight
            bucket.total_weighted_label.value = weight * label
            bucket.total_weighted_refined_prediction.value = weight * prediction
        return (plot,)
