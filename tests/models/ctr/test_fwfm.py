from typing import Any

import keras
import numpy as np
import pytest
from ctr_models import (
    FEATURES,
    INPUTS,
    OURS,
    PUBLISHED,
    frappe_parameters,
    logits,
    randomize,
    values,
    weights,
)

from clickwright.models import registry
from clickwright.schemas.model_input import ModelInput


def test_fwfm_has_the_published_number_of_parameters() -> None:
    assert frappe_parameters("fwfm", PUBLISHED) == 2 * 53_890 + 45 + 1 == 107_826


def test_fwfm_has_one_row_a_field_more_than_published() -> None:
    assert frappe_parameters("fwfm", OURS) == 107_826 + 10 * 20


@pytest.mark.parametrize(
    ("linear", "more", "width"),
    [("LW", 5389, 11), ("FeLV", 53_890, 20), ("FiLV", 100, 10)],
)
def test_the_linear_term_has_a_weight_or_a_vector_a_value_or_a_field(
    linear: str, more: int, width: int
) -> None:
    params = {"linear": linear}
    assert frappe_parameters("fwfm", PUBLISHED, params) == 53_890 + 46 + more
    assert registry.table_width("fwfm", params) == width


def field_weighted(e: np.ndarray[Any, Any], r: np.ndarray[Any, Any]) -> Any:
    pairs = [np.sum(e[:, i] * e[:, j], 1) for i, j in ((0, 1), (0, 2), (1, 2))]
    return np.column_stack(pairs) @ r


@pytest.mark.parametrize("linear", ["LW", "FeLV", "FiLV"])
def test_fwfm_equals_its_formula(linear: str) -> None:
    params = {"embedding_dim": 2, "linear": linear}
    model = registry.build("fwfm", INPUTS, params)
    randomize(model)
    e = values(model, "embeddings")
    r, b = weights(model.get_layer("pairs"))
    at = np.column_stack(
        [first + FEATURES[f"f{f}"] for f, first in enumerate((0, 4, 7))]
    )
    if linear == "LW":
        term = weights(model.get_layer("linear"))[0][at, 0].sum(1)
    elif linear == "FeLV":
        term = np.sum(e * weights(model.get_layer("linear_vectors"))[0][at], (1, 2))
    else:
        term = e.reshape(4, 6) @ weights(model.get_layer("linear"))[0][:, 0]
    want = field_weighted(e, r)[:, 0] + b + term
    np.testing.assert_allclose(logits(model), want, rtol=1e-4, atol=1e-5)


def test_the_worked_pairs_weighted_one_zero_two_give_89() -> None:
    inputs = [ModelInput(f"v{n}", "value", "user") for n in range(3)]
    model = registry.build("fwfm", inputs, {"embedding_dim": 2, "linear": "LW"})
    model.get_layer("embeddings").set_weights([np.array([[1, 2], [3, 4], [5, 6]])])
    model.get_layer("linear").set_weights([np.zeros((3, 1))])
    pairs = keras.Model(model.input, model.get_layer("pairs").output)
    model.get_layer("pairs").set_weights([np.array([[1], [0], [2]]), np.zeros(1)])
    ones = {f"v{n}": np.ones(1, np.float32) for n in range(3)}
    assert float(pairs(ones)[0, 0]) == pytest.approx(89.0)


def test_weights_of_one_and_a_weight_a_value_give_a_factorization_machine() -> None:
    model = registry.build("fwfm", INPUTS, {"embedding_dim": 2, "linear": "LW"})
    randomize(model)
    model.get_layer("pairs").set_weights([np.ones((3, 1)), np.array([0.3])])
    fm = registry.build("fm", INPUTS, {"embedding_dim": 2})
    fm.get_layer("embeddings").set_weights(model.get_layer("embeddings").get_weights())
    table = fm.get_layer("linear").weights_table.embeddings
    table.assign(model.get_layer("linear").weights_table.embeddings)
    fm.get_layer("linear").bias.assign([0.3])
    np.testing.assert_allclose(logits(model), logits(fm), rtol=1e-5, atol=1e-6)


def test_a_value_counts_once_in_the_linear_term_and_a_set_by_its_summed_vectors() -> (
    None
):
    inputs = (
        ModelInput("price", "value", "item"),
        ModelInput("tags", "id_set", "item", "tags", 4, 3),
    )
    model = registry.build("fwfm", inputs, {"embedding_dim": 2})
    randomize(model)
    (e,), (v,) = (
        weights(model.get_layer(name)) for name in ("embeddings", "linear_vectors")
    )
    row = {"price": np.array([3.0], np.float32), "tags": np.array([[2, 1, 0]])}
    linear = keras.Model(model.input, model.get_layer("linear").output)
    want = 3.0 * e[0] @ v[0] + (e[3] + e[2]) / 2 @ (v[3] + v[2])
    np.testing.assert_allclose(linear(row), [[want]], rtol=1e-5)
