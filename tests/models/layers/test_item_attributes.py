import pathlib
from typing import Any

import keras
import numpy as np
import pytest

from clickwright.models.layers.item_attributes import ItemAttributes

MATRIX = np.array([[0, 0], [3, 0], [1, 2]], np.int32)


def filled() -> ItemAttributes:
    layer = ItemAttributes(3, 2)
    layer.build((None,))
    layer.fill(MATRIX)
    return layer


def test_ids_of_any_shape_give_their_attributes() -> None:
    ids = np.array([[[2, 0]], [[1, 1]]])
    got = filled()(ids)
    assert keras.backend.standardize_dtype(got.dtype) == "int32"
    np.testing.assert_array_equal(got, MATRIX[ids])


def test_a_table_is_zeros_until_it_is_filled() -> None:
    assert not np.asarray(ItemAttributes(3, 2)(np.arange(3))).any()


def test_symbolic_attributes_are_ids() -> None:
    symbolic = filled()(keras.Input((4,), dtype="int64"))
    assert tuple(symbolic.shape) == (None, 4, 2)
    assert symbolic.dtype == "int32"


def test_a_model_keeps_its_attributes(tmp_path: pathlib.Path) -> None:
    ids = keras.Input((), dtype="int64")
    layer = filled()
    model = keras.Model(ids, layer(ids))
    assert model.trainable_variables == []
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(np.arange(3)), MATRIX)
    copy = ItemAttributes.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (MATRIX[:2], r"int32 \[3, 2\]. Received: int32 \[2, 2\]"),
        (MATRIX.astype(np.int64), "Received: int64"),
        (MATRIX + 1, "Row 0"),
    ],
)
def test_bad_content_is_named(matrix: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        filled().fill(matrix)


@pytest.mark.parametrize(("rows", "length"), [(0, 2), (3, 0)])
def test_an_empty_table_is_refused(rows: int, length: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1. Received: 0"):
        ItemAttributes(rows, length)
