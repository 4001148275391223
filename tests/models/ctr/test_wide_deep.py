import numpy as np
from ctr_models import (
    FEATURES,
    INPUTS,
    OURS,
    PUBLISHED,
    frappe_parameters,
    logits,
    randomize,
)

from clickwright.models import registry
from clickwright.models.ctr.wide_deep_params import WideDeepParams

SMALL = {"embedding_dim": 3, "hidden_units": (5, 4)}


def test_wide_deep_has_the_published_number_of_parameters() -> None:
    assert frappe_parameters("wide_deep", PUBLISHED) == 423_280


def test_wide_deep_has_one_row_a_field_more_than_published() -> None:
    assert frappe_parameters("wide_deep", OURS) == 423_280 + 10 * 11


def test_wide_deep_without_the_towers_head_is_a_logistic_regression() -> None:
    model = registry.build("wide_deep", INPUTS, SMALL)
    randomize(model)
    model.get_layer("head").set_weights([np.zeros((4, 1)), np.zeros(1)])
    w = np.asarray(model.get_layer("linear").weights_table.embeddings)[:, 0]
    want = sum(w[first + FEATURES[f"f{f}"]] for f, first in enumerate((0, 4, 7)))
    np.testing.assert_allclose(logits(model), want, rtol=1e-5)


def test_wide_deep_with_zero_weights_is_a_plain_network() -> None:
    model = registry.build("wide_deep", INPUTS, SMALL)
    randomize(model)
    table = model.get_layer("linear").weights_table.embeddings
    table.assign(np.zeros(table.shape))
    plain = registry.build("dnn", INPUTS, SMALL)
    for name in ("embeddings", "tower", "head"):
        plain.get_layer(name).set_weights(model.get_layer(name).get_weights())
    np.testing.assert_allclose(logits(model), logits(plain), rtol=1e-6)


def test_wide_deep_defaults_to_the_published_settings_on_frappe() -> None:
    params = WideDeepParams()
    assert (params.l2, params.dropout, params.batch_norm) == (0.1, 0.6, True)
