import functools
import pathlib

import keras
import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.item_embedding import ItemEmbedding
from clickwright.models.layers.position_embedding import PositionEmbedding

IDS = np.array([[0, 1, 2], [3, 0, 4]])


def test_the_table_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(functools.partial(_table, 5), IDS, (2, 3, 4), tmp_path)


def _table(rows: int, **kwargs: object) -> ItemEmbedding:
    return ItemEmbedding(rows, 4, "glorot_uniform", **kwargs)


def test_the_places_pass_the_battery(tmp_path: pathlib.Path) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    check_layer(PositionEmbedding, x, (2, 3, 4), tmp_path)


def test_padding_is_zero_and_never_learns() -> None:
    layer = ItemEmbedding(5, 4, "ones")
    assert not np.asarray(layer(IDS))[IDS == 0].any()
    inputs = keras.Input((3,), dtype="int64")
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.AdamW(0.1), "mse")
    model.fit(IDS, np.full((2, 3, 4), 7.0), epochs=2, verbose=0)
    table = np.asarray(layer.matrix())
    assert not table[0].any()
    assert (table[1:] != 1.0).all()
    np.testing.assert_array_equal(layer.matrix(3), table[:3])


@pytest.mark.parametrize("arguments", [(0, 4), (5, 0)])
def test_sizes_below_one_are_refused(arguments: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1. Received: 0"):
        ItemEmbedding(*arguments)
