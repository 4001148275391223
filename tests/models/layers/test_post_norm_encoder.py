import functools
import math
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.post_norm_block import PostNormBlock
from clickwright.models.layers.post_norm_encoder import PostNormEncoder

random = np.random.default_rng(5)
X = random.normal(size=(3, 4, 6)).astype(np.float32)
ALLOWED = np.array([[0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]], bool)[:, None, None]


def gelu(x: Any) -> Any:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def normed(x: Any, weights: Any) -> Any:
    gain, shift = (np.asarray(v, np.float64) for v in weights)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
    return x * gain + shift


def by_loops(x: Any, allowed: Any, layer: PostNormBlock) -> Any:
    """The block, head by head, of NumPy's products."""

    def dense(part: Any, x: Any) -> Any:
        return x @ np.asarray(part.kernel, np.float64) + np.asarray(part.bias)

    q, k, v = (dense(part, x) for part in (layer.query, layer.key, layer.value))
    width = x.shape[-1] // layer.heads
    heads = []
    for h in range(layer.heads):
        part = slice(h * width, (h + 1) * width)
        scores = np.exp(
            np.einsum("bld,bmd->blm", q[..., part], k[..., part]) / width**0.5
        )
        scores = scores * allowed[:, 0]
        scores = scores / scores.sum(-1, keepdims=True)
        heads.append(np.einsum("blm,bmd->bld", scores, v[..., part]))
    attended = dense(layer.output_, np.concatenate(heads, -1))
    y = normed(x + attended, layer.attention_norm.weights)
    out = dense(layer.narrow, gelu(dense(layer.wide, y)))
    return normed(y + out, layer.dense_norm.weights)


@pytest.mark.parametrize("heads", [1, 2])
def test_the_block_equals_its_formula(heads: int) -> None:
    layer = PostNormBlock(heads, 8)
    layer(X, ALLOWED)
    for v in layer.weights:
        v.assign(random.normal(0.2, 0.4, v.shape))
    want = by_loops(X.astype(np.float64), ALLOWED, layer)
    np.testing.assert_allclose(layer(X, ALLOWED), want, atol=2e-5)


def test_the_block_passes_the_battery(tmp_path: pathlib.Path) -> None:
    make = functools.partial(PostNormBlock, 2, 8, dropout=0.1, attention_dropout=0.1)
    check_layer(make, (X, ALLOWED), (3, 4, 6), tmp_path)


def test_the_encoder_passes_the_battery(tmp_path: pathlib.Path) -> None:
    ids = np.array([[0, 1, 2], [3, 0, 0]])
    make = functools.partial(
        PostNormEncoder, 5, width=6, blocks=2, heads=2, inner=7, dropout=0.1
    )
    check_layer(make, ids, (2, 3, 6), tmp_path)


def test_the_encoder_has_the_parameters_that_it_states() -> None:
    rows, d, blocks, inner, length = 9, 6, 2, 7, 5
    layer = PostNormEncoder(rows, d, blocks, 3, inner)
    layer(np.ones((1, length), int))
    each = 4 * (d * d + d) + 2 * d * inner + inner + d + 4 * d
    assert layer.count_params() == rows * d + length * d + 2 * d + blocks * each


def test_the_encoder_looks_back_alone_only_if_causal() -> None:
    keras.utils.set_random_seed(1)
    layer = PostNormEncoder(9, 6, 2, 2, 8, stddev=0.5)
    one, other = np.array([[0, 1, 2, 3]]), np.array([[0, 1, 2, 4]])
    np.testing.assert_allclose(
        layer(one, causal=True)[:, 1:3], layer(other, causal=True)[:, 1:3], atol=1e-6
    )
    assert np.abs(layer(one)[:, 1] - layer(other)[:, 1]).max() > 1e-3
