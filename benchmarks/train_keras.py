"""One training of DeepFM, ours or as a user of stock Keras writes it.

`train.py` starts this once a row of its table, so that every row has a process, its
threads and its memory, to itself.
"""

import argparse
import json
import os
import pathlib
import resource
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

PUBLISHED = {
    "embedding_dim": 10,
    "l2": 0.05,
    "hidden_units": [400, 400, 400],
    "batch_norm": True,
    "dropout": 0.2,
}
"""What BARS trained DeepFM with on Frappe_x1."""
FIELDS = 10
LARGE = {**PUBLISHED, "embedding_dim": 16, "l2": 0.0}
"""The same on large tables, whose rows a penalty would all touch in every step."""


def main() -> None:
    """Trains, and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("frappe", "ours", "stock"))
    parser.add_argument("--folder", type=pathlib.Path, help="holds train.npz (frappe)")
    parser.add_argument("--table-rows", type=int, help="rows of all tables (others)")
    parser.add_argument("--steps", type=int, help="steps an epoch (others)")
    parser.add_argument(
        "--tower", help="widths of the tower, with commas between (others)"
    )
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()

    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(given.threads)
    tf.config.threading.set_inter_op_parallelism_threads(given.threads)
    keras.utils.set_random_seed(2024)
    if given.what == "frappe":
        with np.load(given.folder / "train.npz") as stored:
            columns = dict(stored)
        rows = {name: int(ids.max()) + 1 for name, ids in columns.items()}
        # Validation is short here: its time does not count.
        settings, valid = PUBLISHED, given.batch_size
    else:
        columns, rows = _large(given.table_rows, given.steps * given.batch_size)
        tower = [int(width) for width in given.tower.split(",")]
        settings, valid = {**LARGE, "hidden_units": tower}, 1000
    labels = columns.pop("label").astype(np.float32)
    rows.pop("label", None)
    train = _stock if given.what == "stock" else _ours
    seconds, parameters = train(columns, labels, rows, settings, given, valid)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "rows": len(labels),
                "parameters": parameters,
                "rss": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                "version": f"Keras {keras.__version__}, TensorFlow {tf.__version__}",
            }
        )
    )


def _large(
    table_rows: int, examples: int
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, int]]:
    """Ids of ten fields, each value as likely as any other: the worst for caches."""
    random = np.random.default_rng(1)
    size = table_rows // FIELDS
    columns: dict[str, np.ndarray[Any, Any]] = {
        f"f{n}": random.integers(1, size, examples, dtype=np.int32)
        for n in range(FIELDS)
    }
    rows = dict.fromkeys(columns, size)
    columns["label"] = random.integers(0, 2, examples)
    return columns, rows


def _ours(
    columns: Mapping[str, np.ndarray[Any, Any]],
    labels: np.ndarray[Any, Any],
    rows: Mapping[str, int],
    settings: Mapping[str, Any],
    given: argparse.Namespace,
    valid: int,
) -> tuple[list[float], int]:
    from clickwright.models import registry
    from clickwright.models.training.in_memory_examples import InMemoryExamples
    from clickwright.models.training.params import TrainingParams
    from clickwright.models.training.trainer import Trainer
    from clickwright.schemas.model_input import ModelInput

    inputs = [ModelInput(n, "id", "context", n, count) for n, count in rows.items()]
    params = TrainingParams(
        epochs=given.epochs, early_stop=given.epochs, batch_size=given.batch_size
    )
    trainer = Trainer(registry.build("deepfm", inputs, settings), params)
    few = InMemoryExamples({n: v[:valid] for n, v in columns.items()}, labels[:valid])
    records = trainer.train(InMemoryExamples(columns, labels), few)
    seconds = [len(labels) / (r.examples_per_second or 0.0) for r in records]
    return seconds, _parameters(trainer.model)


def _stock(
    columns: Mapping[str, np.ndarray[Any, Any]],
    labels: np.ndarray[Any, Any],
    rows: Mapping[str, int],
    settings: Mapping[str, Any],
    given: argparse.Namespace,
    valid: int,
) -> tuple[list[float], int]:
    """A table and a first-order weight a field, `compile`, `fit`; nothing of ours."""
    import keras
    from keras import layers, ops

    features = {n: keras.Input((), dtype="int32", name=n) for n in rows}
    embeddings = [
        layers.Embedding(count, settings["embedding_dim"])(features[n])
        for n, count in rows.items()
    ]
    weights = [layers.Embedding(count, 1)(features[n]) for n, count in rows.items()]
    fields = ops.stack(embeddings, axis=1)  # [B, F, D]
    squares = ops.square(ops.sum(fields, axis=1)) - ops.sum(ops.square(fields), axis=1)
    x = layers.Concatenate()(embeddings)
    for width in settings["hidden_units"]:
        x = layers.BatchNormalization()(layers.Dense(width)(x))
        x = layers.Dropout(settings["dropout"])(layers.Activation("relu")(x))
    logit = layers.Add()(
        [*weights, 0.5 * ops.sum(squares, axis=1, keepdims=True), layers.Dense(1)(x)]
    )
    model = keras.Model(features, logit)
    model.compile(
        keras.optimizers.Adam(1e-3, global_clipnorm=10.0),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )

    class Clock(keras.callbacks.Callback):
        """Seconds of each epoch."""

        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            """Starts."""
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """Stops."""
            self.seconds.append(time.perf_counter() - self.started)

    clock = Clock()
    model.fit(
        dict(columns),
        labels,
        batch_size=given.batch_size,
        epochs=given.epochs,
        callbacks=[clock],
        verbose=0,
    )
    return clock.seconds, _parameters(model)


def _parameters(model: Any) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


if __name__ == "__main__":
    main()
