"""The battery for the layers of the search-query model."""

import pathlib
from typing import Any

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.next_item_entropy import NextItemEntropy
from clickwright.models.layers.query_contrast import QueryContrast
from clickwright.models.layers.query_diffusion import QueryDiffusion
from clickwright.models.layers.query_encoder import QueryEncoder
from clickwright.models.losses.click_and_next_item import ClickAndNextItem

random = np.random.default_rng(1)
B, L, D = 6, 4, 4
VECTORS = random.normal(size=(B, L, D)).astype(np.float32)
MASK = (np.arange(L) < np.array([4, 3, 2, 1, 0, 4])[:, None]).astype(np.float32)
IDS = (MASK * random.integers(1, 9, (B, L))).astype(np.int64)


def test_the_encoder_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(
        lambda **kw: QueryEncoder(2, 2, **kw),
        {"queries": VECTORS, "mask": MASK},
        (B, L, D),
        tmp_path,
    )


def test_the_diffusion_passes_the_battery(tmp_path: pathlib.Path) -> None:
    inputs = {"noised": VECTORS[:, 0], "query": VECTORS[:, 1], "step": np.arange(B)}
    check_layer(lambda **kw: QueryDiffusion(10, 3, 8, **kw), inputs, (B, D), tmp_path)


def test_the_contrast_passes_the_battery(tmp_path: pathlib.Path) -> None:
    inputs = {
        "logits": VECTORS[:, 0, :2],
        "queries": VECTORS,
        "items": VECTORS[::-1].copy(),
        "query_ids": IDS,
        "item_ids": IDS * (IDS % 2),
    }
    check_layer(lambda **kw: QueryContrast(**kw), inputs, (B, 2), tmp_path)


def test_the_entropy_passes_the_battery(tmp_path: pathlib.Path) -> None:
    inputs = {
        "states": VECTORS,
        "mask": MASK,
        "items": VECTORS[:, 0, :3],
        "ids": np.arange(B),
    }
    check_layer(NextItemEntropy, inputs, (B, 1), tmp_path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: QueryEncoder(heads=0),
        lambda: QueryEncoder(heads=3)({"queries": VECTORS, "mask": MASK}),
        lambda: QueryDiffusion(5, 6),
        lambda: QueryDiffusion(hidden_units=0),
        lambda: QueryContrast(weight=-1.0),
        lambda: QueryContrast(temperature=0.0),
        lambda: ClickAndNextItem(-1.0),
    ],
)
def test_arguments_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"must .* ?Received: |Received: "):
        make()
