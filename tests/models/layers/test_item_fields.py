"""Attributes and vectors of item tables in the layers that embed inputs."""

import functools
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.frequency_filter import FrequencyFilter
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.linear_term import LinearTerm
from clickwright.schemas.model_input import ModelInput

INPUTS = (
    ModelInput("item", "id", "item", "item", 9),
    ModelInput("tags", "attribute", "item", "tags", 6, 3, entity="item", entities=9),
    ModelInput("photo", "vector", "item", entity="item", entities=9, width=5),
    ModelInput("price", "value", "item"),
    ModelInput("text", "vector", "item", entity="item", entities=9, width=2),
)
TAGS = np.array([[1, 4, 0], [0, 0, 0], [5, 5, 2]])
_random = np.random.default_rng(1)
FEATURES: dict[str, Any] = {
    "item": np.array([1, 0, 8]),
    "tags": TAGS,
    "photo": _random.normal(size=(3, 5)).astype(np.float32),
    "price": np.array([0.5, -1.0, 2.0], np.float32),
    "text": _random.normal(size=(3, 2)).astype(np.float32),
}


def fields(layer: FusedEmbedding, pool: Any) -> np.ndarray[Any, Any]:
    """The output by hand; `pool` makes one row of those of an attribute."""
    rows = np.asarray(layer.embeddings)
    first = {name: start for name, (start, _) in layer.row_ranges.items()}
    tags = [[rows[first["tags"] + t] for t in own if t] for own in TAGS.tolist()]
    none = np.zeros(layer.width)
    return np.stack(
        [
            rows[first["item"] + FEATURES["item"]],
            [pool(own, axis=0) if own else none for own in tags],
            FEATURES["photo"] @ np.asarray(layer.kernels["photo"]),
            FEATURES["price"][:, None] * rows[first["price"]],
            FEATURES["text"] @ np.asarray(layer.kernels["text"]),
        ],
        axis=1,
    )


def test_an_attribute_is_pooled_and_a_vector_is_projected() -> None:
    keras.utils.set_random_seed(1)
    layer = FusedEmbedding(INPUTS, 4)
    got = np.asarray(layer(FEATURES))
    np.testing.assert_allclose(got, fields(layer, np.mean), rtol=1e-5, atol=1e-6)
    # item 9, tags 6, price 1; vectors have no rows.
    assert layer.rows == 16
    assert set(layer.row_ranges) == {"item", "tags", "price"}
    shapes = {name: tuple(kernel.shape) for name, kernel in layer.kernels.items()}
    assert shapes == {"photo": (5, 4), "text": (2, 4)}
    assert layer.count_params() == 16 * 4 + 5 * 4 + 2 * 4


def test_the_penalty_counts_tables_and_kernels() -> None:
    layer = FusedEmbedding(INPUTS, 4, embeddings_regularizer=keras.regularizers.L2(0.1))
    layer(FEATURES)
    want = sum(0.1 * np.square(np.asarray(v)).sum() for v in layer.trainable_variables)
    assert len(layer.losses) == 3
    np.testing.assert_allclose(sum(map(float, layer.losses)), want, rtol=1e-5)


def test_the_linear_term_sums_attributes_and_weighs_vectors() -> None:
    keras.utils.set_random_seed(1)
    layer = LinearTerm(INPUTS, embeddings_initializer="normal")
    got = np.asarray(layer(FEATURES))
    want = fields(layer.weights_table, np.sum).sum(axis=1)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert layer.count_params() == 16 + 5 + 2 + 1


def test_vectors_alone_need_no_table() -> None:
    layer = FusedEmbedding([INPUTS[2]], 4)
    assert tuple(layer(FEATURES).shape) == (3, 1, 4)
    assert layer.embeddings is None
    assert len(layer.weights) == 1


@pytest.mark.parametrize(
    "options", [{}, {"min_frequency": 2}, {"compression": {"kind": "multi_hash"}}]
)
def test_the_layer_passes_the_battery(
    options: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    make = functools.partial(FusedEmbedding, INPUTS, 4, **options)
    check_layer(make, FEATURES, (3, 5, 4), tmp_path)


def test_attributes_are_counted_and_vectors_pass_through() -> None:
    layer = FrequencyFilter(INPUTS, 2)
    got = layer(FEATURES, training=True)
    # Tag 5 occurs twice in the batch; the others share the row past the last one.
    np.testing.assert_array_equal(got["tags"], [[6, 6, 0], [0, 0, 0], [5, 5, 6]])
    np.testing.assert_array_equal(got["photo"], FEATURES["photo"])


@pytest.mark.parametrize("width", [None, 0])
def test_a_vector_must_state_its_width(width: int | None) -> None:
    with pytest.raises(ValueError, match=r"`photo` \(vector\) must state its `width`"):
        FusedEmbedding([ModelInput("photo", "vector", "item", width=width)], 4)
