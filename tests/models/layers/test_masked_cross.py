import pathlib

import keras
import numpy as np
import pytest

from clickwright.models.layers.masked_cross import MaskedCross

BASE, X = np.random.default_rng(1).normal(size=(2, 5, 2, 6)).astype(np.float32)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_the_layer_equals_its_formula(batch_norm: bool, layer_norm: bool) -> None:
    layer = MaskedCross(batch_norm, layer_norm)
    layer([BASE, X])
    generator = np.random.default_rng(2)
    for weight in layer.weights:
        weight.assign(weight + generator.uniform(0.1, 0.5, weight.shape))
    p = X @ np.asarray(layer.project.kernel, np.float64)
    if layer.norm is not None:
        gamma, beta, mean, variance = (
            np.asarray(w)[:, np.newaxis] for w in layer.norm.weights
        )
        assert gamma.shape == (2, 1)  # one channel a head
        p = (p - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    seen = p
    if layer.mask_norm is not None:
        gamma, beta = (np.asarray(w) for w in layer.mask_norm.weights)
        centred = p - p.mean(-1, keepdims=True)
        seen = centred / np.sqrt(p.var(-1, keepdims=True) + 1e-5) * gamma + beta
    crossed = np.concatenate([p, p * np.maximum(seen, 0)], -1)
    want = BASE * (crossed + np.asarray(layer.bias)) + X
    got = layer([BASE, X], training=False)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_without_norms_the_order_doubles_with_a_base_that_is_the_input() -> None:
    layer = MaskedCross(batch_norm=False, layer_norm=False)
    x = np.abs(X)
    layer([x, x])
    layer.project.kernel.assign(np.full((6, 3), 0.2))
    layer.bias.assign(np.zeros(6))
    # First half x * p, of degree 2; second half x * p * relu(p), of degree 3.
    once = np.asarray(layer([x, x])) - x
    twice = np.asarray(layer([2 * x, 2 * x])) - 2 * x
    np.testing.assert_allclose(twice[..., :3], 4 * once[..., :3], rtol=1e-5)
    np.testing.assert_allclose(twice[..., 3:], 8 * once[..., 3:], rtol=1e-5)
    # A base that stays leaves the projection's degree.
    linear = np.asarray(layer([x, 2 * x])) - 2 * x
    np.testing.assert_allclose(linear[..., :3], 2 * once[..., :3], rtol=1e-5)


def test_biases_start_between_zero_and_one() -> None:
    layer = MaskedCross()
    layer.build([(None, 1, 1000)] * 2)
    bias = np.asarray(layer.bias)
    assert 0 <= bias.min() < 0.05 and 0.95 < bias.max() <= 1


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="even width"):
        MaskedCross().build([(None, 2, 5)] * 2)


def test_the_layer_survives_saving(tmp_path: pathlib.Path) -> None:
    symbolic = [keras.Input((2, 6)), keras.Input((2, 6))]
    model = keras.Model(symbolic, MaskedCross(True, False, 0.2)(symbolic))
    assert model.output.shape == (None, 2, 6)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again([BASE, X]), model([BASE, X]))
    assert again.layers[-1].get_config() == model.layers[-1].get_config()
