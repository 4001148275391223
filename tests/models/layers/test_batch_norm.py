import functools
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_battery import check_layer

from clickwright.models.layers.batch_norm import BatchNorm

X = np.random.default_rng(0).normal(3.0, 2.0, (6, 4)).astype(np.float32)


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(functools.partial(BatchNorm), X, (6, 4), tmp_path)


def test_training_normalizes_by_the_batch_and_keeps_pytorchs_statistics() -> None:
    layer = BatchNorm()
    layer.build((None, 4))
    layer.gamma.assign([1.0, 2.0, 0.5, -1.0])
    layer.beta.assign([0.0, 1.0, -1.0, 2.0])
    want = (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5)
    want = want * np.array(layer.gamma) + np.array(layer.beta)
    np.testing.assert_allclose(layer(X, training=True), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * X.mean(0), rtol=1e-5)
    unbiased = X.var(0, ddof=1)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * unbiased, rtol=1e-5)


def test_gradients_equal_those_of_keras_own_layer() -> None:
    ours = BatchNorm()
    stock = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    gradients = []
    for layer in (ours, stock):
        layer.build((None, 4))
        layer.gamma.assign([1.0, 2.0, 0.5, -1.0])
        x = tf.constant(X)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(tf.sin(layer(x, training=True)))
        sources = [x, layer.gamma.value, layer.beta.value]
        gradients.append(tape.gradient(total, sources))
    for got, want in zip(*gradients, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_inference_uses_the_running_statistics() -> None:
    layer = BatchNorm()
    layer.build((None, 4))
    layer.moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    layer.moving_variance.assign([1.0, 4.0, 9.0, 16.0])
    want = (X - [1, 2, 3, 4]) / np.sqrt(np.array([1, 4, 9, 16]) + 1e-5)
    np.testing.assert_allclose(layer(X, training=False), want, rtol=1e-5, atol=1e-6)


def test_a_frozen_layer_does_not_learn_from_the_batch() -> None:
    layer = BatchNorm(trainable=False)
    np.testing.assert_array_equal(layer(X, training=True), layer(X, training=False))


def test_half_precision_is_normalized_in_full(tmp_path: pathlib.Path) -> None:
    layer = BatchNorm(dtype="mixed_bfloat16")
    got = layer(X, training=True)
    assert got.dtype == tf.bfloat16
    want = BatchNorm()(tf.cast(tf.cast(X, tf.bfloat16), tf.float32), training=True)
    np.testing.assert_allclose(tf.cast(got, tf.float32), want, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("rows", [1, 2])
def test_tiny_batches_give_numbers(rows: int) -> None:
    layer = BatchNorm()
    assert np.isfinite(layer(X[:rows], training=True)).all()
    assert np.isfinite(np.array(layer.moving_variance)).all()
