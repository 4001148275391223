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
    weights,
)

from clickwright.models import registry
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput


def test_ffm_has_the_published_number_of_parameters() -> None:
    assert frappe_parameters("ffm", PUBLISHED) == 5389 * 91 + 1 == 490_400


def test_ffm_has_one_row_a_field_more_than_published() -> None:
    assert frappe_parameters("ffm", OURS) == 490_400 + 10 * 91


def test_ffm_equals_its_formula() -> None:
    model = registry.build("ffm", INPUTS, {"embedding_dim": 2})
    randomize(model)
    (table,) = weights(model.get_layer("embeddings"))
    linear = model.get_layer("linear")
    w = np.asarray(linear.weights_table.embeddings)[:, 0]
    want = []
    for n in range(4):
        a, b, c = (f + FEATURES[f"f{i}"][n] for i, f in enumerate((0, 4, 7)))
        first, second = slice(0, 2), slice(2, 4)
        pairs = (
            table[a, first] @ table[b, first]  # 0 for 1, 1 for 0
            + table[a, second] @ table[c, first]  # 0 for 2, 2 for 0
            + table[b, second] @ table[c, second]  # 1 for 2, 2 for 1
        )
        want.append(float(linear.bias[0]) + w[[a, b, c]].sum() + pairs)
    np.testing.assert_allclose(logits(model), want, rtol=1e-4, atol=1e-5)


def test_a_value_multiplies_all_its_vectors_and_sets_are_averaged() -> None:
    inputs = (
        ModelInput("price", "value", "item"),
        ModelInput("tags", "id_set", "item", "tags", 4, 3),
    )
    model = registry.build("ffm", inputs, {"embedding_dim": 2})
    randomize(model)
    (v,) = weights(model.get_layer("embeddings"))
    linear = model.get_layer("linear")
    w = np.asarray(linear.weights_table.embeddings)[:, 0]
    row = {"price": np.array([3.0], np.float32), "tags": np.array([[2, 1, 0]])}
    z = 3 * v[0] @ (v[3] + v[2]) / 2 + 3 * w[0] + w[3] + w[2] + float(linear.bias[0])
    got = float(model(row)["probability"][0])
    assert got == pytest.approx(1 / (1 + np.exp(-z)), rel=1e-5)


@pytest.mark.parametrize("name", ["ffm", "fwfm", "kpnn", "opnn", "deepfm_p", "fgcnn"])
def test_one_input_has_no_pairs(name: str) -> None:
    with pytest.raises(ConfigError, match="pairs of inputs and has 1"):
        registry.build(name, INPUTS[:1])
