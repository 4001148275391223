import pathlib
from typing import Any

import keras
import numpy as np
import pytest

from clickwright.models.layers.euler_embedding import EulerEmbedding
from clickwright.models.layers.euler_interaction import EulerInteraction

E = np.random.default_rng(1).normal(size=(5, 3, 2)).astype(np.float32)
Z: Any = np.random.default_rng(2).normal(size=(2, 5, 3, 2)).astype(np.float32)


def silenced(
    layer: EulerInteraction, shape: tuple[int | None, ...]
) -> EulerInteraction:
    """The layer without its biases and its dense part."""
    layer.build([shape, shape])
    for weight in (
        layer.modulus_bias,
        layer.phase_bias,
        layer.implicit.kernel,
        layer.implicit.bias,
    ):
        weight.assign(np.zeros(weight.shape))
    return layer


def test_embeddings_become_phases_of_a_learned_modulus() -> None:
    layer = EulerEmbedding()
    layer(E)
    np.testing.assert_array_equal(layer.modulus, np.ones((3, 1)))
    layer.modulus.assign([[1.0], [2.0], [0.5]])
    want = np.array([[1.0], [2.0], [0.5]]) * np.exp(1j * E)
    real, imaginary = layer(E)
    np.testing.assert_allclose(real, want.real, rtol=1e-5)
    np.testing.assert_allclose(imaginary, want.imag, rtol=1e-5)


def test_an_order_of_two_squares() -> None:
    layer = silenced(EulerInteraction(1), (None, 1, 1))
    layer.orders.assign([[2.0]])
    parts = [np.full((1, 1, 1), f(0.3), np.float32) for f in (np.cos, np.sin)]
    got = [float(o[0, 0, 0]) for o in layer(parts)]
    assert got == pytest.approx([0.825336, 0.564642], abs=1e-6)  # cos .6, sin .6


def test_the_layer_starts_as_the_identity_where_it_can() -> None:
    layer = silenced(EulerInteraction(3), (None, 3, 2))
    for got, want in zip(layer(list(Z)), Z, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_other_neurons_start_with_one_field() -> None:
    keras.utils.set_random_seed(1)
    layer = EulerInteraction(200)
    layer.build([(None, 10, 2)] * 2)
    orders = np.asarray(layer.orders)
    np.testing.assert_allclose(orders.sum(0), 1.0, rtol=1e-5)
    assert np.mean(orders.max(0) > 0.99) > 0.9
    assert len(set(orders.argmax(0))) == 10


@pytest.mark.parametrize("layer_norm", [False, True])
def test_the_layer_multiplies_powers_of_complex_numbers(layer_norm: bool) -> None:
    layer = EulerInteraction(4, layer_norm=layer_norm)
    layer(list(Z))
    orders = np.random.default_rng(3).normal(size=(3, 4))
    layer.orders.assign(orders)
    fields = Z[0].astype(np.float64) + 1j * Z[1]
    b, c = (np.asarray(w, np.float64) for w in (layer.modulus_bias, layer.phase_bias))
    kernel, bias = (np.asarray(w, np.float64) for w in layer.implicit.weights)
    want = np.ones((5, 4, 2), complex) * np.exp(b + 1j * c)
    for k in range(4):
        for f in range(3):
            want[:, k] *= fields[:, f] ** orders[f, k]
    for part, got, product in zip(
        Z, layer(list(Z)), (want.real, want.imag), strict=True
    ):
        dense = np.maximum(part.reshape(5, 6) @ kernel + bias, 0).reshape(5, 4, 2)
        expected = dense + product
        if layer_norm:
            centred = expected - expected.mean(-1, keepdims=True)
            expected = centred / np.sqrt(expected.var(-1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(got, expected, rtol=2e-3, atol=1e-4)


def test_a_layer_needs_a_neuron() -> None:
    with pytest.raises(ValueError, match="`neurons` must be at least 1"):
        EulerInteraction(0)


def test_layers_survive_saving(tmp_path: pathlib.Path) -> None:
    symbolic = keras.Input((3, 2))
    layer = EulerInteraction(4, 0.1, 0.2, layer_norm=True)
    model = keras.Model(symbolic, layer(EulerEmbedding()(symbolic)))
    assert [o.shape for o in model.outputs] == [(None, 4, 2)] * 2
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for got, want in zip(again(E), model(E), strict=True):
        np.testing.assert_array_equal(got, want)
    assert again.layers[-1].get_config() == layer.get_config()
