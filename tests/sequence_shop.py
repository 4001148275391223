"""A few rows with a history, side information and an item table."""

from typing import Any

import numpy as np

from clickwright.schemas.model_input import ModelInput

LENGTH = 4
ITEMS = 9
INPUTS = (
    ModelInput("user", "id", "user", "user", 7),
    ModelInput("item", "id", "item", "item", ITEMS),
    ModelInput("shop", "id", "item", "shop", 5),
    ModelInput("hour", "id", "context", "hour", 5),
    ModelInput("seen", "sequence", "user", "item", ITEMS, LENGTH),
    ModelInput("seen__shop", "sequence", "user", "shop", 5, LENGTH, side_of="seen"),
    ModelInput("seen__age", "sequence", "user", "seen__age", 6, LENGTH, side_of="seen"),
    ModelInput("bought", "sequence", "user", "item", ITEMS, 3),
    ModelInput("price", "value", "item"),
    ModelInput(
        "tags", "attribute", "item", "tags", 6, 3, entity="item", entities=ITEMS
    ),
    ModelInput("photo", "vector", "item", entity="item", entities=ITEMS, width=5),
    ModelInput("logo", "vector", "item", entity="shop", entities=5, width=2),
)
"""The history `seen` of `item`, and everything that may stand beside it."""
_ROWS = 12
_random = np.random.default_rng(21)
FEATURES: dict[str, Any] = {
    i.name: (
        _random.normal(size=_ROWS).astype(np.float32)
        if i.kind == "value"
        else _random.integers(
            0, i.rows, (_ROWS,) if i.length is None else (_ROWS, i.length)
        )
    )
    for i in INPUTS
    if i.is_tensor
}
_real = np.arange(LENGTH) < _random.integers(0, LENGTH + 1, (_ROWS, 1))
_real[:2] = [[False] * LENGTH, [True] * LENGTH]
FEATURES["seen"] = np.where(_real, np.maximum(FEATURES["seen"], 1), 0)
for _side in ("seen__shop", "seen__age"):
    FEATURES[_side] = np.where(_real, FEATURES[_side], 0)
LABELS = np.arange(_ROWS) % 2
WITH_QUERIES = (
    *INPUTS,
    ModelInput("query", "id", "context", "query", 6),
    ModelInput("asked", "sequence", "user", "query", 6, 3),
    ModelInput("asked__item", "sequence", "user", "item", ITEMS, 3, side_of="asked"),
)
"""Every registered click model takes these."""
WITH_QUERIES_FEATURES: dict[str, Any] = {
    **FEATURES,
    "query": np.arange(_ROWS) % 6,
    "asked": np.arange(3 * _ROWS).reshape(_ROWS, 3) % 6,
    "asked__item": np.arange(3 * _ROWS).reshape(_ROWS, 3) % ITEMS,
}


def _from_row_1(table: Any) -> Any:
    table[0] = 0
    return table


TABLES: dict[str, Any] = {
    "tags": _from_row_1(_random.integers(0, 6, (ITEMS, 3)).astype(np.int32)),
    "photo": _from_row_1(_random.normal(size=(ITEMS, 5)).astype(np.float32)),
    "logo": _from_row_1(_random.normal(size=(5, 2)).astype(np.float32)),
}


def fill(model: Any) -> Any:
    """The model, with its item tables filled."""
    for layer in model.layers:
        if layer.name in TABLES:
            layer.fill(TABLES[layer.name])
    return model
