import functools
import pathlib

import numpy as np
import pytest
from ctr_models import randomize
from layer_battery import check_layer

from clickwright.models.layers.gated_cross_network import GatedCrossNetwork

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(functools.partial(GatedCrossNetwork, 2), X, (5, 6), tmp_path)


def test_a_layer_with_a_gate_of_zeros_gives_its_worked_value() -> None:
    layer = GatedCrossNetwork(1)
    layer.build((None, 2))
    kernel = np.concatenate([np.eye(2), np.zeros((2, 2))], axis=1)
    layer.set_weights([kernel, np.zeros(2)])
    np.testing.assert_allclose(layer(np.array([[1.0, 2.0]])), [[1.5, 4.0]])


def test_it_equals_its_formula() -> None:
    layer = GatedCrossNetwork(2)
    layer.build((None, 6))
    randomize(layer)
    x = X.astype(np.float64)
    for kernel, bias in layer.steps:
        matrix, gate = np.asarray(kernel)[:, :6], np.asarray(kernel)[:, 6:]
        crossed = X * (x @ matrix + np.asarray(bias))
        x = crossed / (1 + np.exp(-x @ gate)) + x
    np.testing.assert_allclose(layer(X), x, rtol=1e-4, atol=1e-5)


def test_an_open_gate_leaves_the_cross_layer_of_dcnv2() -> None:
    layer = GatedCrossNetwork(1)
    layer.build((None, 2))
    kernel = np.concatenate([np.eye(2), np.full((2, 2), 100.0)], axis=1)
    layer.set_weights([kernel, np.zeros(2)])
    np.testing.assert_allclose(layer(np.array([[1.0, 2.0]])), [[2.0, 6.0]])


def test_matrices_start_glorot_normal_and_biases_between_zero_and_one() -> None:
    layer = GatedCrossNetwork(1)
    layer.build((None, 100))
    kernel, bias = (np.asarray(w) for w in layer.get_weights())
    assert kernel.std() == pytest.approx(0.1, rel=0.03)  # sqrt(2 / (100 + 100))
    assert bias.min() >= 0.0 and bias.max() <= 1.0
    assert bias.mean() == pytest.approx(0.5, abs=0.12)


def test_it_refuses_to_have_no_layers() -> None:
    with pytest.raises(ValueError, match="`layers` must be positive. Received: 0"):
        GatedCrossNetwork(0)
