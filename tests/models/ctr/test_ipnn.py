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
from clickwright.models.ctr.ipnn_params import IPNNParams
from clickwright.schemas.errors import ConfigError


def test_ipnn_has_the_published_number_of_parameters() -> None:
    assert frappe_parameters("ipnn", PUBLISHED) == 433_491


def test_ipnn_has_one_row_a_field_more_than_published() -> None:
    assert frappe_parameters("ipnn", OURS) == 433_491 + 10 * 10


def test_ipnns_tower_sees_embeddings_and_then_inner_products() -> None:
    model = registry.build("ipnn", INPUTS, {"embedding_dim": 2, "hidden_units": (4,)})
    randomize(model)
    e = values(model, "embeddings")
    pairs = [np.sum(e[:, i] * e[:, j], axis=1) for i, j in ((0, 1), (0, 2), (1, 2))]
    x = np.column_stack([e.reshape(4, 6), *pairs])
    kernel, bias = weights(model.get_layer("tower"))
    head, b = weights(model.get_layer("head"))
    want = np.maximum(x @ kernel + bias, 0) @ head + b
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-5)


def test_ipnn_defaults_to_the_published_settings_on_frappe() -> None:
    params = IPNNParams()
    assert (params.l2, params.dropout, params.batch_norm) == (0.05, 0.3, False)


@pytest.mark.parametrize("name", ["ipnn", "pin"])
def test_one_input_has_no_pairs(name: str) -> None:
    with pytest.raises(ConfigError, match="pairs of inputs and has 1"):
        registry.build(name, INPUTS[:1])
