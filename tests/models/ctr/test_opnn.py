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

SMALL = {"embedding_dim": 2, "hidden_units": (4,)}


def test_opnn_has_matrices_beside_the_parameters_of_ipnn() -> None:
    assert frappe_parameters("opnn", PUBLISHED) == 433_491 + 45 * 100
    assert frappe_parameters("opnn", OURS) == 433_491 + 45 * 100 + 10 * 10


def test_the_sum_of_all_outer_products_has_no_kernels() -> None:
    want = 433_491 - 45 * 400 + 100 * 400
    assert frappe_parameters("opnn", PUBLISHED, {"products": "sum"}) == want


def test_opnns_tower_sees_embeddings_and_then_products_with_kernels() -> None:
    model = registry.build("opnn", INPUTS, SMALL)
    randomize(model)
    e = values(model, "embeddings")
    (kernels,) = weights(model.get_layer("products"))
    pairs = [
        np.einsum("bi,ij,bj->b", e[:, i], kernel, e[:, j])
        for (i, j), kernel in zip(((0, 1), (0, 2), (1, 2)), kernels, strict=True)
    ]
    x = np.column_stack([e.reshape(4, 6), *pairs])
    kernel, bias = weights(model.get_layer("tower"))
    head, b = weights(model.get_layer("head"))
    want = np.maximum(x @ kernel + bias, 0) @ head + b
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-5, atol=1e-6)


def test_the_sum_of_the_fields_is_multiplied_with_itself() -> None:
    model = registry.build("opnn", INPUTS, {**SMALL, "products": "sum"})
    randomize(model)
    total = values(model, "embeddings").sum(1)
    want = np.einsum("bi,bj->bij", total, total).reshape(4, 4)
    np.testing.assert_allclose(values(model, "products"), want, rtol=1e-5, atol=1e-6)
