import pathlib

import numpy as np
from ctr_models import randomize
from layer_battery import check_layer

from clickwright.models.layers.field_norm import FieldNorm

X = np.random.default_rng(0).normal(2.0, 3.0, size=(4, 3, 5)).astype(np.float32)


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(FieldNorm, X, (4, 3, 5), tmp_path)


def test_it_equals_its_formula() -> None:
    layer = FieldNorm()
    layer.build((None, 3, 5))
    randomize(layer)
    gamma, beta = (np.asarray(w) for w in layer.get_weights())
    assert gamma.shape == beta.shape == (3, 5)
    mean, variance = (f(X, axis=2, keepdims=True) for f in (np.mean, np.var))
    want = gamma * (X - mean) / np.sqrt(variance + 1e-5) + beta
    np.testing.assert_allclose(layer(X), want, rtol=1e-4, atol=1e-5)


def test_tiny_embeddings_stay_tiny() -> None:
    # With a deviation of 1e-4, epsilon 1e-5 keeps them at 0.03: published behaviour.
    out = np.asarray(FieldNorm()(1e-4 * X / X.std()))
    assert 0.01 < out.std() < 0.05
