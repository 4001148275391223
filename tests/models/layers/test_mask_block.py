import functools
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from ctr_models import randomize, weights
from layer_battery import check_layer

from clickwright.models.layers.mask_block import MaskBlock

_random = np.random.default_rng(0)
INPUTS = {
    "embeddings": _random.normal(size=(5, 6)).astype(np.float32),
    "hidden": _random.normal(size=(5, 4)).astype(np.float32),
}
SHAPES = {"embeddings": (None, 6), "hidden": (None, 4)}


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    keras.utils.set_random_seed(0)  # the norm of a near-constant row amplifies bfloat16
    check_layer(functools.partial(MaskBlock, 8, dropout=0.2), INPUTS, (5, 8), tmp_path)


@pytest.mark.parametrize("norm", [True, False])
def test_it_equals_its_formula(norm: bool) -> None:
    layer = MaskBlock(3, reduction_ratio=1.5, layer_norm=norm)
    layer.build(SHAPES)
    randomize(layer)
    kernel, bias = weights(layer.mask_in)
    assert kernel.shape == (6, 6)  # 1.5 times the four hidden values
    middle = np.maximum(INPUTS["embeddings"] @ kernel + bias, 0.0)
    kernel, bias = weights(layer.mask_out)
    (dense,) = weights(layer.dense)
    x = ((middle @ kernel + bias) * INPUTS["hidden"]) @ dense
    if norm:
        gamma, beta = weights(layer.norm)
        mean, variance = (f(x, axis=1, keepdims=True) for f in (np.mean, np.var))
        x = gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta
    np.testing.assert_allclose(layer(INPUTS), np.maximum(x, 0), rtol=1e-3, atol=1e-4)


def test_a_mask_of_ones_leaves_a_dense_layer() -> None:
    layer = MaskBlock(3, layer_norm=False)
    layer.build(SHAPES)
    layer.mask_out.set_weights([np.zeros((8, 4)), np.ones(4)])
    want = np.maximum(INPUTS["hidden"] @ np.asarray(layer.dense.kernel), 0.0)
    np.testing.assert_allclose(layer(INPUTS), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["units", "reduction_ratio"])
def test_it_refuses_sizes_that_are_not_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be positive. Received: 0"):
        MaskBlock(**dict[str, Any]({"units": 1, name: 0}))
