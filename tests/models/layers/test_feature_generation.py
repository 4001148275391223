import functools
import pathlib

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.feature_generation import FeatureGeneration

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_feature_generation_passes_the_battery(
    batch_norm: bool, tmp_path: pathlib.Path
) -> None:
    x = RANDOM.normal(size=(4, 5, 2)).astype(np.float32)
    make = functools.partial(
        FeatureGeneration, (3, 2), 3, new_maps=2, batch_norm=batch_norm
    )
    check_layer(make, x, (4, (3 + 2) * 2, 2), tmp_path)


@pytest.mark.parametrize(
    ("fields", "total"), [(39, 153), (24, 93), (13, 55)], ids=["39", "24", "13"]
)
def test_heights_are_rounded_up(fields: int, total: int) -> None:
    layer = FeatureGeneration((4, 4, 4, 4))
    assert layer.compute_output_shape((None, fields, 8)) == (None, total - fields, 8)


@pytest.mark.parametrize(
    ("fields", "pooling"), [(4, 2), (5, 2), (7, 2), (4, 3), (6, 3), (6, 4)]
)
def test_feature_generation_equals_loops(fields: int, pooling: int) -> None:
    """Windows begin `H mod pooling` rows above the first, as torch pads both ends."""
    x = RANDOM.normal(size=(2, fields, 2)).astype(np.float32)
    layer = FeatureGeneration((3,), 3, pooling, new_maps=2, batch_norm=False)
    layer(x)
    layer.set_weights([RANDOM.normal(size=w.shape) for w in layer.get_weights()])
    kernel, bias, dense, dense_bias = layer.get_weights()
    above = fields % pooling
    height = -(-fields // pooling)
    for row, got in zip(x, np.asarray(layer(x)), strict=True):
        padded = np.pad(row, ((1, 1), (0, 0)))
        convolved = np.full((fields + 2 * above, 2, 3), -np.inf)
        for f in range(fields):
            for d in range(2):
                z = padded[f : f + 3, d] @ kernel[:, 0, 0, :] + bias
                convolved[above + f, d] = np.tanh(z)
        pooled = np.stack(
            [convolved[h * pooling : (h + 1) * pooling].max(0) for h in range(height)]
        )
        want = np.tanh(pooled.ravel() @ dense + dense_bias).reshape(height * 2, 2)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_new_fields_lie_between_minus_one_and_one_and_depend_on_the_order() -> None:
    x = RANDOM.normal(size=(2, 6, 2)).astype(np.float32)
    layer = FeatureGeneration((3,), 3)
    new = np.asarray(layer(x))
    assert np.abs(new).max() < 1
    assert np.abs(new - np.asarray(layer(x[:, ::-1]))).max() > 1e-2


def test_feature_generation_refuses_no_levels_and_even_kernels() -> None:
    with pytest.raises(ValueError, match="`channels`"):
        FeatureGeneration(())
    with pytest.raises(ValueError, match="`kernel_height` must be odd"):
        FeatureGeneration((3,), 4)
