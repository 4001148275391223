import functools
import pathlib
from typing import Any

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.hstu_block import HSTUBlock

random = np.random.default_rng(7)
X = random.normal(size=(2, 4, 6)).astype(np.float32)
BUCKETS = random.integers(0, 6, (2, 4, 4)).astype(np.int32)


def wave(shape: tuple[int, ...], k: int) -> np.ndarray[Any, Any]:
    n = int(np.prod(shape))
    return (0.3 * np.sin(k + 0.7 * np.arange(n))).reshape(shape).astype(np.float32)


def silu(x: Any) -> Any:
    return x / (1 + np.exp(-x))


def normed(x: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def by_loops(x: Any, layer: HSTUBlock, buckets: Any) -> Any:
    """Place by place, head by head."""
    out = np.array(x, np.float64)
    n, heads = x.shape[1], layer.heads
    values, keys = layer.value_width, layer.key_width
    kernel = np.asarray(layer.kernel, np.float64)
    for b, history in enumerate(np.asarray(x, np.float64)):
        z = silu(normed(history) @ kernel)
        u, v, q, k = np.split(
            z, np.cumsum([heads * values, heads * values, heads * keys]), axis=1
        )
        for i in range(n):
            attended = np.zeros(heads * values)
            for h in range(heads):
                of_value = slice(h * values, (h + 1) * values)
                of_key = slice(h * keys, (h + 1) * keys)
                for j in range(i + 1):
                    score = q[i, of_key] @ k[j, of_key]
                    if layer.place_bias:
                        score += np.asarray(layer.by_place)[i - j]
                    if layer.age_buckets:
                        score += np.asarray(layer.by_age)[buckets[b, i, j]]
                    attended[of_value] += silu(score) / n * v[j, of_value]
            output = layer.output_
            out[b, i] += (u[i] * normed(attended)) @ np.asarray(
                output.kernel
            ) + np.asarray(output.bias)
    return out


def test_it_gives_the_worked_values() -> None:
    # The worked example has 3 events in 5 places.
    x = np.zeros((1, 5, 4), np.float32)
    x[0, :3] = 3 * wave((3, 4), 1)
    layer = HSTUBlock(2, 2, 2, place_bias=False)
    layer(x)
    layer.kernel.assign(wave((4, 16), 2))
    layer.output_.kernel.assign(wave((4, 4), 3))
    np.testing.assert_allclose(
        layer(x)[0, :3],
        [
            [0.870558, 0.950114, 0.582817, -0.058588],
            [-0.491163, -0.874335, -0.846295, -0.420228],
            [0.249475, 0.680098, 0.790861, 0.529669],
        ],
        atol=3e-6,
    )


@pytest.mark.parametrize("ages", [0, 5])
def test_it_equals_its_formula(ages: int) -> None:
    layer = HSTUBlock(2, 3, 4, age_buckets=ages)
    taken = (X, BUCKETS) if ages else (X,)
    layer(*taken)
    for v in layer.weights:
        v.assign(random.normal(0.1, 0.5, v.shape))
    np.testing.assert_allclose(
        layer(*taken), by_loops(X, layer, BUCKETS), rtol=1e-4, atol=2e-5
    )


@pytest.mark.parametrize("ages", [0, 5])
def test_it_passes_the_battery(ages: int, tmp_path: pathlib.Path) -> None:
    make = functools.partial(HSTUBlock, 2, 3, 4, dropout=0.1, age_buckets=ages)
    check_layer(make, (X, BUCKETS) if ages else X, (2, 4, 6), tmp_path)


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="`key_width` must be at least 1. Received: 0"):
        HSTUBlock(1, 0, 1)
