"""Results read back from the files that TFMA writes."""

import math
from collections.abc import Iterator, Mapping

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import metrics_for_slice_pb2
from tensorflow_model_analysis.slicer import slicer_lib

from clickwright.components.evaluation.result import (
    CalibrationBin,
    SliceMetrics,
    SplitResult,
)
from clickwright.schemas.spec import FeatureSpec

ALWAYS = ("auc", "logloss", "gauc", "ne", "ece", "pcoc", "rows")


def read_split(folder: str, model_name: str, spec: FeatureSpec) -> SplitResult:
    """Reads the metrics of one model from the folder of one split."""
    features = {spec.column_of(name): name for group in spec.slices for name in group}
    overall: Mapping[str, float] = dict.fromkeys(ALWAYS, math.nan)
    slices = []
    for found in tfma.load_metrics(folder):
        metrics = dict(_values(found, model_name))
        key = slicer_lib.deserialize_slice_key(found.slice_key)
        if key:
            names = tuple((features[column], str(value)) for column, value in key)
            slices.append(SliceMetrics(names, metrics))
        else:
            overall = {**overall, **metrics}
    slices.sort(key=lambda s: (-s.metrics["rows"], s.slice))
    return SplitResult(overall, tuple(slices), tuple(_bins(folder, model_name)))


def _values(
    found: metrics_for_slice_pb2.MetricsForSlice, model_name: str
) -> Iterator[tuple[str, float]]:
    for metric in found.metric_keys_and_values:
        if metric.key.model_name == model_name and not metric.key.is_diff:
            yield metric.key.name, metric.value.double_value.value


def _bins(folder: str, model_name: str) -> Iterator[CalibrationBin]:
    for found in tfma.load_plots(folder):
        if found.slice_key.single_slice_keys:
            continue
        for plot in found.plot_keys_and_values:
            if plot.key.model_name != model_name:
                continue
            for bucket in plot.value.calibration_histogram_buckets.buckets:
                rows = bucket.num_weighted_examples.value
                yield CalibrationBin(
                    bucket.lower_threshold_inclusive,
                    bucket.upper_threshold_exclusive,
                    rows,
                    bucket.total_weighted_refined_prediction.value / rows,
                    bucket.total_weighted_label.value / rows,
                )
