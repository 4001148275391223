"""The TF Metadata schema of a feature spec, for TFX's data validation."""

import math
import pathlib

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from clickwright.schemas.errors import storage_error
from clickwright.schemas.spec import (
    CategoricalFeature,
    Column,
    Comparator,
    Feature,
    FeatureSpec,
    IdentityVocabulary,
    MultiHotFeature,
    NumericFeature,
)

TRAINING = "TRAINING"
SERVING = "SERVING"
"""Environment of requests: labels, weight, group key and timestamp may be absent."""

_HEADER = "# Derived from the feature spec; `clickwright spec schema` writes it anew.\n"
_TYPES = {
    "int64": schema_pb2.INT,
    "float32": schema_pb2.FLOAT,
    "string": schema_pb2.BYTES,
}


def to_schema(spec: FeatureSpec) -> schema_pb2.Schema:
    """Returns the schema of the columns that the spec reads, in the spec's order.

    Required scalars have the fixed shape `[]`, so that TFX reads them as dense
    `[batch]` tensors; optional scalars and lists come as sparse ones. A required list
    holds at least one value, an optional one may be empty or absent. Integers of a
    vocabulary count as categorical: give the schema to StatisticsGen, so that it
    counts them as values and their shares can be compared.
    """
    schema = schema_pb2.Schema(default_environment=[TRAINING, SERVING])
    features = _feature_of_columns(spec)
    labels = {label.column or name for name, label in spec.labels.items()}
    served = set(spec.serving_columns())
    if spec.timestamp not in features:
        served -= {spec.timestamp}  # without it events have no age
    for column in spec.columns().values():
        item = schema.feature.add(name=column.name, type=_TYPES[column.dtype])
        _set_presence(item, column)
        if column.name in features:
            _set_domain(item, features[column.name], column)
            _set_comparators(item, spec, column.name)
        elif column.name in labels:
            item.int_domain.min, item.int_domain.max = 0, 1
        elif column.dtype == "float32":
            _refuse_nan(item)
        if column.name not in served:
            item.not_in_environment.append(SERVING)
    return schema


def schema_text(spec: FeatureSpec) -> str:
    """Returns `to_schema(spec)` as the text of a `schema.pbtxt`."""
    return _HEADER + text_format.MessageToString(to_schema(spec))


def write_schema(spec: FeatureSpec, path: pathlib.Path) -> None:
    """Writes `schema_text(spec)`.

    Raises:
        MachineError: the file cannot be written.
    """
    try:
        path.write_text(schema_text(spec), encoding="utf-8")
    except OSError as error:
        raise storage_error(error, path) from error


def _feature_of_columns(spec: FeatureSpec) -> dict[str, Feature]:
    """The feature whose values each column holds, by column.

    A list of a sequence, or beside it, holds values of another feature.
    """
    found: dict[str, Feature] = {}
    for name, feature in spec.features.items():
        match feature:
            case CategoricalFeature() | NumericFeature() | MultiHotFeature():
                found[spec.column_of(name)] = feature
    for name, feature in spec.features.items():
        if feature.kind == "sequence":
            found.setdefault(spec.column_of(name), spec.features[feature.of])
            for side in feature.side.values():
                found.setdefault(side.column, spec.features[side.of])
    return found


def _set_presence(item: schema_pb2.Feature, column: Column) -> None:
    if column.required:
        item.presence.min_fraction = 1.0
        item.presence.min_count = 1
    if column.is_list:
        item.value_count.min = int(column.required)
    elif column.required:
        item.shape.SetInParent()  # no dimensions: one value
    else:
        item.value_count.min = item.value_count.max = 1


def _set_domain(item: schema_pb2.Feature, feature: Feature, column: Column) -> None:
    match feature:
        case CategoricalFeature(values=values) if values is not None:
            if column.dtype == "string":
                item.string_domain.value.extend(str(value) for value in values)
            else:
                item.int_domain.min = min(int(value) for value in values)
                item.int_domain.max = max(int(value) for value in values)
        case CategoricalFeature() | MultiHotFeature() if isinstance(
            feature.vocabulary, IdentityVocabulary
        ):
            item.int_domain.min = 0
            item.int_domain.max = feature.vocabulary.size - 1
        case NumericFeature(min=low, max=high):
            if column.dtype == "int64":
                if low is not None:
                    item.int_domain.min = math.ceil(low)
                if high is not None:
                    item.int_domain.max = math.floor(high)
            else:
                if low is not None:
                    item.float_domain.min = low
                if high is not None:
                    item.float_domain.max = high
    if column.dtype == "int64" and not isinstance(feature, NumericFeature):
        item.int_domain.is_categorical = True
    if column.dtype == "float32":
        _refuse_nan(item)


def _refuse_nan(item: schema_pb2.Feature) -> None:
    item.float_domain.disallow_nan = True
    item.float_domain.disallow_inf = True


def _set_comparators(item: schema_pb2.Feature, spec: FeatureSpec, column: str) -> None:
    """Copies the comparators of the features that read the column."""
    for name, feature in spec.features.items():
        if spec.column_of(name) != column:
            continue
        if feature.drift is not None:
            item.drift_comparator.CopyFrom(_comparator(feature.drift))
        if feature.skew is not None:
            item.skew_comparator.CopyFrom(_comparator(feature.skew))


def _comparator(bounds: Comparator) -> schema_pb2.FeatureComparator:
    comparator = schema_pb2.FeatureComparator()
    if bounds.linf is not None:
        comparator.infinity_norm.threshold = bounds.linf
    if bounds.js is not None:
        comparator.jensen_shannon_divergence.threshold = bounds.js
    return comparator
