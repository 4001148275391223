"""Trained model and transform graph in one SavedModel."""

import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from clickwright.models.fold_norms import fold_norms
from clickwright.models.preprocessing import MISSING_TIME, numbers
from clickwright.models.rank_signature import rank_signature
from clickwright.models.scoring import scoring_model
from clickwright.models.transform_graph import TransformGraph
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import MachineError
from clickwright.schemas.spec import FeatureSpec

MISSING_INT64 = MISSING_TIME
"""Stands for a missing value, and pads lists, in int64 tensors of `predict_raw`."""
MISSING: Mapping[tf.DType, Any] = {
    tf.int64: MISSING_INT64,
    tf.float32: math.nan,
    tf.string: "",
}
"""The same for every type of tensor that `predict_raw` takes."""

HEALTH = ("missing", "non_finite", "below", "above")
"""What `numeric_health` counts: NaN or absent, infinite, and finite values below and
above the range of the training split."""


def export(
    model: keras.Model,
    transform_output: tft.TFTransformOutput,
    spec: FeatureSpec,
    directory: pathlib.Path,
    negative_sampling_rate: float = 1.0,
    plan: DiscretizationPlan | None = None,
) -> None:
    """Writes a SavedModel that scores raw features.

    All signatures but `numeric_health` give `probability`, float32 `[batch]`:

    * `serving_default`: `examples`, serialized tf.Examples, string `[batch]`. A
      feature that an Example lacks is missing; labels, weight and everything else
      that only training needs are not read. Where events have ages, the row's
      `timestamp` is the time of the request; without it they are of no age.
    * `predict_raw`: one tensor a column that features read: `[batch]`, or
      `[batch, length]` for lists, padded at the end. An empty string, a NaN or
      `MISSING_INT64` stands for a missing value. In a required int64 column that
      number is an unknown value like any other; as the row's time it is a missing one.
    * `rank`: the columns of `predict_raw`; those that features of the role `item` read
      hold one row an item, `[N]` or `[N, length]`, and all others one row, `[1]` or
      `[1, length]`. It gives the probability of each item, float32 `[N]`, and does the
      user's part once. It is there where features of that role are.
    * `numeric_health`: `examples` as above; gives, for each of `HEALTH`, how many
      values of the batch are so, int64 `[F]` with the numeric features in the plan's
      order. It is there where the plan has fields.

    The variables belong to a Keras export archive: TensorFlow's C++ loader does not
    find those of a plain `tf.Module` that tracks a Keras model.

    Args:
        model: reads the transformed tensors by name, gives `probability`.
        transform_output: the transform graph.
        spec: the feature spec; says which columns are features.
        directory: folder of the SavedModel.
        negative_sampling_rate: share of the negatives that training saw; the
            probabilities are those of all rows.
        plan: the discretization plan of the numeric features, which says what the
            training split's range was.

    Raises:
        MachineError: the folder cannot be written to, or the disk is full.
    """
    columns = feature_columns(spec)
    parsing = request_parsing(spec, transform_output)
    transform = TransformGraph(transform_output)
    scorer = fold_norms(scoring_model(model, negative_sampling_rate))
    names = tuple(model.input)

    def score(raw: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        return {"probability": scorer(transform(raw, names), training=False)}

    def serving_default(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return score(tf.io.parse_example(examples, parsing))

    def as_parsed(columns: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        return {name: parsed_like(x, parsing[name]) for name, x in columns.items()}

    def predict_raw(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return score(as_parsed({name: columns[name] for name in parsing}))

    raw_specs = {
        name: tf.TensorSpec(
            [None, None] if columns[name] else [None], parsing[name].dtype, name=name
        )
        for name in parsing
    }

    archive = keras.export.ExportArchive()
    # Its vocabularies. Variables are found by the signatures that read them; tracking
    # the model too would write each a second time, and load it so.
    archive.track(transform.resources)
    archive.add_endpoint(
        "serving_default",
        serving_default,
        [tf.TensorSpec([None], tf.string, name="examples")],
    )
    archive.add_endpoint("predict_raw", predict_raw, [raw_specs])
    ranking = rank_signature(
        spec,
        scorer,
        lambda columns, names: transform(as_parsed(columns), names),
        raw_specs,
    )
    if ranking is not None:
        archive.add_endpoint("rank", ranking[0], [ranking[1]])
    if plan is not None and plan.fields:
        archive.add_endpoint(
            "numeric_health",
            _numeric_health(spec, plan, parsing),
            [tf.TensorSpec([None], tf.string, name="examples")],
        )
    write_archive(archive, directory)


def write_archive(archive: keras.export.ExportArchive, directory: pathlib.Path) -> None:
    """Writes the SavedModel.

    Raises:
        MachineError: the folder cannot be written to, or the disk is full.
    """
    try:
        archive.write_out(str(directory), verbose=False)
    except (OSError, tf.errors.OpError) as error:
        raise MachineError(
            f"The model cannot be written: {error}.",
            where=str(directory),
            fix="free disk space, or make the folder writable, and run again",
        ) from error


def feature_columns(spec: FeatureSpec) -> dict[str, bool]:
    """Returns the columns that a request holds; the value says whether it is a list."""
    return {name: c.is_list for name, c in spec.serving_columns().items()}


def request_parsing(
    spec: FeatureSpec, transform_output: tft.TFTransformOutput
) -> dict[str, Any]:
    """Returns how tf.Examples that are requests are parsed, by column."""
    columns = feature_columns(spec)
    parsing = {
        name: feature
        for name, feature in transform_output.raw_feature_spec().items()
        if name in columns
    }
    if spec.timestamp in parsing:
        parsing[spec.timestamp] = _optional_time(parsing[spec.timestamp])
    return parsing


def _optional_time(parsing: Any) -> Any:
    """The row's time as features take it: a request may lack it."""
    if not isinstance(parsing, tf.io.FixedLenFeature):
        return parsing
    return tf.io.FixedLenFeature(parsing.shape, parsing.dtype, MISSING_TIME)


def _numeric_health(
    spec: FeatureSpec, plan: DiscretizationPlan, parsing: Mapping[str, Any]
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """The function that counts a batch's values outside what training saw."""
    columns = [spec.column_of(name) for name in plan.fields]
    parsing = {name: parsing[name] for name in columns}
    scalings = [field.scaling for field in plan.fields.values()]
    low = tf.constant([scaling.low for scaling in scalings], tf.float64)
    high = tf.constant([scaling.high for scaling in scalings], tf.float64)

    def numeric_health(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        raw = tf.io.parse_example(examples, parsing)
        x = tf.stack([numbers(raw[name]) for name in columns], axis=1)  # [B, F]
        finite = tf.math.is_finite(x)
        found = {
            "missing": tf.math.is_nan(x),
            "non_finite": tf.math.is_inf(x),
            "below": finite & (x < low),
            "above": finite & (x > high),
        }
        return {
            name: tf.reduce_sum(tf.cast(found[name], tf.int64), axis=0)
            for name in HEALTH
        }

    return numeric_health


def parsed_like(values: tf.Tensor, feature: Any) -> Any:
    """A tensor of `predict_raw` in the form in which parsing an Example gives it.

    Args:
        values: `[batch]`, or of a list `[batch, length]`.
        feature: how Examples are parsed.
    """
    if isinstance(feature, tf.io.FixedLenFeature):
        return values
    rows = values if values.shape.rank == 2 else tf.expand_dims(values, 1)  # [B, L]
    if rows.dtype.is_floating:
        there = tf.logical_not(tf.math.is_nan(rows))
    else:
        there = tf.not_equal(rows, MISSING[rows.dtype])
    # What is missing leaves no gaps, as in parsing. Ragged tensors can do the same with
    # five times the operations, which small requests feel.
    indices = tf.where(there)  # [values, 2]
    places = tf.cumsum(tf.cast(there, tf.int64), axis=1, exclusive=True)
    places = tf.gather_nd(places, indices)
    return tf.SparseTensor(
        tf.stack([indices[:, 0], places], axis=1),
        tf.gather_nd(rows, indices),
        tf.shape(rows, tf.int64),
    )
