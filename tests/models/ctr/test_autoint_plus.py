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
from clickwright.schemas.errors import ConfigError

SMALL: dict[str, Any] = {
    "embedding_dim": 2,
    "hidden_units": (5, 4),
    "attention_layers": 2,
    "attention_dim": 6,
    "heads": 2,
}


def test_autoint_plus_has_the_published_number_of_parameters() -> None:
    # The first layer alone projects its residual, and all five are layer-normalized.
    assert frappe_parameters("autoint_plus", PUBLISHED) == 622_180


def test_autoint_plus_has_ten_rows_of_ten_more_than_published() -> None:
    assert frappe_parameters("autoint_plus", OURS) == 622_180 + 10 * 10


def test_autoint_plus_without_a_tower_is_the_published_autoint() -> None:
    # `AutoInt_frappe_x1` of BARS: six layers without layer normalization.
    only = {"hidden_units": (), "attention_layers": 6, "layer_norm": False}
    assert frappe_parameters("autoint_plus", PUBLISHED, only) == 306_051


def test_the_linear_term_adds_a_weight_a_row() -> None:
    got = frappe_parameters("autoint_plus", PUBLISHED, {"wide": True})
    assert got == 622_180 + 5_389


@pytest.mark.parametrize("wide", [True, False])
def test_the_logit_is_the_sum_of_its_terms(wide: bool) -> None:
    model = registry.build("autoint_plus", INPUTS, {**SMALL, "wide": wide})
    randomize(model)
    embeddings = np.asarray(model.get_layer("embeddings")(FEATURES))
    fields: Any = embeddings
    for n in range(2):
        fields = model.get_layer(f"attention_{n}")(fields, training=False)
    attended = np.asarray(fields).reshape(4, 18)
    tower = model.get_layer("tower")(embeddings.reshape(4, 6), training=False)
    want = np.asarray(model.get_layer("attention_head")(attended)) + np.asarray(
        model.get_layer("head")(tower)
    )
    if wide:
        want = want + np.asarray(model.get_layer("linear")(FEATURES))
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-4, atol=1e-5)


def test_it_asks_for_heads_that_share_the_width_evenly() -> None:
    with pytest.raises(ConfigError, match=r"`attention_dim` \(6\) must be a multiple"):
        registry.build("autoint_plus", INPUTS, {**SMALL, "heads": 4})
