from typing import Any

import numpy as np
from ctr_models import (
    FEATURES,
    INPUTS,
    OURS,
    PUBLISHED,
    frappe_parameters,
    logits,
    randomize,
    values,
)

from clickwright.models import registry

SMALL: dict[str, Any] = {
    "embedding_dim": 2,
    "hidden_units": (5, 4),
    "cin_units": (3, 2),
}


def test_xdeepfm_has_the_published_number_of_parameters() -> None:
    assert frappe_parameters("xdeepfm", PUBLISHED) == 429_809


def test_xdeepfm_has_ten_rows_of_eleven_more_than_published() -> None:
    assert frappe_parameters("xdeepfm", OURS) == 429_809 + 10 * 11


def test_xdeepfm_without_a_tower_is_the_published_cin() -> None:
    # `CIN_frappe_x1` of BARS: three layers of 64 maps.
    only = {"hidden_units": (), "cin_units": (64, 64, 64)}
    assert frappe_parameters("xdeepfm", PUBLISHED, only) == 147_984


def test_the_logit_is_the_sum_of_three_terms() -> None:
    model = registry.build("xdeepfm", INPUTS, SMALL)
    randomize(model)
    embeddings = np.asarray(model.get_layer("embeddings")(FEATURES))
    linear = np.asarray(model.get_layer("linear")(FEATURES))
    maps = model.get_layer("cin")(embeddings)
    tower = model.get_layer("tower")(embeddings.reshape(4, 6), training=False)
    want = (
        linear
        + np.asarray(model.get_layer("cin_head")(maps))
        + np.asarray(model.get_layer("head")(tower))
    )
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-4, atol=1e-5)


def test_without_the_cins_head_it_is_wide_and_deep() -> None:
    model = registry.build("xdeepfm", INPUTS, SMALL)
    randomize(model)
    model.get_layer("cin_head").set_weights([np.zeros((5, 1)), np.zeros(1)])
    want = values(model, "linear") + values(model, "head")
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-4, atol=1e-5)
