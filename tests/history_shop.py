"""A shop whose rows have histories with times, and items with vectors."""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numeric_plans import make_plan
from transformed_shop import Row, Transformed, encode

from clickwright.models import registry
from clickwright.models.export import MISSING_INT64, export, feature_columns
from clickwright.models.training.trainer_inputs import vocabulary_sizes
from clickwright.schemas.spec import FeatureSpec

ITEMS = 20
NOW = 1_700_000_000
LENGTHS = {"history": 4, "recent": 3}
_SEQUENCE = {"kind": "sequence", "role": "user", "of": "item", "presence": "optional"}
SPEC = FeatureSpec.model_validate(
    {
        "name": "histories",
        "split": {"kind": "given"},
        "labels": {"click": {}},
        "weight": "importance",
        "group_key": "user",
        "timestamp": "time",
        "features": {
            "user": {"kind": "categorical", "role": "user", "dtype": "int64"},
            "item": {"kind": "categorical", "role": "item"},
            "shop": {
                "kind": "categorical",
                "role": "item",
                "vocabulary": {"kind": "hash", "buckets": 8},
            },
            "tags": {"kind": "multi_hot", "role": "item", "presence": "optional"},
            "history": {
                **_SEQUENCE,
                "max_length": LENGTHS["history"],
                "side": {"shop": {"of": "shop", "column": "history_shop"}},
                "times": "history_times",
            },
            "recent": {
                **_SEQUENCE,
                "column": "history",
                "max_length": LENGTHS["recent"],
                "padding": "left",
                "times": "history_times",
            },
            # A column of the item data that is named like one of the log.
            "picture": {
                "kind": "embedding",
                "role": "item",
                "of": "item",
                "width": 3,
                "column": "importance",
            },
        },
    }
)
PLAN = make_plan(SPEC, {})
SERVED = feature_columns(SPEC)


def make_rows(rows: int, seed: int) -> list[Row]:
    """Rows with histories of up to 7 events, of no second to three years ago."""
    rng = np.random.default_rng(seed)
    made: list[Row] = []
    for _ in range(rows):
        item, length = int(rng.integers(ITEMS)), int(rng.integers(0, 8))
        items = rng.integers(0, ITEMS, length)
        ages = np.sort(np.floor(np.exp2(rng.uniform(-1, 26.5, length))))[::-1]
        liked = float(np.mean(items % 2 == item % 2)) if length else 0.5
        logit = 3 * liked - 1.5 + (0.5 if item > 10 else -0.5)
        made.append(
            {
                "click": int(rng.random() < 1 / (1 + np.exp(-logit))),
                "importance": float(rng.integers(1, 4)),
                "time": NOW + int(rng.integers(0, 1000)),
                "user": int(rng.integers(12)),
                "item": f"item {item}",
                "shop": f"shop {item % 5}",
                "tags": [f"tag {t}" for t in rng.integers(0, 6, length // 2)],
                "history": [f"item {i}" for i in items],
                "history_shop": [f"shop {i % 5}" for i in items],
                "history_times": ages,
            }
        )
        times = [made[-1]["time"] - int(age) for age in ages]
        made[-1] = {**made[-1], "history_times": times}
    return made


def build(transformed: Transformed, vectors: np.ndarray[Any, Any]) -> keras.Model:
    """A DeepFM with random weights that tell rows apart, and item vectors."""
    keras.utils.set_random_seed(1)
    inputs = SPEC.model_inputs(vocabulary_sizes(SPEC, transformed.output))
    params = {"embedding_dim": 4, "hidden_units": [8], "embedding_stddev": 0.4}
    model = registry.build("deepfm", inputs, params)
    model.get_layer("picture").fill(vectors)
    return model


def random_vectors(transformed: Transformed) -> np.ndarray[Any, Any]:
    """One vector an id of the item's table; row 0 zeros."""
    rows = SPEC.table_rows(vocabulary_sizes(SPEC, transformed.output))["item"]
    vectors = np.random.default_rng(5).normal(0, 0.7, (rows, 3)).astype(np.float32)
    vectors[0] = 0
    return vectors


def write(
    model: keras.Model, transformed: Transformed, folder: pathlib.Path
) -> pathlib.Path:
    """Exports the model."""
    export(model, transformed.output, SPEC, folder, plan=PLAN)
    return folder


def requests(rows: Sequence[Row], lacking: Sequence[str] = ()) -> tf.Tensor:
    """tf.Examples that hold what requests hold, but for some columns."""
    only = [name for name in SERVED if name not in lacking]
    return tf.constant([encode(row, only, SPEC) for row in rows])


def raw_tensors(rows: Sequence[Row]) -> dict[str, tf.Tensor]:
    """Requests as dense tensors, lists padded at the end."""
    tensors = {}
    for name, is_list in SERVED.items():
        dtype = SPEC.columns()[name].dtype
        if is_list:
            longest = max(len(row[name]) for row in rows)
            gap: Any = MISSING_INT64 if dtype == "int64" else ""
            values: Any = [r[name] + [gap] * (longest - len(r[name])) for r in rows]
            tensors[name] = tf.reshape(tf.constant(values, dtype), [len(rows), longest])
        else:
            tensors[name] = tf.constant([row[name] for row in rows], dtype)
    return tensors
