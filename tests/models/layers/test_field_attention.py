import functools
import itertools
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from ctr_models import randomize
from layer_battery import check_layer

from clickwright.models.layers.field_attention import FieldAttention

X = np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)


def by_hand(layer: FieldAttention, x: Any) -> Any:
    """Row by row and head by head."""
    units, heads = layer.units, layer.heads
    width = units // heads
    kernel = np.asarray(layer.kernel, np.float64)
    query, key, value, *residual = np.split(kernel, kernel.shape[1] // units, axis=1)
    out = []
    for row in x.astype(np.float64):
        parts = []
        for k in range(heads):
            at = slice(k * width, (k + 1) * width)
            scores = (row @ query[:, at]) @ (row @ key[:, at]).T
            if layer.use_scale:
                scores = scores / np.sqrt(width)
            shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            parts.append(shares @ (row @ value[:, at]))
        total = np.concatenate(parts, axis=1)
        if layer.use_residual:
            total = total + (row @ residual[0] if residual else row)
        if layer.norm is not None:
            gamma, beta = (np.asarray(w) for w in layer.norm.get_weights())
            mean, var = (f(total, axis=1, keepdims=True) for f in (np.mean, np.var))
            total = gamma * (total - mean) / np.sqrt(var + 1e-5) + beta
        out.append(np.maximum(total, 0.0))
    return np.stack(out)


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    keras.utils.set_random_seed(
        0
    )  # the norm of a near-constant field amplifies bfloat16
    make = functools.partial(
        FieldAttention, 6, heads=2, use_scale=True, layer_norm=True, dropout=0.1
    )
    check_layer(make, X, (4, 3, 6), tmp_path)


@pytest.mark.parametrize(
    ("residual", "scale", "norm"), list(itertools.product([True, False], repeat=3))
)
def test_it_equals_its_formula(residual: bool, scale: bool, norm: bool) -> None:
    layer = FieldAttention(
        6, heads=2, use_residual=residual, use_scale=scale, layer_norm=norm
    )
    layer.build((None, 3, 5))
    randomize(layer)
    np.testing.assert_allclose(layer(X), by_hand(layer, X), rtol=1e-3, atol=1e-4)


def test_a_layer_as_wide_as_its_input_adds_it_as_it_is() -> None:
    layer = FieldAttention(5)
    layer.build((None, 3, 5))
    randomize(layer)
    assert tuple(layer.kernel.shape) == (5, 15)
    np.testing.assert_allclose(layer(X), by_hand(layer, X), rtol=1e-3, atol=1e-4)


def test_permuting_the_fields_permutes_the_output() -> None:
    layer = FieldAttention(6, heads=3, layer_norm=True)
    want = np.asarray(layer(X))[:, [2, 0, 1]]
    np.testing.assert_allclose(layer(X[:, [2, 0, 1]]), want, rtol=1e-5, atol=1e-6)


def test_scores_of_zero_give_every_field_the_mean() -> None:
    layer = FieldAttention(5, use_residual=False)
    layer.build((None, 3, 5))
    kernel = np.concatenate([np.zeros((5, 10)), np.eye(5)], axis=1)
    layer.set_weights([kernel])
    want = np.maximum(X.mean(axis=1, keepdims=True), 0.0)
    np.testing.assert_allclose(layer(X), np.tile(want, (1, 3, 1)), rtol=1e-5)


def test_dropped_attention_weights_leave_the_residual_alone() -> None:
    layer = FieldAttention(5, dropout=0.999)
    layer.build((None, 3, 5))
    out = np.asarray(layer(X, training=True))
    kept = np.isclose(out, np.maximum(X, 0.0)).all(axis=2)
    assert kept.mean() > 0.7
    assert not np.isclose(layer(X), np.maximum(X, 0.0)).all(axis=2).any()


def test_kernels_start_glorot_normal_each_by_its_own_shape() -> None:
    layer = FieldAttention(128)
    layer.build((None, 10, 10))
    kernel = np.asarray(layer.kernel)
    assert kernel.std() == pytest.approx((2 / 138) ** 0.5, rel=0.03)


@pytest.mark.parametrize(("units", "heads"), [(5, 2), (0, 1), (4, 0)])
def test_it_refuses_heads_that_do_not_share_evenly(units: int, heads: int) -> None:
    with pytest.raises(ValueError, match="must be a positive multiple of `heads`"):
        FieldAttention(units, heads)
