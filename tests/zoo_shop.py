"""A few rows of every kind of input, and small sizes for every registered model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    BucketsEncoding,
    LinearEncoding,
    LogLinearEncoding,
    MLPEncoding,
    NaryEncoding,
    NumericEncoding,
    PeriodicEncoding,
    PiecewiseLinearEncoding,
)

INPUTS = (
    ModelInput("user", "id", "user", "user", 7),
    ModelInput("item", "id", "item", "item", 9),
    ModelInput("hour", "id", "context", "hour", 5),
    ModelInput("tags", "id_set", "item", "tags", 6, 3),
    ModelInput("seen", "sequence", "user", "item", 9, 4),
    ModelInput("price", "value", "item"),
    ModelInput("query", "id", "context", "query", 6),
    ModelInput("asked", "sequence", "user", "query", 6, 3),
    ModelInput("asked__item", "sequence", "user", "item", 9, 3, side_of="asked"),
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

_ENCODINGS: Mapping[str, NumericEncoding] = {
    "autodis": AutoDisEncoding(meta_embeddings=4),
    "buckets": BucketsEncoding(boundaries=(-0.5, 0.0, 0.5)),
    "digits": NaryEncoding(low=-2.0, high=2.0),
    "line": LinearEncoding(),
    "lines": PiecewiseLinearEncoding(boundaries=(-1.0, 0.0, 1.0)),
    "logarithm": LogLinearEncoding(),
    "network": MLPEncoding(hidden_units=4),
    "waves": PeriodicEncoding(frequencies=3),
}
NUMBERS = (
    *(ModelInput(n, "value", "item", numeric=e) for n, e in _ENCODINGS.items()),
    *(i for i in INPUTS if i.name not in ("hour", "tags")),
)
"""An input of every encoding, between others that models of a history need."""
NUMBER_FEATURES: dict[str, Any] = {
    i.name: FEATURES[i.name]
    if i in INPUTS
    else np.where(np.arange(_ROWS) == n, np.nan, _random.normal(size=_ROWS)).astype(
        np.float32
    )
    for n, i in enumerate(NUMBERS)
}

_TABLES = {"embedding_dim": 4, "embedding_stddev": 0.1}
_TOWER = {**_TABLES, "hidden_units": (8, 6)}
_TANH = {**_TOWER, "activation": "tanh"}
"""Of towers so small, rectifiers may give several rows the same score."""
_DIN = {**_TOWER, "attention_units": (5,)}
_LONG = {**_TOWER, "attention_dim": 4, "short_length": 2, "activation": "tanh"}
SMALL: Mapping[str, Mapping[str, Any]] = {
    "autoint_plus": {**_TOWER, "attention_layers": 2, "attention_dim": 8},
    "bst": {**_TOWER, "heads": 2},
    "dcn": _TOWER,
    "dcnv2": _TOWER,
    "dcnv3": _TABLES,
    "deepfm": _TOWER,
    "deepfm_p": _TOWER,
    "dien": {**_TOWER, "auxiliary_units": (5,)},
    "din": _DIN,
    "dnn": _TOWER,
    "ektf": {**_TOWER, "students": 3},
    "eta": {**_LONG, "top": 2},
    "eulernet": _TABLES,
    "ffm": _TABLES,
    "fgcnn": {**_TANH, "channels": (3, 2), "kernel_height": 3},
    "fibinet": _TOWER,
    "finalmlp": {
        **_TABLES,
        "hidden_units1": (6,),
        "hidden_units2": (4,),
        "gate_hidden_units": (5,),
        "gate1_context": ("user",),
        "heads": 2,
    },
    "fm": _TABLES,
    "fsdnet": {**_TABLES, "hidden_units": (6, 6)},
    "fwfm": _TABLES,
    "gdcn": _TOWER,
    "ipnn": _TOWER,
    "kpnn": _TOWER,
    "masknet": {**_TOWER, "block_units": 5},
    "miss": {"base_params": _DIN, "projection": 8},
    "opnn": _TOWER,
    "pin": _TANH,
    "qin": {**_TABLES, "layers": 2, "rows": 2},
    "qnn_alpha": {**_TABLES, "rows": 3, "heads": 2},
    "sdim": _LONG,
    "search_query": {**_DIN, "next_item_weight": 1.0},
    "sim": {**_LONG, "top": 2},
    "twin": {**_LONG, "top": 2},
    "wide_deep": _TOWER,
    "xdeepfm": {**_TOWER, "cin_units": (5,)},
}
"""Parameters by model; defaults where absent."""
