"""The TFMA configuration that a spec and thresholds ask for."""

import json
from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from clickwright.components.evaluation import metrics
from clickwright.components.evaluation.thresholds import (
    Bounds,
    HigherIsBetter,
    Thresholds,
    change_of,
)
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import CategoricalFeature, FeatureSpec

PREDICTION_KEY = "probability"
SIGNATURE = "serving_default"

_METRICS = {
    "auc": ("exact_auc", "ExactAUC"),
    "logloss": ("log_loss", "LogLoss"),
    "gauc": ("gauc", "GAUC"),
    "ne": ("normalized_entropy", "NormalizedEntropy"),
    "ece": ("expected_calibration_error", "ExpectedCalibrationError"),
    "pcoc": ("pcoc", "PCOC"),
    "rows": ("row_count", "RowCount"),
    "calibration_plot": ("calibration_curve", "CalibrationCurve"),
}
"""Module and class of each metric, by its key."""


def eval_config(spec: FeatureSpec, thresholds: Thresholds) -> config_pb2.EvalConfig:
    """Derives the configuration, for our evaluator and for the stock one alike.

    GAUC is left out where the spec names no group key. Slices are made of categorical
    features; values of numbers would be too many to read.

    Raises:
        ConfigError: a slice of something else, or a rule for GAUC without a group key.
    """
    rules = thresholds.rules()
    if "gauc" in rules and spec.group_key is None:
        raise ConfigError(
            f"`gauc` cannot be computed: the spec `{spec.name}` has no `group_key`.",
            where="evaluation.thresholds",
            fix="name the column of the user as `group_key`, or take the rule out",
        )
    config = config_pb2.EvalConfig()
    config.model_specs.add(
        signature_name=SIGNATURE,
        prediction_key=PREDICTION_KEY,
        label_key=spec.label_column,
        example_weight_key=spec.weight or "",
    )
    config.slicing_specs.add()
    for columns in slice_columns(spec):
        config.slicing_specs.add(feature_keys=columns)
    chosen = config.metrics_specs.add().metrics
    for name, (module, class_name) in _METRICS.items():
        settings: dict[str, Any] = {"name": name}
        if name == "gauc":
            if spec.group_key is None:
                continue
            settings["group_key"] = spec.group_key
        chosen.add(
            module=f"{metrics.__name__}.{module}",
            class_name=class_name,
            config=json.dumps(settings),
        )
        if name in rules:
            # Bare thresholds would bind every slice; the empty slicing is the whole.
            chosen[-1].per_slice_thresholds.add(
                slicing_specs=[config_pb2.SlicingSpec()],
                threshold=_threshold(rules[name]),
            )
    # The model's own Keras metrics would need a Keras model in the SavedModel.
    config.options.include_default_metrics.value = False
    return config


def slice_columns(spec: FeatureSpec) -> list[tuple[str, ...]]:
    """Returns the columns of each slicing of the spec.

    Raises:
        ConfigError: a feature is not categorical.
    """
    for group in spec.slices:
        for name in group:
            feature = spec.features[name]
            if not isinstance(feature, CategoricalFeature):
                raise ConfigError(
                    f"Slices are made of categorical features. Received: `{name}`, "
                    f"which is {feature.kind}.",
                    where=f"{spec.name}: slices",
                    fix=f"take `{name}` out of `slices`",
                )
    return [tuple(spec.column_of(name) for name in group) for group in spec.slices]


def _threshold(rule: Bounds) -> config_pb2.MetricThreshold:
    threshold = config_pb2.MetricThreshold()
    if rule.min is not None:
        threshold.value_threshold.lower_bound.value = rule.min
    if rule.max is not None:
        threshold.value_threshold.upper_bound.value = rule.max
    change = change_of(rule)
    if change is not None:
        threshold.change_threshold.absolute.value = change
        threshold.change_threshold.direction = (
            config_pb2.MetricDirection.HIGHER_IS_BETTER
            if isinstance(rule, HigherIsBetter)
            else config_pb2.MetricDirection.LOWER_IS_BETTER
        )
    return threshold
