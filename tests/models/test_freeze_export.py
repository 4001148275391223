import math
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from transformed_shop import PLAN, SPEC, Row, Transformed, encode, make_rows

from clickwright.models import registry
from clickwright.models.export import MISSING_INT64, export, feature_columns
from clickwright.models.freeze_numeric import freeze_numeric, scaled_ranges
from clickwright.models.training.trainer_inputs import vocabulary_sizes

BOUND = 1e-3
COLUMNS = feature_columns(SPEC)
ROWS: list[Row] = [
    {**row, "price": price}
    for row, price in zip(
        make_rows(300, seed=5),
        [None, math.inf, -math.inf, -3.0, 0.5, 150.0, 1e30] * 20
        + np.geomspace(0.4, 160.0, 160).tolist(),
        strict=True,
    )
]
"""Prices missing, beyond the range of the training split, and all over it."""


@pytest.fixture(scope="module")
def models(transformed: Transformed) -> tuple[keras.Model, keras.Model]:
    """A model, and its frozen copy."""
    keras.utils.set_random_seed(2)
    sizes = vocabulary_sizes(SPEC, transformed.output)
    inputs = SPEC.model_inputs(sizes, PLAN.encodings())
    params = {"embedding_dim": 4, "hidden_units": [8], "embedding_stddev": 0.5}
    model = registry.build("deepfm", inputs, params)
    return model, freeze_numeric(model, scaled_ranges(PLAN), BOUND)[0]


def raw_tensors() -> dict[str, Any]:
    """The rows as dense tensors, lists padded at the end."""
    missing: dict[str, Any] = {
        "int64": MISSING_INT64,
        "string": "",
        "float32": math.nan,
    }
    tensors: dict[str, Any] = {}
    for name, is_list in COLUMNS.items():
        dtype = SPEC.columns()[name].dtype
        values = [missing[dtype] if row[name] is None else row[name] for row in ROWS]
        if is_list:
            longest = max(len(value) for value in values)
            values = [v + [missing[dtype]] * (longest - len(v)) for v in values]
        tensors[name] = tf.constant(values, dtype)
    return tensors


def scores(
    model: keras.Model, transformed: Transformed, directory: pathlib.Path
) -> tuple[Any, Any]:
    """What both signatures of the exported model say of the rows."""
    export(model, transformed.output, SPEC, directory, plan=PLAN)
    signatures = tf.saved_model.load(str(directory)).signatures
    examples = tf.constant([encode(row, only=list(COLUMNS)) for row in ROWS])
    return (
        signatures["serving_default"](examples=examples)["probability"].numpy(),
        signatures["predict_raw"](**raw_tensors())["probability"].numpy(),
    )


def test_an_exported_frozen_model_scores_like_the_one_it_was_made_from(
    models: tuple[keras.Model, keras.Model],
    transformed: Transformed,
    tmp_path: pathlib.Path,
) -> None:
    model, frozen = models
    by_example, by_tensor = scores(model, transformed, tmp_path / "model")
    frozen_by_example, frozen_by_tensor = scores(
        frozen, transformed, tmp_path / "frozen"
    )
    prices = np.arange(len(ROWS)) >= 140
    assert by_example[prices].std() > 0.01  # the prices tell apart
    np.testing.assert_allclose(frozen_by_example, by_example, atol=2 * BOUND)
    np.testing.assert_allclose(frozen_by_tensor, by_tensor, atol=2 * BOUND)
    np.testing.assert_allclose(frozen_by_tensor, frozen_by_example, atol=1e-6)
    # Interpolated, hence not quite the same; and the keras model is what is served.
    assert np.abs(frozen_by_example - by_example).max() > 1e-7
    raw = tf.io.parse_example(
        [encode(row) for row in ROWS], transformed.output.raw_feature_spec()
    )
    tensors = transformed.output.transform_features_layer()(raw)
    features = {name: tensors[name] for name in frozen.input}
    np.testing.assert_allclose(
        frozen_by_example,
        frozen(features, training=False)["probability"],
        atol=1e-6,
    )


def test_missing_prices_score_exactly_as_before(
    models: tuple[keras.Model, keras.Model], transformed: Transformed
) -> None:
    model, frozen = models
    raw = tf.io.parse_example(
        [encode(row) for row in ROWS if row["price"] is None],
        transformed.output.raw_feature_spec(),
    )
    tensors = transformed.output.transform_features_layer()(raw)
    features = {name: tensors[name] for name in model.input}
    assert np.isnan(features["price"]).all()
    place = [i.name for i in model.get_layer("embeddings").inputs].index("price")
    found = [np.asarray(m.get_layer("embeddings")(features)) for m in models]
    np.testing.assert_array_equal(found[1][:, place], found[0][:, place])
    assert frozen is not model
