import functools
import pathlib
from typing import Any

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.inner_products import InnerProducts
from clickwright.models.layers.kernel_products import KernelProducts

RANDOM = np.random.default_rng(0)
EMBEDDINGS = RANDOM.normal(size=(4, 3, 2)).astype(np.float32)
PAIRS = ((0, 1), (0, 2), (1, 2))
every_kernel = pytest.mark.parametrize("kernel", ["mat", "vec", "num"])


def with_kernels(layer: KernelProducts, kernels: Any) -> KernelProducts:
    layer.build(EMBEDDINGS.shape)
    layer.set_weights([np.asarray(kernels)])
    return layer


@every_kernel
@pytest.mark.parametrize("unit_kernel", [True, False])
def test_kernel_products_pass_the_battery(
    kernel: Any, unit_kernel: bool, tmp_path: pathlib.Path
) -> None:
    make = functools.partial(
        KernelProducts, kernel, unit_kernel, kernel_regularizer="l2"
    )
    check_layer(make, EMBEDDINGS, (4, 3), tmp_path)


@every_kernel
@pytest.mark.parametrize("unit_kernel", [True, False])
def test_kernel_products_start_as_inner_products(
    kernel: Any, unit_kernel: bool
) -> None:
    fields = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]], np.float32)
    got = KernelProducts(kernel, unit_kernel)(fields)
    np.testing.assert_allclose(got, [[11.0, 17.0, 39.0]], rtol=1e-6)


def test_one_frozen_number_gives_inner_products_to_the_bit() -> None:
    fields = EMBEDDINGS.astype(np.float64)
    got = KernelProducts("num", dtype="float64")(fields)
    np.testing.assert_array_equal(got, InnerProducts(dtype="float64")(fields))


def test_matrices_are_applied_to_outer_products() -> None:
    kernels = RANDOM.normal(size=(3, 2, 2))
    want = [
        [
            np.sum(np.outer(e[i], e[j]) * k)
            for (i, j), k in zip(PAIRS, kernels, strict=True)
        ]
        for e in EMBEDDINGS
    ]
    got = with_kernels(KernelProducts("mat"), kernels)(EMBEDDINGS)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_diagonal_matrices_equal_vectors_and_those_of_one_value_numbers() -> None:
    vectors = RANDOM.normal(size=(3, 2))
    diagonal = with_kernels(KernelProducts("mat"), [np.diag(v) for v in vectors])
    vector = with_kernels(KernelProducts("vec"), vectors)
    np.testing.assert_allclose(diagonal(EMBEDDINGS), vector(EMBEDDINGS), rtol=1e-5)
    numbers = np.array([0.5, -2.0, 3.0])
    constant = with_kernels(KernelProducts("vec"), np.tile(numbers[:, None], (1, 2)))
    number = with_kernels(KernelProducts("num"), numbers)
    np.testing.assert_allclose(constant(EMBEDDINGS), number(EMBEDDINGS), rtol=1e-5)


def test_a_matrix_tells_the_first_field_of_a_pair_from_the_second() -> None:
    kernels = np.tile([[0.0, 1.0], [0.0, 0.0]], (3, 1, 1))
    layer = with_kernels(KernelProducts("mat"), kernels)
    swapped = EMBEDDINGS[:, [1, 0, 2]]
    first = np.asarray(layer(EMBEDDINGS))[:, 0]
    np.testing.assert_allclose(first, EMBEDDINGS[:, 0, 0] * EMBEDDINGS[:, 1, 1], 1e-5)
    assert np.abs(first - np.asarray(layer(swapped))[:, 0]).min() > 1e-3


def test_unit_kernels_keep_the_norm_of_the_first_embedding() -> None:
    kernels = RANDOM.normal(size=(3, 2, 2))
    layer = with_kernels(KernelProducts("mat", unit_kernel=True), kernels)
    want = []
    for e in EMBEDDINGS.astype(np.float64):
        row = []
        for (i, j), k in zip(PAIRS, kernels, strict=True):
            turned = e[i] @ k
            row.append(turned / np.linalg.norm(turned) * np.linalg.norm(e[i]) @ e[j])
        want.append(row)
    np.testing.assert_allclose(layer(EMBEDDINGS), want, rtol=1e-4, atol=1e-6)
    assert np.isfinite(layer(np.zeros_like(EMBEDDINGS))).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": "row"}, "`kernel` must be"),
        ({"kernel": "mat", "kernel_initializer": "ones"}, "`kernel_initializer` must"),
        ({"kernel": "vec", "kernel_initializer": "glorot_normal"}, "for vec"),
    ],
)
def test_kernel_products_refuse(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KernelProducts(**arguments)
