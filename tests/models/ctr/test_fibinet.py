from typing import Any

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
)

from clickwright.models import registry

SMALL: dict[str, Any] = {
    "embedding_dim": 2,
    "hidden_units": (5, 4),
    "reduction_ratio": 1.0,
}


def test_fibinet_has_the_published_number_of_parameters() -> None:
    assert frappe_parameters("fibinet", PUBLISHED) == 743_480


def test_fibinet_has_ten_rows_of_eleven_more_than_published() -> None:
    assert frappe_parameters("fibinet", OURS) == 743_480 + 10 * 11


@pytest.mark.parametrize(
    ("bilinear", "count"), [("all", 1), ("each", 10), ("interaction", 45)]
)
def test_bilinear_matrices_of_its_own_come_once_more(bilinear: str, count: int) -> None:
    shared, apart = (
        frappe_parameters(
            "fibinet", PUBLISHED, {"bilinear": bilinear, "share_bilinear": share}
        )
        for share in (True, False)
    )
    assert shared == 743_480 - 100 + count * 100
    assert apart == shared + count * 100


@pytest.mark.parametrize("share", [True, False])
def test_the_tower_sees_plain_products_first_then_weighted_ones(share: bool) -> None:
    model = registry.build("fibinet", INPUTS, {**SMALL, "share_bilinear": share})
    randomize(model)
    embeddings = np.asarray(model.get_layer("embeddings")(FEATURES))
    weighted = model.get_layer("senet")(embeddings)
    second = "bilinear" if share else "weighted_bilinear"
    pairs = np.concatenate(
        [
            np.asarray(model.get_layer("bilinear")(embeddings)).reshape(4, 6),
            np.asarray(model.get_layer(second)(weighted)).reshape(4, 6),
        ],
        axis=1,
    )
    assert np.abs(pairs[:, 6:]).max() > 0
    tower = model.get_layer("tower")(pairs, training=False)
    want = np.asarray(model.get_layer("head")(tower)) + np.asarray(
        model.get_layer("linear")(FEATURES)
    )
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-4, atol=1e-5)
