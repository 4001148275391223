import functools
import pathlib

import numpy as np
import pytest
from ctr_models import randomize
from layer_battery import check_layer

from clickwright.models.layers.cross_network import CrossNetwork

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(functools.partial(CrossNetwork, 3), X, (5, 6), tmp_path)


def test_a_layer_gives_its_worked_value() -> None:
    layer = CrossNetwork(1)
    layer.build((None, 2))
    layer.set_weights([np.ones((2, 1)), np.full((1, 2), 0.5)])
    np.testing.assert_allclose(layer(np.array([[1.0, 2.0]])), [[4.5, 8.5]])


def test_it_equals_its_layers_run_one_after_the_other() -> None:
    layer = CrossNetwork(4)
    layer.build((None, 6))
    randomize(layer)
    kernel, bias = (np.asarray(w, np.float64) for w in layer.get_weights())
    x = X.astype(np.float64)
    for n in range(4):
        x = X * (x @ kernel[:, n : n + 1]) + bias[n] + x
    np.testing.assert_allclose(layer(X), x, rtol=1e-4, atol=1e-5)


def test_without_weights_it_changes_nothing() -> None:
    layer = CrossNetwork(2)
    layer.build((None, 6))
    layer.set_weights([np.zeros((6, 2)), np.zeros((2, 6))])
    np.testing.assert_array_equal(layer(X), X)


def test_it_refuses_to_have_no_layers() -> None:
    with pytest.raises(ValueError, match="`layers` must be positive. Received: 0"):
        CrossNetwork(0)
