import functools
import pathlib
from typing import Any

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.sasrec_block import SASRecBlock


def wave(shape: tuple[int, ...], k: int) -> np.ndarray[Any, Any]:
    n = int(np.prod(shape))
    return (0.3 * np.sin(k + 0.7 * np.arange(n))).reshape(shape).astype(np.float32)


def normed(x: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-8)


def by_loops(x: Any, real: Any, layer: SASRecBlock) -> Any:
    """One history at a time, place by place, head by head."""
    w = {
        name: [np.asarray(v, np.float64) for v in getattr(layer, name).weights]
        for name in (
            "query",
            "key",
            "value",
            "inner",
            "outer",
            "query_norm",
            "dense_norm",
        )
    }
    out = np.zeros(x.shape)
    width = x.shape[-1] // layer.heads
    for b, history in enumerate(np.asarray(x, np.float64)):
        for place in np.flatnonzero(real[b]):
            gain, shift = w["query_norm"]
            top = normed(history[place]) * gain + shift
            seen = [j for j in range(place + 1) if real[b, j]]
            q = top @ w["query"][0] + w["query"][1]
            attended = np.zeros(x.shape[-1])
            for h in range(layer.heads):
                part = slice(h * width, (h + 1) * width)
                keys = [(history[j] @ w["key"][0] + w["key"][1])[part] for j in seen]
                scores = np.exp([q[part] @ k / np.sqrt(width) for k in keys])
                for score, j in zip(scores / scores.sum(), seen, strict=True):
                    value = history[j] @ w["value"][0] + w["value"][1]
                    attended[part] += score * value[part]
            gain, shift = w["dense_norm"]
            z = normed(attended + top) * gain + shift
            inner = np.maximum(z @ w["inner"][0] + w["inner"][1], 0)
            out[b, place] = inner @ w["outer"][0] + w["outer"][1] + z
    return out


def test_it_gives_the_worked_values() -> None:
    real = np.array([[False, True, True]])
    x = 3 * wave((1, 3, 4), 1) * real[..., None]
    layer = SASRecBlock()
    layer(x, real)
    dense = (layer.query, layer.key, layer.value, layer.inner, layer.outer)
    for n, part in enumerate(dense, start=2):
        part.kernel.assign(wave((4, 4), n))
    np.testing.assert_allclose(
        layer(x, real)[0],
        [
            [0.0, 0.0, 0.0, 0.0],
            [0.494506, -1.098542, -0.749409, 1.377702],
            [-1.559983, 0.610601, 1.191922, -0.089427],
        ],
        atol=2e-6,
    )


@pytest.mark.parametrize("heads", [1, 3])
def test_it_equals_its_formula(heads: int) -> None:
    random = np.random.default_rng(2)
    real = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], bool)
    x = random.normal(size=(3, 5, 6)).astype(np.float32) * real[..., None]
    layer = SASRecBlock(heads)
    layer(x, real)
    for v in layer.weights:
        v.assign(random.normal(0.2, 0.5, v.shape))
    np.testing.assert_allclose(layer(x, real), by_loops(x, real, layer), atol=2e-5)


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    random = np.random.default_rng(3)
    real = np.array([[False, True, True], [True, True, True]])
    x = random.normal(size=(2, 3, 4)).astype(np.float32) * real[..., None]
    make = functools.partial(SASRecBlock, heads=2, dropout=0.2)
    check_layer(make, (x, real), (2, 3, 4), tmp_path)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(
        ValueError, match="`heads` must divide the width 4. Received: 3"
    ):
        SASRecBlock(3).build((None, 3, 4))
