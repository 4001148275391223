import functools
import pathlib
from typing import Any

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.low_rank_cross import LowRankCross

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


def by_hand(layer: LowRankCross, x0: Any) -> Any:
    """Expert by expert, the bias inside each expert's product, as published."""
    x = x0
    for down, core, up, bias in layer.steps:
        total = np.zeros_like(x0)
        scores = np.exp(x @ np.asarray(layer.gates))
        gates = scores / scores.sum(axis=1, keepdims=True)
        for k in range(layer.experts):
            at = slice(k * layer.rank, (k + 1) * layer.rank)
            low = np.tanh(np.tanh(x @ np.asarray(down)[:, at]) @ np.asarray(core)[k])
            expert = x0 * (low @ np.asarray(up)[at] + np.asarray(bias))
            total += gates[:, k : k + 1] * expert
        x = total + x
    return x


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    make = functools.partial(LowRankCross, 2, rank=2, experts=3)
    check_layer(make, X, (5, 6), tmp_path)


def test_it_equals_its_formula_expert_by_expert() -> None:
    layer = LowRankCross(2, rank=2, experts=3)
    layer(X)
    random = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    want = by_hand(layer, X.astype(np.float64))
    np.testing.assert_allclose(layer(X), want, rtol=1e-4, atol=1e-4)


def test_without_its_widening_matrix_a_layer_adds_the_biased_input() -> None:
    layer = LowRankCross(1, rank=2, experts=3)
    layer(X)
    _, _, up, bias = layer.steps[0]
    up.assign(np.zeros(up.shape))
    bias.assign(np.full(6, 0.5))
    np.testing.assert_allclose(layer(X), 1.5 * X, rtol=1e-6)


@pytest.mark.parametrize("name", ["layers", "rank", "experts"])
def test_it_refuses_sizes_that_are_not_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be positive. Received: 0"):
        LowRankCross(**{"layers": 1, name: 0})
