import pathlib

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.numeric.tabulated_encoder import CELLS, TabulatedEncoder
from clickwright.schemas.numeric_encoding import TabulatedEncoding

RANGES = ((-2.0, 3.0), (0.0, 1.0))


def filled(seed: int = 0) -> tuple[TabulatedEncoder, list[np.ndarray], list]:
    """A layer of two fields, the parts of its cells and its rows."""
    random = np.random.default_rng(seed)
    parts = [2 ** random.integers(0, 4, CELLS) for _ in RANGES]
    rows = [random.normal(size=(p.sum() + 1, 3)).astype(np.float32) for p in parts]
    layer = TabulatedEncoder(
        ("a", "b"),
        [
            TabulatedEncoding(low=low, high=high, intervals=int(p.sum()))
            for (low, high), p in zip(RANGES, parts, strict=True)
        ],
        width=3,
    )
    layer.build((None, 2))
    layer.fill(parts, rows, np.array([[7.0] * 3, [8.0] * 3]))
    return layer, parts, rows


def test_values_between_rows_are_interpolated_and_those_beyond_are_the_ends() -> None:
    layer, parts, rows = filled()
    random = np.random.default_rng(1)
    x = np.stack(
        [random.uniform(low - 0.5, high + 0.5, 500) for low, high in RANGES], axis=1
    ).astype(np.float32)
    x[0] = [low for low, _ in RANGES]
    x[1] = [high for _, high in RANGES]
    x[2], x[3] = np.inf, -np.inf
    expected = np.empty((len(x), 2, 3))
    for f, (low, high) in enumerate(RANGES):
        cells = [np.arange(p) / p + cell for cell, p in enumerate(parts[f])]
        grid = low + np.append(np.concatenate(cells), CELLS) / CELLS * (high - low)
        for d in range(3):
            expected[:, f, d] = np.interp(x[:, f], grid, rows[f][:, d])
    # A row may lie 1 / 2048 of the range from the next, which float32 tells apart
    # by some thousandths of their distance.
    np.testing.assert_allclose(layer(x), expected, atol=5e-3)


def test_a_missing_value_has_the_row_of_its_field() -> None:
    layer, *_ = filled()
    x = np.array([[np.nan, 0.5], [0.5, np.nan]], np.float32)
    found = np.asarray(layer(x))
    np.testing.assert_array_equal(found[0, 0], [7.0] * 3)
    np.testing.assert_array_equal(found[1, 1], [8.0] * 3)
    assert np.abs(found[[0, 1], [1, 0]]).max() < 7.0


def test_it_is_a_layer_like_the_others(tmp_path: pathlib.Path) -> None:
    encodings = [TabulatedEncoding(low=0.0, high=1.0, intervals=CELLS)] * 2

    def make(**kwargs: object) -> TabulatedEncoder:
        return TabulatedEncoder(("a", "b"), encodings, width=4, **kwargs)

    inputs = np.array([[0.1, np.nan], [np.nan, 0.7], [0.3, 0.4]], np.float32)
    check_layer(make, inputs, (3, 2, 4), tmp_path)


def test_a_table_of_another_size_is_refused() -> None:
    layer, parts, rows = filled()
    with pytest.raises(ValueError, match="`parts` and `rows` must be of"):
        layer.fill(parts, [rows[0][:-1], rows[1]], np.zeros((2, 3)))
