"""Files of requests beside an exported model."""

import pathlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from clickwright.models.export import MISSING
from clickwright.schemas.prediction_logs import write_logs
from clickwright.schemas.serving_files import GOLDEN_PATH, WARMUP_PATH

Tensors = Mapping[str, Any]


def predict_log(
    signature: str, inputs: Tensors, outputs: Tensors | None = None
) -> PredictionLog:
    """A request, and what is to be answered. The name of the model stays empty.

    Args:
        signature: its name.
        inputs: arrays by name.
        outputs: the same; None for a request without an answer.
    """
    log = PredictionLog()
    own = log.predict_log
    own.request.model_spec.signature_name = signature
    for name, x in inputs.items():
        own.request.inputs[name].CopyFrom(tf.make_tensor_proto(x))
    if outputs is not None:
        own.response.model_spec.signature_name = signature
        for name, x in outputs.items():
            own.response.outputs[name].CopyFrom(tf.make_tensor_proto(x))
    return log


def write_requests(
    directory: pathlib.Path,
    golden: Iterable[PredictionLog],
    warmup: Iterable[PredictionLog],
) -> None:
    """Writes the golden requests and those of the warm-up into a SavedModel.

    Raises:
        MachineError: a file cannot be written, or the disk is full.
    """
    write_logs(directory / GOLDEN_PATH, golden)
    write_logs(directory / WARMUP_PATH, warmup)


def kept_columns(row: bytes, columns: Collection[str]) -> bytes:
    """The tf.Example with these columns alone; the same row gives the same bytes."""
    return with_columns_of(row, row, columns, only=True)


def with_columns_of(
    row: bytes, other: bytes, columns: Collection[str], only: bool = False
) -> bytes:
    """The tf.Example with some columns as another one has them, or lacks them.

    Args:
        row: a serialized tf.Example.
        other: the same.
        columns: what is taken from `other`.
        only: whether nothing else is kept.
    """
    own = tf.train.Example.FromString(row).features.feature
    theirs = tf.train.Example.FromString(other).features.feature
    made = tf.train.Example()
    for name in sorted({*own, *theirs}):
        source = theirs if name in columns else own
        if name in source and (name in columns or not only):
            made.features.feature[name].CopyFrom(source[name])
    return made.SerializeToString(deterministic=True)


def dense_columns(
    rows: Sequence[bytes], parsing: Mapping[str, Any], lists: Collection[str]
) -> dict[str, np.ndarray[Any, Any]]:
    """The tensors of `predict_raw` that say what tf.Examples say.

    Args:
        rows: serialized tf.Examples.
        parsing: how their columns are parsed.
        lists: names of the columns that hold lists.

    Returns:
        `[batch]`, or of lists `[batch, longest]`, with at least one place.
    """
    found = {}
    for name, x in tf.io.parse_example(list(rows), dict(parsing)).items():
        if isinstance(x, tf.SparseTensor):
            places = max(1, int(x.dense_shape[1]))
            wide = tf.sparse.reset_shape(x, [len(rows), places])
            x = tf.sparse.to_dense(wide, MISSING[x.dtype])
            x = x if name in lists else x[:, 0]
        found[name] = x.numpy()
    return found
