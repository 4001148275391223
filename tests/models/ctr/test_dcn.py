from typing import Any

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

SMALL: dict[str, Any] = {
    "embedding_dim": 2,
    "hidden_units": (5, 4),
    "cross_layers": 2,
}


def test_dcn_has_the_published_number_of_parameters() -> None:
    assert frappe_parameters("dcn", PUBLISHED) == 418_591


def test_dcn_has_ten_rows_of_ten_more_than_published() -> None:
    assert frappe_parameters("dcn", OURS) == 418_591 + 10 * 10


def test_dcn_without_a_tower_is_the_published_cross_network() -> None:
    # `CrossNet_frappe_x1` of BARS: six layers.
    only = {"hidden_units": (), "cross_layers": 6}
    assert frappe_parameters("dcn", PUBLISHED, only) == 55_191


def test_the_head_takes_crosses_first_then_the_tower() -> None:
    model = registry.build("dcn", INPUTS, SMALL)
    randomize(model)
    x = x0 = values(model, "flatten")
    kernel, bias = weights(model.get_layer("cross"))
    for n in range(2):
        x = x0 * (x @ kernel[:, n : n + 1]) + bias[n] + x
    kernel, bias = weights(model.get_layer("head"))
    want = np.concatenate([x, values(model, "tower")], axis=1) @ kernel + bias
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-4, atol=1e-5)
