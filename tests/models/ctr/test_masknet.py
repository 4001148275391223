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
)

from clickwright.models import registry

SMALL: dict[str, Any] = {
    "embedding_dim": 2,
    "hidden_units": (5, 4),
    "blocks": 2,
    "block_units": 3,
}


def test_masknet_has_the_published_number_of_parameters() -> None:
    # Blocks are layer-normalized, embeddings and the tower are not.
    assert frappe_parameters("masknet", PUBLISHED) == 571_691


def test_masknet_has_ten_rows_of_ten_more_than_published() -> None:
    assert frappe_parameters("masknet", OURS) == 571_691 + 10 * 10


def test_normed_embeddings_add_two_vectors_a_field() -> None:
    got = frappe_parameters("masknet", PUBLISHED, {"embedding_norm": True})
    assert got == 571_691 + 2 * 100


def test_the_parameters_of_blocks_in_series_are_counted() -> None:
    # A block from H to 400: a mask 100 -> 2 H -> H, a kernel H x 400, the norm's 800.
    blocks = sum(
        (100 * 2 * h + 2 * h) + (2 * h * h + h) + h * 400 + 800 for h in (100, 400, 400)
    )
    got = frappe_parameters("masknet", PUBLISHED, {"structure": "serial"})
    assert got == 53_890 + blocks + 401


def masked(model: Any, block: str, hidden: Any) -> Any:
    raw = values(model, "flatten").astype(np.float32)
    inputs = {"embeddings": raw, "hidden": np.asarray(hidden, np.float32)}
    return model.get_layer(block)(inputs, training=False)


@pytest.mark.parametrize("norm", [True, False])
def test_parallel_blocks_see_the_embeddings_side_by_side(norm: bool) -> None:
    model = registry.build("masknet", INPUTS, {**SMALL, "embedding_norm": norm})
    randomize(model)
    x = values(model, "flatten_normed" if norm else "flatten")
    blocks = np.concatenate([masked(model, f"block_{n}", x) for n in range(2)], axis=1)
    tower = model.get_layer("tower")(blocks, training=False)
    want = np.asarray(model.get_layer("head")(tower))
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-4, atol=1e-5)


def test_blocks_in_series_mask_each_others_outputs() -> None:
    model = registry.build("masknet", INPUTS, {**SMALL, "structure": "serial"})
    randomize(model)
    x: Any = values(model, "flatten")
    for n in range(2):
        x = masked(model, f"block_{n}", x)
    want = np.asarray(model.get_layer("head")(x))
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-4, atol=1e-5)
