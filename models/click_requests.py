"""Golden requests of an exported click model."""

import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from clickwright.models.export import feature_columns, request_parsing
from clickwright.models.rank_signature import item_columns
from clickwright.models.request_files import (
    dense_columns,
    kept_columns,
    predict_log,
    with_columns_of,
    write_requests,
)
from clickwright.models.request_rows import RequestRows
from clickwright.models.scoring import scoring_model
from clickwright.schemas.spec import FeatureSpec


def write_click_requests(
    model: keras.Model,
    transform_output: tft.TFTransformOutput,
    spec: FeatureSpec,
    directory: pathlib.Path,
    rows: RequestRows,
    negative_sampling_rate: float = 1.0,
    health: bool = False,
) -> None:
    """Writes golden and warm-up requests into the SavedModel that `export` wrote.

    The golden ones ask `serving_default`, `predict_raw` and, where features have the
    role `item`, `rank` for real rows; in `rank`, the first row is the user's, and the
    items are those of all rows. They hold what features read and nothing else. Their
    answers come from the transform graph and the trained model, run on whole rows as
    training runs them: not from the SavedModel, nor from a model folded for it.

    Args:
        model: the trained model.
        transform_output: the transform graph.
        spec: the feature spec.
        directory: folder of the SavedModel.
        rows: what is asked for, and how much of it at once.
        negative_sampling_rate: as for `export`.
        health: whether there is a `numeric_health` to warm up.

    Raises:
        MachineError: a file cannot be written, or the disk is full.
    """
    lists = {name for name, is_list in feature_columns(spec).items() if is_list}
    parsing = request_parsing(spec, transform_output)
    transform = transform_output.transform_features_layer()
    scorer = scoring_model(model, negative_sampling_rate)
    of_items = item_columns(spec)

    def answers(whole: tuple[bytes, ...]) -> np.ndarray[Any, Any]:
        raw = tf.io.parse_example(list(whole), transform_output.raw_feature_spec())
        tensors = transform(raw)
        features = {name: tensors[name] for name in model.input}
        return np.asarray(scorer(features, training=False))

    def inputs_of(count: int) -> dict[str, dict[str, Any]]:
        asked = [kept_columns(row, parsing) for row in rows.repeated(count)]
        columns = dense_columns(asked, parsing, lists)
        found: dict[str, dict[str, Any]] = {
            "serving_default": {"examples": np.array(asked, object)},
            "predict_raw": columns,
        }
        if of_items:
            one = dense_columns(asked[:1], parsing, lists)
            found["rank"] = {
                name: x if name in of_items else one[name]
                for name, x in columns.items()
            }
        return found

    first = rows.rows[0]
    score = answers(rows.rows)
    wanted = {"serving_default": score, "predict_raw": score}
    if of_items:
        ranked = tuple(with_columns_of(first, row, of_items) for row in rows.rows)
        wanted["rank"] = answers(ranked)
    golden = [
        predict_log(signature, inputs, {"probability": wanted[signature][:count]})
        for count in rows.golden_sizes
        for signature, inputs in inputs_of(count).items()
    ]
    warmup = []
    for count in rows.batch_sizes:
        inputs = inputs_of(count)
        if health:
            inputs["numeric_health"] = inputs["serving_default"]
        warmup += [predict_log(signature, own) for signature, own in inputs.items()]
    write_requests(directory, golden, warmup)
