import functools
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.item_vectors import ItemVectors

MATRIX = np.vstack(
    [np.zeros((1, 3)), np.random.default_rng(1).normal(size=(4, 3))]
).astype(np.float32)
SCALES = (np.abs(MATRIX).max(axis=1) / 127).astype(np.float32)
STORED: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]] = {
    "float32": (MATRIX, None),
    "float16": (MATRIX.astype(np.float16), None),
    "int8": (
        np.rint(MATRIX / np.maximum(SCALES, 1e-9)[:, None]).astype(np.int8),
        SCALES,
    ),
}
every_storage = pytest.mark.parametrize("storage", STORED)


def filled(storage: str, **kwargs: Any) -> ItemVectors:
    layer = ItemVectors(5, 3, storage, **kwargs)  # type: ignore[arg-type]
    layer.build((None,))
    layer.fill(*STORED[storage])
    return layer


@every_storage
def test_the_layer_passes_the_battery(storage: Any, tmp_path: pathlib.Path) -> None:
    make = functools.partial(ItemVectors, 5, 3, storage)
    check_layer(make, np.array([[1, 0], [4, 2]]), (2, 2, 3), tmp_path)


@every_storage
def test_ids_of_any_shape_give_their_rows(storage: str) -> None:
    ids = np.array([[[4], [0]], [[1], [1]]])
    got = np.asarray(filled(storage)(ids))
    matrix, scales = STORED[storage]
    want = matrix.astype(np.float32)
    want = want if scales is None else want * scales[:, None]
    np.testing.assert_array_equal(got, want[ids])
    tolerance = {"float32": 0.0, "float16": 1e-3, "int8": SCALES.max()}[storage]
    np.testing.assert_allclose(got, MATRIX[ids], rtol=0, atol=tolerance)
    assert not got[0, 1].any()


def test_a_table_is_zeros_until_it_is_filled() -> None:
    assert not np.asarray(ItemVectors(5, 3)(np.arange(5))).any()


@every_storage
def test_tables_are_saved_with_their_content(
    storage: str, tmp_path: pathlib.Path
) -> None:
    ids = keras.Input((), dtype="int64")
    layer = filled(storage)
    model = keras.Model(ids, layer(ids))
    assert model.trainable_variables == []
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(np.arange(5)), layer(np.arange(5)))


def test_storage_decides_the_bytes() -> None:
    sizes = {
        storage: sum(v.numpy().nbytes for v in filled(storage).frozen)
        for storage in STORED
    }
    assert sizes == {"float32": 5 * 3 * 4, "float16": 5 * 3 * 2, "int8": 5 * 3 + 5 * 4}


def test_dropout_zeroes_whole_rows_in_training_alone_and_scales_nothing() -> None:
    keras.utils.set_random_seed(3)
    layer = filled("float32", dropout=0.3)
    ids = np.ones((4000, 2), np.int64)
    got = np.asarray(layer(ids, training=True))
    dropped = ~got.any(axis=(1, 2))
    assert abs(dropped.mean() - 0.3) < 0.03
    np.testing.assert_array_equal(got[~dropped], MATRIX[ids[~dropped]])
    np.testing.assert_array_equal(layer(ids, training=False), MATRIX[ids])
    other = np.asarray(layer(ids, training=True))
    assert (dropped != ~other.any(axis=(1, 2))).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 0, "width": 3}, "`rows` must be at least 1. Received: 0"),
        ({"rows": 5, "width": 0}, "`width` must be at least 1. Received: 0"),
        ({"rows": 5, "width": 3, "storage": "int4"}, "Received: int4"),
        ({"rows": 5, "width": 3, "dropout": 1.0}, r"in \[0, 1\). Received: 1.0"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ItemVectors(**arguments)


@pytest.mark.parametrize(
    ("storage", "matrix", "scales", "message"),
    [
        ("float32", MATRIX[:4], None, r"float32 \[5, 3\]. Received: float32 \[4, 3\]"),
        ("float32", MATRIX.astype(np.float64), None, "Received: float64"),
        ("float32", MATRIX + 1.0, None, "Row 0"),
        ("float32", MATRIX, SCALES, "`scales` must be given with `int8` alone"),
        ("int8", STORED["int8"][0], None, "`scales` must be given with `int8` alone"),
        ("int8", STORED["int8"][0], SCALES[:3], r"`scales` must be \[5\]"),
    ],
)
def test_bad_content_is_named(
    storage: str, matrix: Any, scales: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        filled(storage).fill(matrix, scales)
