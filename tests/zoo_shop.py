"""A few rows of every kind of input, and small sizes for every registered model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clickwright.schemas.model_input import ModelInput

INPUTS = (
    ModelInput("user", "id", "user", "user", 7),
    ModelInput("item", "id", "item", "item", 9),
    ModelInput("hour", "id", "context", "hour", 5),
    ModelInput("tags", "id_set", "item", "tags", 6, 3),
    ModelInput("seen", "sequence", "user", "item", 9, 4),
    ModelInput("price", "value", "item"),
)
_ROWS = 12
_random = np.random.default_rng(11)
FEATURES: dict[str, Any] = {
    i.name: (
        _random.normal(size=_ROWS).astype(np.float32)
        if i.kind == "value"
        else _random.integers(
            0, i.rows, (_ROWS,) if i.length is None else (_ROWS, i.length)
        )
    )
    for i in INPUTS
}
LABELS = np.arange(_ROWS) % 2

_TOWER = {"embedding_dim": 4, "hidden_units": (8, 6), "embedding_stddev": 0.1}
SMALL: Mapping[str, Mapping[str, Any]] = {
    "deepfm": _TOWER,
    "dnn": _TOWER,
}
"""Parameters by model; defaults where absent."""
