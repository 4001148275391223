import pathlib
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_battery import check_layer

from clickwright.models.layers.feature_gate import FeatureGate

X = np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32)
CONTEXT = np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def test_gates_equal_their_formula() -> None:
    layer = FeatureGate((5,))
    got = layer([X, CONTEXT])
    first, out = (
        [np.asarray(w, np.float64) for w in part.weights]
        for part in (layer.hidden, layer.gates)
    )
    hidden = np.maximum(CONTEXT @ first[0] + first[1], 0)
    want = 2 * sigmoid(hidden @ out[0] + out[1]) * X
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_a_learned_context_leaves_the_input_alone_at_the_start() -> None:
    layer = FeatureGate((5,), learned_context=4)
    np.testing.assert_allclose(layer(X), X, rtol=1e-3)
    layer.context.assign(np.full((1, 4), 0.5))
    given = FeatureGate((5,))
    rows = np.full((6, 4), 0.5, np.float32)
    given([X, rows])
    given.set_weights(layer.get_weights()[1:])
    np.testing.assert_allclose(layer(X), given([X, rows]), rtol=1e-6)


def test_all_of_a_gate_with_a_learned_context_learns() -> None:
    keras.utils.set_random_seed(1)
    layer = FeatureGate((5,), learned_context=4)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(X) ** 2)
    for gradient in tape.gradient(total, [v.value for v in layer.weights]):
        assert np.abs(gradient).max() > 0


def test_a_context_without_width_is_refused() -> None:
    with pytest.raises(ValueError, match="`learned_context` must be at least 1"):
        FeatureGate((5,), learned_context=0)


def test_a_learned_context_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(partial(FeatureGate, (5,), 4), X, (6, 8), tmp_path)


def test_a_given_context_survives_saving(tmp_path: pathlib.Path) -> None:
    symbolic = [keras.Input((8,)), keras.Input((3,))]
    model = keras.Model(symbolic, FeatureGate((5,))(symbolic))
    assert model.output.shape == (None, 8)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again([X, CONTEXT]), model([X, CONTEXT]))
