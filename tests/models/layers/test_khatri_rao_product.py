import pathlib
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.khatri_rao_product import KhatriRaoProduct


def constant_gates(layer: KhatriRaoProduct, width: int, value: float) -> None:
    """Makes every projection equal to `value`, whatever the input."""
    layer.build((None, width))
    size = width * layer.rows
    layer.project.set_weights([np.zeros((width, size)), np.full(size, value)])


def by_loops(layer: KhatriRaoProduct, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Output at inference, coordinate by coordinate."""
    kernel, bias = (np.asarray(w, np.float64) for w in layer.project.weights)
    gates = x @ kernel + bias
    if layer.norm is not None:
        gamma, beta, mean, variance = (
            np.asarray(w, np.float64) for w in layer.norm.weights
        )
        gates = (gates - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    gates = np.maximum(gates, 0.0)
    rows, width = x.shape
    heads, fields = layer.heads, layer.fields
    dim = width // fields
    part, head_width = dim // heads, width // heads
    output = x.copy()
    for b in range(rows):
        for h in range(heads):
            for f in range(fields):
                for k in range(part):
                    at = f * part + k
                    total = sum(
                        gates[b, (h * layer.rows + r) * head_width + at]
                        for r in range(layer.rows)
                    )
                    source = f * dim + h * part + k
                    target = source if layer.align_heads else h * head_width + at
                    output[b, target] += x[b, source] * total
    return output


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_the_product_equals_its_definition_by_loops(heads: int, align: bool) -> None:
    layer = KhatriRaoProduct(3, 2, heads, batch_norm=True, align_heads=align)
    x = np.random.default_rng(1).normal(size=(5, 12)).astype(np.float32)
    layer(x)
    generator = np.random.default_rng(2)
    for weight in layer.weights:
        weight.assign(
            generator.uniform(0.2, 1.0, weight.shape) - 0.3 * (weight.ndim > 1)
        )
    np.testing.assert_allclose(
        layer(x, training=False), by_loops(layer, x), rtol=1e-4, atol=1e-5
    )


def test_an_identity_projection_squares_and_skips() -> None:
    layer = KhatriRaoProduct(2)
    layer.build((None, 4))
    layer.project.set_weights([np.eye(4), np.zeros(4)])
    x = np.array([[0.0, 0.5, 2.0, 3.0]], np.float32)
    np.testing.assert_allclose(layer(x), x * x + x, rtol=1e-6)


def test_projections_of_one_add_the_input_once_a_row() -> None:
    layer = KhatriRaoProduct(2, rows=5)
    constant_gates(layer, 4, 1.0)
    x = np.array([[1.0, -2.0, 3.0, 4.0]], np.float32)
    np.testing.assert_allclose(layer(x), 5 * x + x, rtol=1e-6)


@pytest.mark.parametrize(
    ("align", "want"), [(False, [2, 5, 5, 8]), (True, [2, 4, 6, 8])]
)
def test_heads_are_misaligned_as_published_unless_told(
    align: bool, want: list[int]
) -> None:
    layer = KhatriRaoProduct(2, heads=2, align_heads=align)
    constant_gates(layer, 4, 1.0)
    np.testing.assert_allclose(layer(np.array([[1.0, 2.0, 3.0, 4.0]])), [want])


def test_the_misalignment_is_a_permutation() -> None:
    layer = KhatriRaoProduct(3, heads=2)
    constant_gates(layer, 12, 1.0)
    x = np.arange(1.0, 13.0, dtype=np.float32)[np.newaxis]
    products = np.asarray(layer(x)) - x
    assert sorted(products[0]) == sorted(x[0])
    assert not np.array_equal(products, x)


def test_dropout_hits_both_the_projections_and_the_output() -> None:
    keras.utils.set_random_seed(1)
    layer = KhatriRaoProduct(1, dropout=0.5)
    constant_gates(layer, 1000, 1.0)
    output = np.asarray(layer(np.ones((50, 1000), np.float32), training=True))
    # 0 when the output is dropped; else twice 1 without, or 1 + 2 with its gate.
    values, counts = np.unique(output, return_counts=True)
    np.testing.assert_allclose(values, [0.0, 2.0, 6.0])
    np.testing.assert_allclose(counts / output.size, [0.5, 0.25, 0.25], atol=0.01)


def test_a_layer_has_a_projection_and_its_norm() -> None:
    layer = KhatriRaoProduct(10, rows=13, batch_norm=True)
    layer.build((None, 160))
    size = sum(int(np.prod(v.shape)) for v in layer.trainable_variables)
    assert size == 160 * 160 * 13 + 160 * 13 + 2 * 160 * 13


@pytest.mark.parametrize(
    ("arguments", "shape", "says"),
    [
        ({"fields": 0}, (None, 4), "`fields` must be at least 1"),
        ({"fields": 2, "rows": 0}, (None, 4), "`rows` must be at least 1"),
        ({"fields": 3}, (None, 4), "`fields` must divide"),
        ({"fields": 2, "heads": 4}, (None, 4), "`heads` must divide"),
    ],
)
def test_arguments_out_of_range_are_refused(
    arguments: dict[str, Any], shape: tuple[int | None, int], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        KhatriRaoProduct(**arguments).build(shape)


@pytest.mark.parametrize("align", [False, True])
def test_the_layer_passes_the_battery(align: bool, tmp_path: pathlib.Path) -> None:
    make = partial(
        KhatriRaoProduct, 3, 2, 2, batch_norm=True, dropout=0.1, align_heads=align
    )
    x = np.random.default_rng(3).normal(size=(6, 12)).astype(np.float32)
    check_layer(make, x, (6, 12), tmp_path)
