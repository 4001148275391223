import functools
import pathlib

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.inner_products import InnerProducts
from clickwright.models.layers.pairs import (
    glorot_normal_each,
    pair_embeddings,
    pair_indices,
)

EMBEDDINGS = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)


def test_inner_products_pass_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(functools.partial(InnerProducts), EMBEDDINGS, (4, 10), tmp_path)


def test_inner_products_of_three_fields_are_the_worked_ones() -> None:
    fields = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    np.testing.assert_array_equal(InnerProducts()(fields), [[11.0, 17.0, 39.0]])


def test_inner_products_equal_the_double_loop() -> None:
    want = [
        [row[i] @ row[j] for i in range(5) for j in range(i + 1, 5)]
        for row in EMBEDDINGS
    ]
    np.testing.assert_allclose(InnerProducts()(EMBEDDINGS), want, rtol=1e-5, atol=1e-6)


def test_pairs_come_in_the_order_of_their_first_field() -> None:
    rows, columns = pair_indices(4)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 2),
        (1, 3),
        (2, 3),
    ]


def test_pair_embeddings_are_those_of_the_fields_of_each_pair() -> None:
    left, right = (np.asarray(x) for x in pair_embeddings(EMBEDDINGS))
    for n, (i, j) in enumerate(zip(*pair_indices(5), strict=True)):
        np.testing.assert_array_equal(left[n], EMBEDDINGS[:, i])
        np.testing.assert_array_equal(right[n], EMBEDDINGS[:, j])


def test_each_kernel_starts_glorot_normal_for_itself() -> None:
    kernels = np.asarray(glorot_normal_each(50)((50, 30, 20)))
    assert kernels.std() == pytest.approx((2 / 50) ** 0.5, rel=0.02)


def test_one_field_has_no_pairs() -> None:
    with pytest.raises(ValueError, match="at least two fields"):
        InnerProducts()(np.zeros((2, 1, 3), np.float32))
