from typing import Any

import numpy as np
import pytest
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

SMALL: dict[str, Any] = {
    "embedding_dim": 2,
    "hidden_units": (4,),
    "batch_norm": False,
}
DEEPFM = 423_280


@pytest.mark.parametrize(
    ("product", "more"),
    [
        ("inner", 45 * 400),
        ("outer", 45 * 400 + 45 * 100),
        ("both", 90 * 400 + 45 * 100),
    ],
)
def test_deepfm_p_has_products_beside_the_parameters_of_deepfm(
    product: str, more: int
) -> None:
    params = {"product": product}
    assert frappe_parameters("deepfm_p", PUBLISHED, params) == DEEPFM + more
    assert frappe_parameters("deepfm_p", OURS, params) == DEEPFM + more + 10 * 11


def test_deepfm_p_without_the_towers_head_is_a_factorization_machine() -> None:
    model = registry.build("deepfm_p", INPUTS, SMALL)
    randomize(model)
    model.get_layer("head").set_weights([np.zeros((4, 1)), np.zeros(1)])
    fm = registry.build("fm", INPUTS, {"embedding_dim": 2})
    fm.get_layer("embeddings").set_weights(model.get_layer("embeddings").get_weights())
    table = fm.get_layer("linear").weights_table.embeddings
    table.assign(model.get_layer("linear").weights_table.embeddings)
    np.testing.assert_allclose(logits(model), logits(fm), rtol=1e-5, atol=1e-6)


def test_the_tower_sees_embeddings_then_inner_then_outer_products() -> None:
    model = registry.build("deepfm_p", INPUTS, {**SMALL, "product": "both"})
    randomize(model)
    names = ("embeddings", "inner", "outer")
    x = np.column_stack([values(model, name).reshape(4, -1) for name in names])
    kernel, bias = weights(model.get_layer("tower"))
    head, b = weights(model.get_layer("head"))
    deep = np.maximum(x @ kernel + bias, 0) @ head + b
    want = deep + values(model, "linear") + values(model, "pairs")
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-5)
