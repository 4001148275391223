import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from ctr_models import randomize
from layer_battery import check_layer

from clickwright.models.layers.compressed_interaction import CompressedInteraction

X = np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)


def by_hand(layer: CompressedInteraction) -> Any:
    """Map by map, pair by pair, as the definition reads."""
    x0 = maps = X.astype(np.float64)
    sums = []
    for kernel, bias in layer.steps:
        weight, shift = np.asarray(kernel), np.asarray(bias)
        after = np.zeros((4, len(shift), 5))
        for h in range(len(shift)):
            for i in range(maps.shape[1]):
                for j in range(3):
                    after[:, h] += weight[i * 3 + j, h] * maps[:, i] * x0[:, j]
            after[:, h] += shift[h]
        maps = after
        sums.append(maps.sum(axis=2))
    return np.concatenate(sums, axis=1)


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    make = functools.partial(CompressedInteraction, [4, 2])
    check_layer(make, X, (4, 6), tmp_path)


@pytest.mark.parametrize("units", [(4,), (4, 2), (2, 3, 4)])
def test_it_equals_its_definition(units: Sequence[int]) -> None:
    layer = CompressedInteraction(units)
    layer.build((None, 3, 5))
    randomize(layer)
    np.testing.assert_allclose(layer(X), by_hand(layer), rtol=1e-4, atol=1e-4)


def test_with_a_weight_for_one_pair_a_map_is_its_inner_product() -> None:
    layer = CompressedInteraction([1])
    layer.build((None, 3, 5))
    kernel = np.zeros((9, 1))
    kernel[0 * 3 + 2] = 1.0
    layer.set_weights([kernel, np.zeros(1)])
    want = np.sum(X[:, 0] * X[:, 2], axis=1)
    np.testing.assert_allclose(np.asarray(layer(X))[:, 0], want, rtol=1e-5)


def test_it_starts_as_a_convolution_does() -> None:
    layer = CompressedInteraction([64])
    layer.build((None, 10, 10))
    kernel, bias = (np.asarray(w) for w in layer.get_weights())
    assert kernel.std() == pytest.approx(0.1 / 3**0.5, rel=0.03)
    assert 0.095 < np.abs(kernel).max() <= 0.1
    assert 0.08 < np.abs(bias).max() <= 0.1


@pytest.mark.parametrize("units", [(), (4, 0)])
def test_it_refuses_units_that_are_not_positive(units: Sequence[int]) -> None:
    with pytest.raises(ValueError, match="`units` must hold at least one number"):
        CompressedInteraction(units)
