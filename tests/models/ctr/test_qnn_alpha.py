import json
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from clickwright.models import registry
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

ROWS = (4, 3, 6)
INPUTS = tuple(
    ModelInput(f"f{n}", "id", "user", f"f{n}", rows) for n, rows in enumerate(ROWS)
)
FEATURES = {
    "f0": np.array([0, 3, 2, 1]),
    "f1": np.array([2, 1, 1, 0]),
    "f2": np.array([5, 0, 3, 4]),
}
SMALL = {"embedding_dim": 4, "rows": 3, "heads": 2, "embedding_stddev": 0.5}
# Frappe, values that the training split holds twice or more: 940 users, 231 cities.
FRAPPE_VALUES = (940, 4082, 7, 7, 2, 3, 2, 9, 80, 231)


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def products_run(model: keras.Model) -> int:
    """Matrix products in the model's graph."""
    signature = [
        {k: tf.TensorSpec([None], tf.int64, k) for k in FEATURES},
    ]
    graph = tf.function(lambda x: model(x, training=False), signature)
    definition = graph.get_concrete_function().graph.as_graph_def()
    return sum(node.op == "MatMul" for node in definition.node)


def test_frappe_has_the_published_number_of_parameters() -> None:
    # FuxiCTR v2 keeps a padding and an unknown row a field, as our tables do:
    # 5,363 + 20 = 5,383 rows of 16 floats.
    inputs = [
        ModelInput(f"f{n}", "id", "user", f"f{n}", values + 2)
        for n, values in enumerate(FRAPPE_VALUES)
    ]
    assert sum(i.rows or 0 for i in inputs) == 5383
    assert trainable(registry.build("qnn_alpha", inputs)) == 764_369


def test_the_probability_alone_runs_the_layers_once() -> None:
    model = registry.build("qnn_alpha", INPUTS, SMALL)
    scorer = keras.Model(model.input, model.output["probability"])
    assert products_run(scorer) == 2 + 1  # two layers and the head
    assert products_run(model) == 2 * products_run(scorer)
    want = model(FEATURES, training=False)
    np.testing.assert_array_equal(scorer(FEATURES), want["probability"])


def test_both_passes_agree_unless_dropout_parts_them() -> None:
    model = registry.build("qnn_alpha", INPUTS, SMALL)
    at_rest = np.asarray(model(FEATURES, training=False)["logits"])
    np.testing.assert_array_equal(at_rest[:, 0], at_rest[:, 1])
    trained = np.asarray(model(FEATURES, training=True)["logits"])
    assert (trained[:, 0] != trained[:, 1]).any()


def test_the_probability_is_that_of_the_first_pass() -> None:
    model = registry.build("qnn_alpha", INPUTS, SMALL)
    outputs = model(FEATURES, training=True)
    want = 1 / (1 + np.exp(-np.asarray(outputs["logits"])[:, 0]))
    np.testing.assert_allclose(outputs["probability"], want, rtol=1e-5)


def test_running_statistics_move_once_a_pass() -> None:
    # Without dropout the first layer sees the same batch in both passes.
    model = registry.build("qnn_alpha", INPUTS, {**SMALL, "dropout": 0.0})
    norm = model.get_layer("product_0").norm
    project = model.get_layer("product_0").project
    flat = keras.Model(model.input, model.get_layer("flatten").output)
    mean = np.asarray(project(flat(FEATURES))).mean(0)
    model(FEATURES, training=True)
    np.testing.assert_allclose(norm.moving_mean, (1 - 0.9**2) * mean, rtol=1e-4)


def test_the_published_loss_is_the_models_own() -> None:
    loss = registry.loss("qnn_alpha")
    logits = np.log(np.array([[0.6 / 0.4, 0.8 / 0.2]], np.float32))
    one = np.ones(1, np.float32)
    assert float(loss(one, logits, one)) == pytest.approx(1.628172, abs=1e-6)


def test_a_checkpoint_holds_the_state_of_dropout() -> None:
    params: dict[str, Any] = {**SMALL, "dropout": 0.5}
    model = registry.build("qnn_alpha", INPUTS, params)
    again = registry.build("qnn_alpha", INPUTS, params)
    model(FEATURES, training=True)
    for old, new in zip(model.variables, again.variables, strict=True):
        new.assign(old)
    np.testing.assert_array_equal(
        model(FEATURES, training=True)["logits"],
        again(FEATURES, training=True)["logits"],
    )


def test_heads_that_do_not_divide_the_embedding_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"`heads` \(3\) must divide"):
        registry.parse_params("qnn_alpha", {"heads": 3})


def test_the_alignment_is_part_of_the_saved_model() -> None:
    model = registry.build("qnn_alpha", INPUTS, {**SMALL, "align_heads": True})
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_layer("product_1").align_heads
