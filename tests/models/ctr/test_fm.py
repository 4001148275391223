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
from clickwright.schemas.model_input import ModelInput


def test_fm_has_the_published_number_of_parameters() -> None:
    assert frappe_parameters("fm", PUBLISHED) == 5389 * 11 + 1 == 59_280


def test_fm_has_one_row_a_field_more_than_published() -> None:
    assert frappe_parameters("fm", OURS) == 59_280 + 10 * 11


def test_fm_equals_its_formula() -> None:
    model = registry.build("fm", INPUTS, {"embedding_dim": 3})
    randomize(model)
    (table,) = weights(model.get_layer("embeddings"))
    linear = model.get_layer("linear")
    w = np.asarray(linear.weights_table.embeddings)[:, 0]
    bias = float(np.asarray(linear.bias)[0])
    want = []
    for n in range(4):
        at = [first + FEATURES[f"f{f}"][n] for f, first in enumerate((0, 4, 7))]
        pairs = sum(table[i] @ table[j] for i in at for j in at if i < j)
        want.append(bias + w[at].sum() + pairs)
    np.testing.assert_allclose(logits(model), want, rtol=1e-5)


def test_the_pairs_of_the_worked_example_add_up_to_67() -> None:
    inputs = [ModelInput(f"v{n}", "value", "user") for n in range(3)]
    model = registry.build("fm", inputs, {"embedding_dim": 2})
    model.get_layer("embeddings").set_weights([np.array([[1, 2], [3, 4], [5, 6]])])
    linear = model.get_layer("linear")
    linear.weights_table.embeddings.assign(np.zeros((3, 1)))
    linear.bias.assign([-67.0])
    ones = {f"v{n}": np.ones(1, np.float32) for n in range(3)}
    assert float(model(ones)["probability"][0]) == pytest.approx(0.5)
