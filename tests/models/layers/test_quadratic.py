import pathlib
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.folded_quadratic import FoldedQuadratic
from clickwright.models.layers.quadratic import Quadratic

PRODUCTS = [
    [0.037651, 0.005407, -0.041822, -0.025634],
    [-0.019714, -0.00249, 0.048432, 0.048519],
]
LOGITS = [-0.054758, 0.166106]


def waves(shape: tuple[int, ...], start: int) -> np.ndarray[Any, Any]:
    """`0.3 sin(start + 0.7 n)` in the order of the rows."""
    size = int(np.prod(shape))
    values = 0.3 * np.sin(start + 0.7 * np.arange(size))
    return values.reshape(shape).astype(np.float32)


def of_waves(kernel: int, bias: int) -> Quadratic:
    """Three rows of width 4, whose norm changes nothing but by its epsilon."""
    layer = Quadratic(3, name="quadratic")
    layer.build((None, 4))
    layer.project.set_weights([waves((4, 12), kernel), waves((12,), bias)])
    return layer


def trained() -> Quadratic:
    """Weights of every kind, none where it began."""
    layer = Quadratic(3, dropout=0.1, name="quadratic")
    layer.build((None, 8))
    random = np.random.default_rng(1)
    for weight in layer.weights:
        if weight.dtype == "float32":
            weight.assign(random.uniform(0.2, 1.0, weight.shape))
    layer.project.kernel.assign(random.normal(0.0, 0.5, (8, 24)))
    return layer


def test_the_products_are_those_of_the_worked_example() -> None:
    np.testing.assert_allclose(
        of_waves(8, 9).products(waves((2, 4), 7)), PRODUCTS, atol=1e-6
    )


@pytest.mark.parametrize("folded", [False, True])
def test_two_layers_and_a_head_give_the_worked_logits(folded: bool) -> None:
    x: Any = waves((2, 4), 7)
    for n in range(2):
        layer: Any = of_waves(10 + n, 20 + n)
        x = (FoldedQuadratic.of(layer) if folded else layer)(x)
    np.testing.assert_allclose(np.asarray(x) @ waves((4,), 30) + 0.1, LOGITS, atol=1e-6)


def test_without_biases_the_products_grow_with_the_square_of_the_input() -> None:
    layer = of_waves(8, 9)
    layer.project.bias.assign(np.zeros(12))
    x = waves((2, 4), 7)
    np.testing.assert_allclose(
        layer.products(3.0 * x), 9.0 * np.asarray(layer.products(x)), rtol=1e-5
    )


def test_rows_and_norm_fold_into_one_matrix() -> None:
    layer = trained()
    x = np.random.default_rng(2).normal(size=(50, 8)).astype(np.float32)
    folded = FoldedQuadratic.of(layer)
    assert folded.name == "quadratic"
    assert folded.count_params() == 8 * 8 + 8 + 8 + 1
    np.testing.assert_allclose(
        folded(x), layer(x, training=False), rtol=1e-5, atol=1e-5
    )


def test_dropout_hits_both_the_maps_and_the_output() -> None:
    keras.utils.set_random_seed(1)
    layer = Quadratic(1, dropout=0.5)
    layer.build((None, 1000))
    layer.project.set_weights([np.zeros((1000, 1000)), np.ones(1000)])
    layer.norm.trainable = False  # frozen, it normalizes by its running statistics
    output = np.asarray(layer(np.ones((50, 1000), np.float32), training=True))
    # 1 without the output or without its map; else four times 1, and 1.
    values, counts = np.unique(output.round(3), return_counts=True)
    np.testing.assert_allclose(values, [1.0, 5.0])
    np.testing.assert_allclose(counts / output.size, [0.75, 0.25], atol=0.01)


def test_a_layer_has_maps_a_norm_and_one_slope() -> None:
    layer = Quadratic(4)
    layer.build((None, 1024))
    size = sum(int(np.prod(v.shape)) for v in layer.trainable_variables)
    assert size == 1024 * 1024 * 4 + 1024 * 4 + 2 * 1024 + 1
    np.testing.assert_array_equal(layer.activation.alpha, [0.25])
    assert (layer.norm.epsilon, layer.norm.momentum) == (1e-5, 0.9)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="`rows` must be at least 1. Received: 0"):
        Quadratic(0)


def test_an_unknown_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be known. Received: input shape"):
        Quadratic().build((None, None))


@pytest.mark.parametrize("folded", [False, True])
def test_the_layer_passes_the_battery(folded: bool, tmp_path: pathlib.Path) -> None:
    make = FoldedQuadratic if folded else partial(Quadratic, 2, dropout=0.1)
    x = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)
    check_layer(make, x, (6, 4), tmp_path)
