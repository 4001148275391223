import functools
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_battery import check_layer

from clickwright.models.layers.dropout import Dropout


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    check_layer(functools.partial(Dropout, 0.5), x, (3, 5), tmp_path)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.7, 1e-6])
def test_it_drops_the_share_and_keeps_the_expectation(rate: float) -> None:
    keras.utils.set_random_seed(1)
    x = np.ones((1001, 501), np.float32)
    y = np.asarray(Dropout(rate)(x, training=True))
    kept = y[y != 0]
    assert len(np.unique(kept)) == 1
    deviation = np.sqrt(rate * (1 - rate) / x.size)
    assert np.mean(y == 0) == pytest.approx(rate, abs=5 * deviation + 2e-5)
    assert y.mean(dtype=np.float64) == pytest.approx(
        1.0, abs=6 * deviation / (1 - rate) + 1e-6
    )


def test_rows_columns_and_calls_are_independent() -> None:
    keras.utils.set_random_seed(1)
    layer = Dropout(0.5)
    x = np.ones((4000, 4), np.float32)
    first = np.asarray(layer(x, training=True)) > 0
    second = np.asarray(layer(x, training=True)) > 0
    both = np.concatenate([first, second, np.roll(first, 1, axis=0)], axis=1)
    correlations = np.corrcoef(both.T.astype(float)) - np.eye(12)
    assert np.abs(correlations).max() < 5 / np.sqrt(4000)


def test_the_seed_decides_and_the_state_is_a_variable() -> None:
    masks = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        layer = Dropout(0.5)
        masks.append(np.asarray(layer(np.ones((8, 8), np.float32), training=True)))
    np.testing.assert_array_equal(masks[0], masks[1])
    assert len(layer.variables) == 1


def test_the_gradient_passes_through_what_was_kept() -> None:
    x = tf.ones((64, 8))
    layer = Dropout(0.25)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), y)


def test_inference_drops_nothing() -> None:
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(Dropout(0.9)(x, training=False), x)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        Dropout(rate)
