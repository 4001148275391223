import numpy as np
from ctr_models import (
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

TOWER = 100 * 400 + 400 + 2 * (400 * 400 + 400) + 3 * 2 * 400 + 401


def test_dnn_has_the_parameters_of_its_table_and_tower() -> None:
    # The log of BARS gives 781,892: exactly one tower more than the model holds.
    assert TOWER == 364_001
    assert frappe_parameters("dnn", PUBLISHED) == 5389 * 10 + TOWER == 781_892 - TOWER


def test_dnn_has_one_row_a_field_more_than_published() -> None:
    assert frappe_parameters("dnn", OURS) == 5399 * 10 + TOWER


def test_dnn_equals_its_formula() -> None:
    small = {"embedding_dim": 3, "hidden_units": (5,), "batch_norm": False}
    model = registry.build("dnn", INPUTS, small)
    randomize(model)
    kernel, bias = weights(model.get_layer("tower"))
    head, b = weights(model.get_layer("head"))
    x0 = values(model, "embeddings").reshape(4, 9)
    want = np.maximum(x0 @ kernel + bias, 0) @ head + b
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-5)
