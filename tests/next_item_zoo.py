"""Small next-item models, and what they read."""

import functools
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from clickwright.models.sequential.bert4rec import BERT4Rec
from clickwright.models.sequential.gru4rec import GRU4Rec
from clickwright.models.sequential.hstu import HSTU
from clickwright.models.sequential.next_item_model import NextItemModel
from clickwright.models.sequential.s3rec import S3Rec
from clickwright.models.sequential.sasrec import SASRec
from clickwright.schemas.model_input import ModelInput

ITEMS, LENGTH = 11, 6
TAGS = ModelInput(
    "tags", "attribute", "item", "tags", 5, 2, entity="item", entities=ITEMS
)
MODELS: Mapping[str, tuple[type[NextItemModel], dict[str, Any]]] = {
    "bert4rec": (BERT4Rec, {"embedding_dim": 8, "inner": 12}),
    "gru4rec": (GRU4Rec, {"embedding_dim": 8, "units": (6, 8), "negatives": 5}),
    "gru4rec_bpr": (
        GRU4Rec,
        {"embedding_dim": 8, "units": (8,), "negatives": 5, "loss": "bpr_max"},
    ),
    "hstu": (HSTU, {"embedding_dim": 8, "heads": 2, "key_width": 3, "value_width": 4}),
    "hstu_times": (
        HSTU,
        {"embedding_dim": 8, "times": True, "shared_negatives": True},
    ),
    "s3rec": (S3Rec, {"embedding_dim": 8}),
    "s3rec_alone": (S3Rec, {"embedding_dim": 8, "pretraining": False}),
    "sasrec": (SASRec, {"embedding_dim": 8, "heads": 2}),
}
"""By name: class and parameters."""
HISTORY = np.array(
    [[0, 0, 3, 1, 4, 2], [5, 9, 2, 6, 5, 3], [0, 0, 0, 0, 0, 7], [0, 0, 0, 0, 0, 0]]
)
TARGET = np.array(
    [[0, 0, 1, 4, 2, 8], [9, 2, 6, 5, 3, 10], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]]
)
TIMES = np.where(HISTORY > 0, 1_700_000_000 + 5000 * np.arange(6) ** 3, 0)
BATCH = {"history": HISTORY, "target": TARGET, "times": TIMES}


def small(name: str, **changes: Any) -> NextItemModel:
    """The model, its weights far enough from zero for the outputs to differ."""
    keras.utils.set_random_seed(3)
    kind, params = MODELS[name]
    given = {"attributes": [TAGS]} if kind is S3Rec else {}
    model = kind(ITEMS, LENGTH, {**params, **changes}, **given)
    random = np.random.default_rng(4)
    for v in model.trainable_variables:
        values = random.normal(0.1, 0.4, v.shape)
        if v.path.endswith("item/embeddings"):
            values[0] = 0
        v.assign(values)
    if isinstance(model, S3Rec) and model.looked_up:
        tags = random.integers(1, 5, (ITEMS, 2)).astype(np.int32)
        tags[:, 1] = np.where(tags[:, 1] == tags[:, 0], 0, tags[:, 1])
        tags[0] = 0
        model.looked_up[0].fill(tags)
    return model


built = functools.cache(small)
"""The same, made once: for tests that leave it as it is."""


def without_dropout(name: str) -> dict[str, float]:
    """Parameters that switch all dropout off."""
    own = {"attention_dropout": 0.0} if name.startswith(("bert4rec", "s3rec")) else {}
    return {"dropout": 0.0, **own}
