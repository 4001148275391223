import doctest
import functools
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_battery import check_layer

from clickwright.models.layers import (
    fm_interaction,
    fused_embedding,
    linear_term,
    mlp,
    probability,
)
from clickwright.models.layers.fm_interaction import FMInteraction
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.linear_term import LinearTerm
from clickwright.models.layers.mlp import MLP
from clickwright.models.layers.probability import Probability
from clickwright.schemas.model_input import ModelInput

ITEM = ModelInput("item", "id", "item", "item", 5)
PRICE = ModelInput("price", "value", "item")
USER = ModelInput("user", "id", "user", "user", 4)
TAGS = ModelInput("tags", "id_set", "item", "tags", 6, 3)
HISTORY = ModelInput("history", "sequence", "user", "item", 5, 4)
AGE = ModelInput("age", "value", "user")
INPUTS = (ITEM, PRICE, USER, TAGS, HISTORY, AGE)
FEATURES: dict[str, Any] = {
    "item": np.array([1, 4, 0]),
    "price": np.array([0.5, -2.0, 3.0], np.float32),
    "user": np.array([3, 0, 2]),
    "tags": np.array([[5, 1, 0], [0, 0, 0], [2, 2, 3]]),
    "history": np.array([[4, 4, 1, 2], [0, 0, 3, 0], [0, 0, 0, 0]]),
    "age": np.array([1.0, 0.0, -1.0], np.float32),
}


def looked_up_by_loops(
    layer: FusedEmbedding, features: dict[str, Any], pooling: str
) -> np.ndarray[Any, Any]:
    table = np.asarray(layer.embeddings)
    output = np.zeros((3, len(INPUTS), table.shape[1]))
    for field, model_input in enumerate(INPUTS):
        first = layer.row_ranges[model_input.name][0]
        for row in range(3):
            value = features[model_input.name][row]
            if model_input.kind == "value":
                output[row, field] = value * table[first]
            elif model_input.kind == "id":
                output[row, field] = table[first + value]
            else:
                there = [table[first + i] for i in value if i != 0]
                if there:
                    pool = np.mean if pooling == "mean" else np.sum
                    output[row, field] = pool(there, axis=0)
    return output


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_fused_embedding_equals_a_lookup_by_loops(pooling: Any) -> None:
    layer = FusedEmbedding(INPUTS, width=3, pooling=pooling)
    output = layer(FEATURES)
    want = looked_up_by_loops(layer, FEATURES, pooling)
    np.testing.assert_allclose(output, want, rtol=1e-6, atol=1e-7)


def test_fused_embedding_lays_tables_one_after_the_other_and_shares_them() -> None:
    layer = FusedEmbedding(INPUTS, width=3)
    assert layer.row_ranges == {
        "item": (0, 5),
        "price": (5, 6),
        "user": (6, 10),
        "tags": (10, 16),
        "history": (0, 5),
        "age": (16, 17),
    }
    layer(FEATURES)
    assert layer.embeddings.shape == (17, 3)


def test_fused_embedding_gathers_all_ids_at_once() -> None:
    layer = FusedEmbedding([i for i in INPUTS if i.kind != "value"], width=3)
    layer(FEATURES)
    graph = tf.function(layer).get_concrete_function(
        {name: tf.TensorSpec(v.shape, v.dtype) for name, v in FEATURES.items()}
    )
    gathers = [op for op in graph.graph.get_operations() if "Gather" in op.type]
    assert len(gathers) == 1


def test_fused_embedding_gradient_touches_looked_up_rows_alone() -> None:
    layer = FusedEmbedding(INPUTS, width=3)
    layer(FEATURES)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(FEATURES) ** 2)
    gradient = tape.gradient(loss, layer.embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)
    dense = np.abs(tf.convert_to_tensor(gradient).numpy()).sum(axis=1)
    # item 0, 1, 4 and, through the history, 2 and 3; price; users 0, 2, 3;
    # tags 1, 2, 3, 5; age.
    assert np.flatnonzero(dense).tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13] + [
        15,
        16,
    ]


def test_fused_embedding_keeps_values_exact_under_mixed_precision() -> None:
    layer = FusedEmbedding(
        [PRICE], width=1, embeddings_initializer="ones", dtype="mixed_bfloat16"
    )
    layer.build({"price": (None,)})
    layer.embeddings.assign([[254.0]])
    value = 1.0 + 1.0 / 254.0  # nearest bfloat16: 1.0078125 or 1, product 256 or 254
    output = layer({"price": np.array([value], np.float32)})
    assert float(output[0, 0, 0]) == 255.0


def test_fused_embedding_refuses_inputs_that_disagree_on_a_table() -> None:
    other = ModelInput("seen", "sequence", "user", "item", 6, 4)
    with pytest.raises(ValueError, match="`item` must agree on its rows. Received: 5"):
        FusedEmbedding([ITEM, other], width=2)


def test_fused_embedding_refuses_no_inputs_and_unknown_pooling() -> None:
    with pytest.raises(ValueError, match="at least one input"):
        FusedEmbedding([], width=2)
    with pytest.raises(ValueError, match="`mean` or `sum`. Received: max"):
        FusedEmbedding([ITEM], width=2, pooling="max")  # type: ignore[arg-type]


def test_fm_interaction_gives_the_sum_of_the_pairs() -> None:
    fields = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    # <1,2;3,4> = 11, <1,2;5,6> = 17, <3,4;5,6> = 39
    assert float(FMInteraction()(fields)[0, 0]) == 11 + 17 + 39


def test_fm_interaction_equals_the_double_loop() -> None:
    fields = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
    want = [
        [sum(row[i] @ row[j] for i in range(6) for j in range(i + 1, 6))]
        for row in fields
    ]
    np.testing.assert_allclose(FMInteraction()(fields), want, rtol=1e-4, atol=1e-5)


def test_fm_interaction_of_one_field_is_exactly_zero() -> None:
    fields = np.random.default_rng(0).normal(size=(8, 1, 4)).astype(np.float32)
    assert np.asarray(FMInteraction()(fields)).tolist() == [[0.0]] * 8


def test_fm_interaction_stays_float32_under_a_mixed_policy() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = FMInteraction()
    finally:
        keras.config.set_dtype_policy("float32")
    # Rounded to bfloat16 (8 bits), 300 * 301 = 90300 could not come out.
    fields = np.array([[[256.0], [257.0]]], np.float32)
    assert float(layer(fields)[0, 0]) == 256.0 * 257.0


def test_linear_term_adds_weights_values_and_bias() -> None:
    layer = LinearTerm(INPUTS, embeddings_initializer="zeros")
    layer(FEATURES)
    table = np.arange(17, dtype=np.float32).reshape(-1, 1)
    layer.weights_table.embeddings.assign(table)
    layer.bias.assign([100.0])
    # Rows: item 0-4, price 5, user 6-9, tags 10-15, age 16.
    want = [
        100 + 1 + 0.5 * 5 + (6 + 3) + (15 + 11) + (4 + 4 + 1 + 2) + 16,
        100 + 4 - 2.0 * 5 + 6 + 0 + 3 + 0,
        100 + 0 + 3.0 * 5 + (6 + 2) + (12 + 12 + 13) + 0 - 16,
    ]
    assert np.asarray(layer(FEATURES))[:, 0].tolist() == want


def test_mlp_runs_dense_norm_activation_dropout_in_this_order() -> None:
    layer = MLP((8, 4), activation="tanh", dropout=0.5)
    kinds = [type(step).__name__ for step in layer.steps]
    assert kinds == ["Dense", "BatchNorm", "Activation", "Dropout"] * 2
    norm = layer.steps[1]
    assert (norm.epsilon, norm.momentum) == (1e-5, 0.9)


def test_mlp_in_training_equals_the_formula() -> None:
    x = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    layer = MLP((5,), activation="relu")
    output = layer(x, training=True)
    kernel, bias = layer.steps[0].get_weights()
    h = x @ kernel + bias
    normed = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-5)
    np.testing.assert_allclose(output, np.maximum(normed, 0.0), rtol=1e-4, atol=1e-5)


def test_mlp_counts_parameters_as_documented() -> None:
    layer = MLP((400, 400, 400))
    layer.build((None, 100))
    counted = sum(int(np.prod(v.shape)) for v in layer.trainable_variables)
    assert counted == (100 * 400 + 3 * 400) + 2 * (400 * 400 + 3 * 400)


def test_mlp_drops_nothing_outside_training() -> None:
    x = np.ones((4, 3), np.float32)
    layer = MLP((50,), batch_norm=False, dropout=0.9)
    np.testing.assert_array_equal(layer(x, training=False), layer(x, training=False))
    dropped = np.asarray(layer(x, training=True))
    assert (dropped == 0.0).mean() > 0.8


def test_probability_is_a_float32_sigmoid() -> None:
    logits = np.array([[0.0], [np.log(3.0)], [-200.0]], np.float32)
    output = np.asarray(Probability()(logits))
    np.testing.assert_allclose(output, [0.5, 0.75, 0.0], rtol=1e-6, atol=1e-30)
    assert output.dtype == np.float32


BATTERY: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "fused_embedding": (
        functools.partial(FusedEmbedding, INPUTS, width=3),
        FEATURES,
        (3, 6, 3),
    ),
    "fused_embedding_of_ids": (
        functools.partial(
            FusedEmbedding,
            [ITEM, USER],
            width=2,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1),
            embeddings_regularizer=keras.regularizers.L2(0.1),
        ),
        {"item": FEATURES["item"], "user": FEATURES["user"]},
        (3, 2, 2),
    ),
    "linear_term": (
        functools.partial(LinearTerm, INPUTS, embeddings_initializer="uniform"),
        FEATURES,
        (3, 1),
    ),
    "fm_interaction": (
        FMInteraction,
        np.random.default_rng(1).normal(size=(4, 3, 2)).astype(np.float32),
        (4, 1),
    ),
    "mlp": (
        functools.partial(MLP, (8, 4), dropout=0.5),
        np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32),
        (6, 4),
    ),
    "probability": (
        Probability,
        np.array([[0.5], [-1.0]], np.float32),
        (2,),
    ),
}


@pytest.mark.parametrize("name", BATTERY)
def test_layer_passes_the_battery(name: str, tmp_path: pathlib.Path) -> None:
    make, inputs, output_shape = BATTERY[name]
    check_layer(make, inputs, output_shape, tmp_path)


@pytest.mark.parametrize(
    "module", [fm_interaction, fused_embedding, linear_term, mlp, probability]
)
def test_examples_in_the_docstrings_are_true(module: Any) -> None:
    names = {"np": np, "ModelInput": ModelInput}
    result = doctest.testmod(module, extraglobs=names)
    assert result.failed == 0
