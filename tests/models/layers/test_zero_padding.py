import pathlib
from functools import partial

import keras
import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.quotient_remainder import QuotientRemainder
from clickwright.schemas.model_input import ModelInput

INPUTS = (
    ModelInput("user", "id", "user", "user", 7),
    ModelInput("price", "value", "item"),
    ModelInput("item", "id", "item", "item", 9),
    ModelInput("seen", "sequence", "user", "item", 9, 4),
    ModelInput("tags", "id_set", "item", "tags", 6, 3),
)
FEATURES = {
    "user": np.array([0, 3, 6]),
    "price": np.array([0.5, -1.0, 2.0], np.float32),
    "item": np.array([1, 0, 8]),
    "seen": np.array([[0, 0, 1, 2], [0, 0, 0, 0], [8, 8, 8, 8]]),
    "tags": np.array([[0, 0, 0], [1, 2, 0], [5, 0, 0]]),
}
FIRST = {"user": 0, "item": 8, "tags": 17}


def test_row_0_of_every_table_starts_at_zero_and_no_other_row() -> None:
    layer = FusedEmbedding(INPUTS, 3, zero_padding=True)
    layer(FEATURES)
    assert {n: layer.row_ranges[n][0] for n in FIRST} == FIRST
    table = np.asarray(layer.embeddings)
    np.testing.assert_array_equal(
        np.flatnonzero(~table.any(axis=1)), sorted(FIRST.values())
    )


@pytest.mark.parametrize("compressed", [False, True])
def test_id_0_gives_zeros_and_the_others_what_they_gave_before(
    compressed: bool,
) -> None:
    compression = QuotientRemainder(min_rows=2) if compressed else None
    layer = FusedEmbedding(INPUTS, 3, zero_padding=True, compression=compression)
    plain = FusedEmbedding(INPUTS, 3, compression=compression)
    layer(FEATURES), plain(FEATURES)
    layer.embeddings.assign(
        np.random.default_rng(1).normal(size=layer.embeddings.shape)
    )
    plain.set_weights(layer.get_weights())
    want = np.array(plain(FEATURES))
    assert want[0, 0].any()
    want[0, 0] = want[1, 2] = 0.0
    np.testing.assert_allclose(layer(FEATURES), want, atol=1e-6)


def test_a_step_leaves_row_0_where_it_is() -> None:
    layer = FusedEmbedding(
        INPUTS, 3, zero_padding=True, embeddings_regularizer=keras.regularizers.L2(0.1)
    )
    symbolic = {
        n: keras.Input(v.shape[1:], dtype=str(v.dtype), name=n)
        for n, v in FEATURES.items()
    }
    model = keras.Model(symbolic, layer(symbolic))
    model.compile("adam", "mse")
    model.fit(FEATURES, np.ones((3, 5, 3)), epochs=3, verbose=0)
    assert not np.asarray(layer.embeddings)[list(FIRST.values())].any()


def test_the_layer_passes_the_battery(tmp_path: pathlib.Path) -> None:
    make = partial(FusedEmbedding, INPUTS, 3, zero_padding=True)
    check_layer(make, FEATURES, (3, 5, 3), tmp_path)
