import functools
import pathlib

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.squeeze_excitation import SqueezeExcitation

X = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    make = functools.partial(SqueezeExcitation, reduction_ratio=0.5)
    check_layer(make, np.abs(X), (4, 5, 3), tmp_path)


def test_it_equals_its_formula() -> None:
    layer = SqueezeExcitation(2.0)
    layer.build((None, 5, 3))
    random = np.random.default_rng(1)
    squeeze, excite = random.normal(size=(5, 2)), random.normal(size=(2, 5))
    layer.set_weights([squeeze, excite])
    shares = np.maximum(np.maximum(X.mean(axis=2) @ squeeze, 0.0) @ excite, 0.0)
    assert (shares > 0).any()
    np.testing.assert_allclose(layer(X), X * shares[:, :, None], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("ratio", "middle"), [(2.0, 2), (0.3, 16), (9.0, 1)])
def test_the_ratio_narrows_the_middle(ratio: float, middle: int) -> None:
    layer = SqueezeExcitation(ratio)
    layer.build((None, 5, 3))
    assert layer.count_params() == 2 * 5 * middle


def test_it_refuses_a_ratio_of_zero() -> None:
    with pytest.raises(ValueError, match="`reduction_ratio` must be positive"):
        SqueezeExcitation(0.0)
