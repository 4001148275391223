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
from clickwright.schemas.errors import ConfigError

SMALL: dict[str, Any] = {"embedding_dim": 2, "hidden_units": (4,)}
NETWORKS = 45 * (30 * 20 + 20) + 2 * 20 + 45 * (20 + 1) + 2
TOWER = 45 * 400 + 400 + 2 * (400 * 400 + 400) + 401


def test_pin_has_the_parameters_of_its_table_networks_and_tower() -> None:
    want = 5389 * 10 + NETWORKS + TOWER
    assert frappe_parameters("pin", PUBLISHED) == want == 422_378
    assert frappe_parameters("pin", OURS) == want + 10 * 10


def test_pins_tower_sees_the_networks_outputs_alone() -> None:
    model = registry.build("pin", INPUTS, SMALL)
    randomize(model)
    kernel, bias = weights(model.get_layer("tower"))
    head, b = weights(model.get_layer("head"))
    assert kernel.shape == (3, 4)
    want = np.maximum(values(model, "pairs") @ kernel + bias, 0) @ head + b
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-5)


def test_the_wide_term_adds_one_weight_a_feature() -> None:
    model = registry.build("pin", INPUTS, {**SMALL, "wide": True})
    randomize(model)
    linear, tower = values(model, "linear"), values(model, "head")
    np.testing.assert_allclose(logits(model), (linear + tower)[:, 0], rtol=1e-6)
    assert registry.table_width("pin", {**SMALL, "wide": True}) == 3


def test_pins_tower_has_one_kind_of_normalization() -> None:
    with pytest.raises(ConfigError, match="at most one of batch_norm and layer_norm"):
        registry.build("pin", INPUTS, {"batch_norm": True, "layer_norm": True})
