import functools
import pathlib
from typing import Any, Literal

import numpy as np
import pytest
from ctr_models import randomize
from layer_battery import check_layer

from clickwright.models.layers.bilinear_interaction import BilinearInteraction

X = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
every_kind = pytest.mark.parametrize("kernels", ["all", "each", "interaction"])
Kind = Literal["all", "each", "interaction"]


@every_kind
def test_it_passes_the_battery(kernels: Kind, tmp_path: pathlib.Path) -> None:
    check_layer(functools.partial(BilinearInteraction, kernels), X, (4, 3, 2), tmp_path)


@every_kind
def test_it_equals_its_formula_pair_by_pair(kernels: Kind) -> None:
    layer = BilinearInteraction(kernels)
    layer.build((None, 3, 2))
    randomize(layer)
    kernel: Any = np.asarray(layer.kernel, np.float64)
    want = []
    for pair, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        at = {"all": (), "each": i, "interaction": pair}
        want.append((X[:, i] @ kernel[at[kernels]]) * X[:, j])
    np.testing.assert_allclose(layer(X), np.stack(want, axis=1), rtol=1e-4, atol=1e-6)


def test_the_left_field_is_a_row_vector() -> None:
    layer = BilinearInteraction("all")
    layer.build((None, 2, 2))
    layer.set_weights([np.array([[1.0, 0.0], [1.0, 1.0]])])
    fields = np.array([[[1.0, 2.0], [1.0, 1.0]]])
    np.testing.assert_allclose(layer(fields), [[[3.0, 2.0]]])


def test_the_identity_leaves_the_products_of_the_pairs() -> None:
    layer = BilinearInteraction("all")
    layer.build((None, 3, 2))
    layer.set_weights([np.eye(2)])
    want = np.stack([X[:, 0] * X[:, 1], X[:, 0] * X[:, 2], X[:, 1] * X[:, 2]], axis=1)
    np.testing.assert_allclose(layer(X), want, rtol=1e-6)


@pytest.mark.parametrize(
    ("kernels", "count"), [("all", 100), ("each", 1000), ("interaction", 4500)]
)
def test_matrices_are_counted_and_start_glorot_normal(
    kernels: Kind, count: int
) -> None:
    layer = BilinearInteraction(kernels)
    layer.build((None, 10, 10))
    assert layer.count_params() == count
    assert np.asarray(layer.kernel).std() == pytest.approx(0.1**0.5, rel=0.2)


def test_it_refuses_unknown_kernels_and_a_single_field() -> None:
    with pytest.raises(ValueError, match="`kernels` must be `all`, `each` or"):
        BilinearInteraction("some")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="with at least two fields"):
        BilinearInteraction().build((None, 1, 2))
