"""The one `preprocessing_fn`, derived from the feature spec.

Transform traces it once; the same graph feeds training and sits inside the exported
model, so there is no second implementation of preprocessing. Every output depends
on its own column alone (crosses: on theirs), so that labels, weight and group key
drop out of the graph at serving.

Ids: 0 is padding and missing, then the vocabulary, then the out-of-vocabulary rows;
`FeatureSpec.table_rows` counts them. What counts as missing: an absent value, an
empty string, NaN.

Numbers are scaled by the constants of the discretization plan, and nothing is learned
of them here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import tensorflow as tf
import tensorflow_transform as tft

from clickwright.models.vocabulary_analyzer import NO_VALUE, VocabularyAnalyzer
from clickwright.schemas.discretization_plan import DiscretizationPlan, Scaling
from clickwright.schemas.missing_values import MISSING_INT64
from clickwright.schemas.spec import (
    AGE_BUCKETS,
    PADDING_ID,
    CategoricalFeature,
    CrossFeature,
    FeatureSpec,
    HashVocabulary,
    IdentityVocabulary,
    LearnedVocabulary,
    MultiHotFeature,
    NumericFeature,
    SequenceFeature,
    Vocabulary,
    age_of,
)

SPEC_KEY = "spec"
"""Key of `custom_config` that holds the spec as JSON."""
PLAN_KEY = "plan"
"""Key of `custom_config` that holds the discretization plan as JSON."""
VOCABULARIES_KEY = "vocabularies"
"""Key of `custom_config` that holds the path of a JSON file of earlier vocabularies, a
list of values a feature, which the learned ones go on from; absent for none."""
MISSING_LABEL = -1.0
SAMPLE_WEIGHT = "sample_weight"
GROUP_KEY = "group_key"

Column: TypeAlias = tf.Tensor | tf.SparseTensor
Lookup: TypeAlias = Callable[[tf.Tensor], tf.Tensor]

_SEPARATOR = "\x1f"
"""Between the parts of a cross: ASCII's unit separator, not found in real values."""
_GROUPS = 2**63 - 1
"""Hash range of string group keys: as good as free of collisions."""
MISSING_TIME = MISSING_INT64
"""The time of a row that has none."""
_LEAST_SECONDS = [math.isqrt(2**step - 1) + 1 for step in range(AGE_BUCKETS)]
"""The least seconds of each bucket of ages: those whose square is 2 ** step or more."""


def preprocessing_fn(
    inputs: Mapping[str, Column], custom_config: Mapping[str, Any]
) -> dict[str, tf.Tensor]:
    """Turns raw columns into the tensors of `FeatureSpec.model_inputs`.

    Args:
        inputs: raw columns by name; scalars dense `[batch]` or sparse
            `[batch, <=1]`, lists sparse `[batch, longest]`.
        custom_config: `spec` holds the feature spec as JSON, `plan` the
            discretization plan, which a spec without numeric features needs not;
            `vocabularies` the path of earlier vocabularies, if there are any.

    Returns:
        Model inputs (ids int64, values float32, NaN where the plan leaves a missing
        number missing); each label float32 `[batch]`, -1 where it is missing;
        `sample_weight` float32 and `group_key` int64 `[batch]` where the spec names
        them.
    """
    spec = FeatureSpec.model_validate_json(custom_config[SPEC_KEY])
    lookups = _lookups(spec, inputs, custom_config.get(VOCABULARIES_KEY))
    scalings = _scalings(spec, custom_config)
    outputs: dict[str, tf.Tensor] = {}
    for name, feature in spec.features.items():
        match feature:
            case NumericFeature():
                outputs[name] = scaled(scalings[name], inputs[spec.column_of(name)])
            case CategoricalFeature():
                column = inputs[spec.column_of(name)]
                outputs[name] = _scalar(column, PADDING_ID, lookups[name])
            case MultiHotFeature(max_length=length):
                column = inputs[spec.column_of(name)]
                ids = lookups[name](column.values)
                places = tf.minimum(column.indices[:, 1], length)
                outputs[name] = _placed(column, ids, places, length + 1)[:, :length]
            case SequenceFeature():
                outputs |= _sequence(name, feature, spec, inputs, lookups)
            case CrossFeature():
                columns = [inputs[spec.column_of(part)] for part in feature.of]
                outputs[name] = _cross(columns, feature.buckets)
    for name, label in spec.labels.items():
        column = inputs[label.column or name]
        outputs[name] = _scalar(column, MISSING_LABEL, _to_float32)
    if spec.weight:
        outputs[SAMPLE_WEIGHT] = _scalar(inputs[spec.weight], 1.0, _to_float32)
    if spec.group_key:
        outputs[GROUP_KEY] = _scalar(inputs[spec.group_key], 0, _group)
    return outputs


def _scalings(
    spec: FeatureSpec, custom_config: Mapping[str, Any]
) -> dict[str, Scaling]:
    """Returns the scaling of each numeric feature, as the plan says."""
    if not spec.numeric_features():
        return {}
    plan = DiscretizationPlan.model_validate_json(custom_config[PLAN_KEY])
    return {name: field.scaling for name, field in plan.fields.items()}


def _lookups(
    spec: FeatureSpec, inputs: Mapping[str, Column], known: str | None
) -> dict[str, Lookup]:
    """Returns the function from values to ids of each feature that owns a vocabulary.

    Learned vocabularies are counted here, each on its owner's column alone;
    everything that shares one looks up the same table. They are not cut to
    `max_size`: a larger one stops the run, with its size in the message.
    """
    owners = spec.vocabulary_features()
    learned = {
        name: owner.vocabulary
        for name, owner in owners.items()
        if isinstance(owner.vocabulary, LearnedVocabulary)
    }
    files: dict[str, tf.Tensor] = {}
    if learned:
        assets = tft.experimental.ptransform_analyzer(
            [_to_string(_values(inputs[spec.column_of(name)])) for name in learned],
            VocabularyAnalyzer(
                list(learned),
                [vocabulary.min_count for vocabulary in learned.values()],
                known,
            ),
            output_dtypes=[tf.string] * len(learned),
            output_shapes=[[]] * len(learned),
            output_asset_default_values=[NO_VALUE] * len(learned),
        )
        files = dict(zip(learned, assets, strict=True))
    return {
        name: _lookup(owner.vocabulary, files.get(name))
        for name, owner in owners.items()
    }


def _lookup(vocabulary: Vocabulary, file: tf.Tensor | None) -> Lookup:
    """Returns the function from values to ids of a vocabulary.

    Values of learned ones are looked up as strings, integers too: TensorFlow names
    a table after its file alone, and refuses a name that it knows with another key
    type, from another spec in the same process.
    """
    match vocabulary:
        case LearnedVocabulary(oov_buckets=oov_buckets):

            def ids(values: tf.Tensor) -> tf.Tensor:
                return 1 + tft.apply_vocabulary(
                    _to_string(values), file, num_oov_buckets=oov_buckets
                )

        case HashVocabulary(buckets=buckets):

            def ids(values: tf.Tensor) -> tf.Tensor:
                return 1 + tf.strings.to_hash_bucket_fast(_to_string(values), buckets)

        case IdentityVocabulary(size=size):

            def ids(values: tf.Tensor) -> tf.Tensor:
                known = (values >= 0) & (values < size)
                return tf.where(known, values + 1, tf.constant(size + 1, tf.int64))

    return lambda values: _unless_empty(values, ids(values))


def scaled(scaling: Scaling, column: Column) -> tf.Tensor:
    """Returns the scaled values of a numeric column, float32 `[batch]`.

    Values beyond the range of the training split, infinite ones among them, are moved
    to its border, so that no request reaches a model with a number far from all that
    it has seen. All arithmetic is in float64, and its result rounded once.
    """
    raw = numbers(column)
    missing = tf.math.is_nan(raw)
    x = tf.where(missing, _constant(scaling.low), raw)
    x = tf.clip_by_value(x, _constant(scaling.low), _constant(scaling.high))
    match scaling.kind:
        case "log1p":
            x = tf.math.log1p(x - _constant(min(scaling.low, 0.0)))
        case "signed_log":
            x = tf.sign(x) * tf.math.log1p(tf.abs(x))
        case "quantile_rank":
            x = _rank(x, scaling.knots)
    y = (x - _constant(scaling.shift)) / _constant(scaling.width)
    filler = math.nan if scaling.missing is None else scaling.missing
    return _to_float32(tf.where(missing, _constant(filler), y))


def numbers(column: Column) -> tf.Tensor:
    """Returns the values of a numeric column, NaN where absent, float64 `[batch]`."""
    return _scalar(column, math.nan, _to_float64)


def _rank(x: tf.Tensor, knots: Sequence[float]) -> tf.Tensor:
    """Returns the rank among the knots, 0 to 1; of equal knots the last one's."""
    last = len(knots) - 1
    ends = _constant(knots)
    x = tf.clip_by_value(x, ends[0], ends[-1])
    left = tf.searchsorted(ends, x, side="right") - 1
    right = tf.minimum(left + 1, last)
    low, high = tf.gather(ends, left), tf.gather(ends, right)
    way = tf.math.divide_no_nan(x - low, high - low)
    return (tf.cast(left, tf.float64) + way) / last


def _sequence(
    name: str,
    feature: SequenceFeature,
    spec: FeatureSpec,
    inputs: Mapping[str, Column],
    lookups: Mapping[str, Lookup],
) -> dict[str, tf.Tensor]:
    """Returns the history and its side inputs, each int64 `[batch, max_length]`."""
    parts: dict[str, tuple[str, Lookup]] = {
        name: (spec.column_of(name), lookups[feature.of])
    }
    for side_name, side in feature.side.items():
        parts[f"{name}__{side_name}"] = (side.column, lookups[side.of])
    outputs = {
        output: _latest(inputs[column], ids(inputs[column].values), feature)
        for output, (column, ids) in parts.items()
    }
    if feature.times and spec.timestamp:
        times = inputs[feature.times]
        ages = _ages(times, inputs[spec.timestamp])
        outputs[age_of(name)] = _latest(times, ages, feature)
    return outputs


def _ages(times: tf.SparseTensor, now: Column) -> tf.Tensor:
    """Returns the ids of the events' ages at the rows' times.

    `id = floor(2 log2(seconds)) + 1`, by comparing integers, as logarithms would round;
    1 for less than a second and for times to come, 0 where the row has no time.
    """
    row_times = _scalar(now, MISSING_TIME, tf.identity)  # [B]
    at = tf.gather(row_times, times.indices[:, 0])  # [events]
    least = tf.constant(_LEAST_SECONDS, tf.int64)
    found = tf.searchsorted(least, at - times.values, side="right", out_type=tf.int64)
    padding = tf.constant(PADDING_ID, tf.int64)
    return tf.where(tf.equal(at, MISSING_TIME), padding, tf.maximum(found, 1))


def _latest(
    column: tf.SparseTensor, ids: tf.Tensor, feature: SequenceFeature
) -> tf.Tensor:
    """Returns the ids of the last events, padded, int64 `[batch, max_length]`.

    Args:
        column: the events, whose places are counted from each row's first.
        ids: of all events.
        feature: says how many there may be, and where padding goes.
    """
    length = feature.max_length
    rows, places = column.indices[:, 0], column.indices[:, 1]
    lengths = tf.math.unsorted_segment_sum(
        tf.ones_like(rows), rows, column.dense_shape[0]
    )
    kept = tf.cast(length, tf.int64)
    if feature.padding == "right":
        kept = tf.minimum(lengths, kept)
    # Older events all go to a place before the first, which is cut off.
    places += tf.gather(kept - lengths, rows) + 1
    return _placed(column, ids, tf.maximum(places, 0), length + 1)[:, 1:]


def _placed(
    column: tf.SparseTensor, ids: tf.Tensor, places: tf.Tensor, length: int
) -> tf.Tensor:
    """Returns each row's ids at the places given, 0 elsewhere, int64 `[batch, length]`.

    Where ids share a place, what stands there means nothing.
    """
    shape = tf.stack([column.dense_shape[0], tf.constant(length, tf.int64)])
    at = tf.stack([column.indices[:, 0], places], axis=1)
    return tf.ensure_shape(tf.scatter_nd(at, ids, shape), [None, length])


def _cross(columns: list[Column], buckets: int) -> tf.Tensor:
    """Returns 1 + the hash of the joined values; 0 where one of them is missing."""
    parts = [_scalar(column, "", _to_string) for column in columns]
    joined = tf.strings.join(parts, separator=_SEPARATOR)
    ids = 1 + tf.strings.to_hash_bucket_fast(joined, buckets)
    missing = tf.reduce_any([tf.equal(part, "") for part in parts], axis=0)
    return tf.where(missing, tf.constant(PADDING_ID, tf.int64), ids)


def _values(column: Column) -> tf.Tensor:
    """Returns the values that are there, `[values]`."""
    if isinstance(column, tf.SparseTensor):
        return column.values
    return tf.reshape(column, [-1])


def _scalar(column: Column, missing: Any, fn: Lookup) -> tf.Tensor:
    """Returns `fn` of each row's value, `missing` where a row has none, `[batch]`."""
    values = fn(_values(column))
    if not isinstance(column, tf.SparseTensor):
        return values
    one_a_row = tf.SparseTensor(column.indices, values, [column.dense_shape[0], 1])
    missing = tf.constant(missing, values.dtype)
    return tf.squeeze(tf.sparse.to_dense(one_a_row, missing), axis=1)


def _unless_empty(values: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Returns the ids, 0 for empty strings; other types have no empty value."""
    if values.dtype != tf.string:
        return ids
    return tf.where(tf.equal(values, ""), tf.constant(PADDING_ID, tf.int64), ids)


def _group(values: tf.Tensor) -> tf.Tensor:
    """Returns int64 group keys; strings are hashed."""
    if values.dtype == tf.string:
        return tf.strings.to_hash_bucket_fast(values, _GROUPS)
    return values


def _to_string(values: tf.Tensor) -> tf.Tensor:
    return values if values.dtype == tf.string else tf.strings.as_string(values)


def _to_float32(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(values, tf.float32)


def _to_float64(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(values, tf.float64)


def _constant(values: float | Sequence[float]) -> tf.Tensor:
    return tf.constant(values, tf.float64)
