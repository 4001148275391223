import functools
import pathlib

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.mlp import MLP

X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


def test_a_layer_normalized_mlp_passes_the_battery(tmp_path: pathlib.Path) -> None:
    make = functools.partial(MLP, (5, 3), batch_norm=False, layer_norm=True)
    check_layer(make, X, (4, 3), tmp_path)


def test_layer_norm_is_over_the_units_of_a_row_before_the_activation() -> None:
    layer = MLP((8,), batch_norm=False, layer_norm=True)
    layer(X)
    kernel = np.asarray(layer.steps[0].kernel)
    z = X @ kernel
    z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layer(X), np.maximum(z, 0), rtol=1e-4, atol=1e-5)


def test_an_mlp_has_one_kind_of_normalization() -> None:
    with pytest.raises(ValueError, match="At most one"):
        MLP((8,), batch_norm=True, layer_norm=True)
