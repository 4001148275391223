import pathlib

import keras
import numpy as np
import pytest

from clickwright.models.layers.bilinear_fusion import BilinearFusion

X = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
Y = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)


@pytest.mark.parametrize("heads", [1, 2])
def test_fusion_equals_its_definition_by_loops(heads: int) -> None:
    layer = BilinearFusion(heads)
    got = np.asarray(layer([X, Y]))
    kernel = np.asarray(layer.kernel)[:, 0]
    n, m = 6 // heads, 4 // heads
    for row in range(5):
        want = sum(
            kernel[(h * n + i) * m + j] * X[row, h * n + i] * Y[row, h * m + j]
            for h in range(heads)
            for i in range(n)
            for j in range(m)
        )
        for part, values in ((layer.linear_x, X), (layer.linear_y, Y)):
            weights, bias = (np.asarray(w) for w in part.weights)
            want += values[row] @ weights[:, 0] + bias[0]
        assert got[row, 0] == pytest.approx(want, rel=1e-4, abs=1e-6)


def test_half_precision_streams_are_fused_in_float32() -> None:
    layer = BilinearFusion(2)
    low = [keras.ops.cast(values, "bfloat16") for values in (X, Y)]
    assert keras.backend.standardize_dtype(layer(low).dtype) == "float32"


def test_the_kernel_starts_by_the_fans_of_one_column() -> None:
    layer = BilinearFusion(5)
    layer.build([(None, 400), (None, 100)])
    assert np.asarray(layer.kernel).std() == pytest.approx((2 / 8001) ** 0.5, rel=0.05)


@pytest.mark.parametrize(
    ("heads", "says"), [(0, "at least 1"), (3, "must divide both")]
)
def test_heads_out_of_range_are_refused(heads: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        BilinearFusion(heads).build([(None, 6), (None, 4)])


def test_fusion_survives_saving(tmp_path: pathlib.Path) -> None:
    symbolic = [keras.Input((6,)), keras.Input((4,))]
    model = keras.Model(symbolic, BilinearFusion(2)(symbolic))
    assert model.output.shape == (None, 1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again([X, Y]), model([X, Y]))
