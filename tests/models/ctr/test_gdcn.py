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
    "hidden_units": (5, 4),
    "cross_layers": 2,
}
TOWER = 363_600
"""Parameters of 100 -> 400 -> 400 -> 400 with batch normalization."""


def test_gdcn_has_a_gate_matrix_a_layer_more_than_dcnv2() -> None:
    assert frappe_parameters("gdcn", PUBLISHED) == 458_391 + 4 * 100 * 100


def test_gdcn_has_ten_rows_of_ten_more_than_with_published_rows() -> None:
    assert frappe_parameters("gdcn", OURS) == 458_391 + 4 * 100 * 100 + 10 * 10


@pytest.mark.parametrize(("structure", "head"), [("parallel", 501), ("stacked", 401)])
def test_the_parameters_of_both_structures_are_counted(
    structure: str, head: int
) -> None:
    want = 53_890 + 4 * (2 * 100 * 100 + 100) + TOWER + head
    assert frappe_parameters("gdcn", PUBLISHED, {"structure": structure}) == want


def crosses(model: Any) -> Any:
    return model.get_layer("cross")(values(model, "flatten").astype(np.float32))


def test_gdcn_p_joins_crosses_and_tower() -> None:
    model = registry.build("gdcn", INPUTS, SMALL)
    randomize(model)
    kernel, bias = weights(model.get_layer("head"))
    joined = np.concatenate([crosses(model), values(model, "tower")], axis=1)
    np.testing.assert_allclose(
        logits(model), (joined @ kernel + bias)[:, 0], rtol=1e-4, atol=1e-5
    )


def test_gdcn_s_puts_the_tower_on_the_crosses() -> None:
    model = registry.build("gdcn", INPUTS, {**SMALL, "structure": "stacked"})
    randomize(model)
    kernel, bias = weights(model.get_layer("head"))
    deep = np.asarray(model.get_layer("tower")(crosses(model), training=False))
    np.testing.assert_allclose(
        logits(model), (deep @ kernel + bias)[:, 0], rtol=1e-4, atol=1e-5
    )
