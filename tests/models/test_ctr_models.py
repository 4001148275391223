from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from clickwright.models import registry
from clickwright.schemas.model_input import ModelInput

ROWS = (4, 3, 6)
INPUTS = tuple(
    ModelInput(f"f{n}", "id", "user", f"f{n}", rows) for n, rows in enumerate(ROWS)
)
SMALL = {"embedding_dim": 3, "hidden_units": (5, 4), "embedding_stddev": 0.5}
FEATURES = {
    "f0": np.array([0, 3, 2, 1]),
    "f1": np.array([2, 1, 1, 0]),
    "f2": np.array([5, 0, 3, 4]),
}
FRAPPE_VALUES = (954, 4082, 7, 7, 2, 3, 2, 9, 80, 233)
"""Values that the training split holds, by field; `bars_reference` gives 5,379."""


def frappe_inputs(more: int) -> list[ModelInput]:
    return [
        ModelInput(f"f{n}", "id", "user", f"f{n}", values + more)
        for n, values in enumerate(FRAPPE_VALUES)
    ]


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def logits(model: keras.Model, features: dict[str, Any] = FEATURES) -> np.ndarray:
    graph = keras.Model(model.input, model.get_layer("probability").input)
    return np.asarray(graph(features, training=False))[:, 0]


def tables(model: keras.Model) -> tuple[Any, Any]:
    """Embeddings `[V, D]` and first-order weights `[V, 1]`."""
    linear = model.get_layer("linear").weights_table.embeddings
    return model.get_layer("embeddings").embeddings, linear


def by_hand(model: keras.Model, fields: Sequence[int] = (0, 1, 2)) -> np.ndarray:
    """Linear term plus the double loop over pairs, from the tables' values."""
    embeddings, weights = (np.asarray(t) for t in tables(model))
    first = np.cumsum([0, *ROWS])
    out = []
    for row in range(4):
        at = [first[f] + FEATURES[f"f{f}"][row] for f in fields]
        pairs = sum(
            embeddings[at[i]] @ embeddings[at[j]] for i in range(3) for j in range(i)
        )
        out.append(weights[at].sum() + pairs)
    return np.array(out)


def test_deepfm_has_the_published_number_of_parameters() -> None:
    # FuxiCTR v1 keeps one row a field beside those of the values, for unknown ones:
    # 5,379 + 10 = 5,389 rows of 10 + 1 floats, a tower 100 -> 400 -> 400 -> 400 -> 1.
    assert sum(FRAPPE_VALUES) == 5379
    assert trainable(registry.build("deepfm", frappe_inputs(1))) == 423_280


def test_deepfm_has_one_row_a_field_more_than_published() -> None:
    # Our tables keep row 0 for padding and missing values besides.
    assert trainable(registry.build("deepfm", frappe_inputs(2))) == 423_280 + 10 * 11


def test_logistic_regression_has_a_weight_a_row_and_a_bias() -> None:
    model = registry.build("logistic_regression", frappe_inputs(1))
    assert trainable(model) == 5389 + 1  # as FuxiCTR v1's


def test_deepfm_without_the_towers_head_is_a_factorization_machine() -> None:
    model = registry.build("deepfm", INPUTS, SMALL)
    model.get_layer("head").set_weights([np.zeros((4, 1)), np.zeros(1)])
    np.testing.assert_allclose(logits(model), by_hand(model), rtol=1e-5, atol=1e-6)


def test_deepfm_with_zero_embeddings_is_a_logistic_regression() -> None:
    model = registry.build("deepfm", INPUTS, SMALL)
    embeddings, weights = tables(model)
    embeddings.assign(np.zeros(embeddings.shape))
    same = registry.build("logistic_regression", INPUTS)
    same.get_layer("linear").set_weights([np.zeros(1), np.asarray(weights)])
    # The tower of zeros gives the head's bias, which starts at 0.
    np.testing.assert_allclose(logits(model), logits(same), rtol=1e-5, atol=1e-6)


def test_logistic_regression_equals_its_formula() -> None:
    model = registry.build("logistic_regression", INPUTS)
    weights = np.random.default_rng(0).normal(size=(sum(ROWS), 1)).astype(np.float32)
    model.get_layer("linear").set_weights([np.array([0.3]), weights])
    first = np.cumsum([0, *ROWS])
    z = 0.3 + sum(weights[first[f] + FEATURES[f"f{f}"], 0] for f in range(3))
    got = model(FEATURES)["probability"]
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-z)), rtol=1e-6)


def test_permuting_the_fields_leaves_deepfms_shallow_part_alone() -> None:
    model = registry.build("deepfm", INPUTS, SMALL)
    turned = registry.build("deepfm", INPUTS[::-1], SMALL)
    for table, other in zip(tables(model), tables(turned), strict=True):
        parts = np.split(np.asarray(table), np.cumsum(ROWS)[:-1])
        other.assign(np.concatenate(parts[::-1]))
    for either in (model, turned):
        either.get_layer("head").set_weights([np.zeros((4, 1)), np.zeros(1)])
    np.testing.assert_allclose(logits(model), logits(turned), rtol=1e-5, atol=1e-6)


def test_deepfms_table_gets_the_gradients_of_both_its_parts() -> None:
    model = registry.build("deepfm", INPUTS, {**SMALL, "l2": 0.0, "dropout": 0.0})
    assert [v.shape for v in model.trainable_variables].count((sum(ROWS), 3)) == 1
    table = tables(model)[0]

    def gradient(output: Any) -> np.ndarray:
        graph = keras.Model(model.input, output)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(graph(FEATURES, training=False))
        return tf.convert_to_tensor(tape.gradient(total, table.value)).numpy()

    pairs = gradient(model.get_layer("pairs").output)
    deep = gradient(model.get_layer("head").output)
    whole = gradient(model.get_layer("logit").output)
    assert np.abs(pairs).max() > 0 and np.abs(deep).max() > 0
    np.testing.assert_allclose(whole, pairs + deep, rtol=1e-4, atol=1e-6)


def test_deepfms_penalty_counts_every_row_of_both_tables() -> None:
    model = registry.build("deepfm", INPUTS, {**SMALL, "l2": 0.05})
    embeddings, weights = (np.asarray(t, np.float64) for t in tables(model))
    want = 0.025 * (np.sum(embeddings**2) + np.sum(weights**2))
    assert float(sum(model.losses)) == pytest.approx(want, rel=1e-5)


def test_deepfms_tables_start_small_and_its_kernels_glorot_normal() -> None:
    model = registry.build("deepfm", frappe_inputs(2))
    embeddings = np.asarray(tables(model)[0])
    assert embeddings.std() == pytest.approx(1e-4, rel=0.02)
    kernel = np.asarray(model.get_layer("tower").steps[4].kernel)
    assert kernel.std() == pytest.approx((2 / 800) ** 0.5, rel=0.02)
    # Glorot-uniform of the same variance would end at sqrt(6 / 800).
    assert np.abs(kernel).max() > (6 / 800) ** 0.5


def test_values_multiply_a_row_and_padding_changes_nothing() -> None:
    inputs = (
        ModelInput("item", "id", "item", "item", 5),
        ModelInput("seen", "sequence", "user", "item", 5, 4),
        ModelInput("price", "value", "item"),
    )
    model = registry.build("deepfm", inputs, SMALL)
    model.get_layer("head").set_weights([np.zeros((4, 1)), np.zeros(1)])
    e, w = (np.asarray(t) for t in tables(model))
    row = {
        "item": np.array([2, 2]),
        "seen": np.array([[3, 1, 0, 0], [0, 3, 0, 1]]),
        "price": np.array([1.5, 1.5], np.float32),
    }
    item, seen, price = e[2], (e[3] + e[1]) / 2, 1.5 * e[5]
    pairs = item @ seen + item @ price + seen @ price
    want = w[2, 0] + w[3, 0] + w[1, 0] + 1.5 * w[5, 0] + pairs
    np.testing.assert_allclose(logits(model, row), [want, want], rtol=1e-5)
