"""Replays requests that lie beside an exported model."""

import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from clickwright.schemas.prediction_logs import read_logs
from clickwright.schemas.serving_files import GOLDEN_PATH, WARMUP_PATH

Asked = tuple[str, int]
"""A signature, and the rows of its answer."""


def replay(directory: pathlib.Path) -> dict[Asked, float]:
    """Largest difference between a golden answer and what the SavedModel gives."""
    signatures = tf.saved_model.load(str(directory)).signatures
    found = {}
    for log in read_logs(directory / GOLDEN_PATH):
        name = log.predict_log.request.model_spec.signature_name
        assert log.predict_log.request.model_spec.name == ""
        given = arrays(log.predict_log.request.inputs)
        got = signatures[name](**{k: tf.constant(x) for k, x in given.items()})
        want = arrays(log.predict_log.response.outputs)
        assert set(got) == set(want)
        differences = [_difference(got[k].numpy(), want[k]) for k in want]
        found[name, len(next(iter(want.values())))] = max(differences)
    return found


def warmed_up(directory: pathlib.Path) -> set[Asked]:
    """What the warm-up asks for, once the SavedModel has answered all of it."""
    signatures = tf.saved_model.load(str(directory)).signatures
    found = set()
    for log in read_logs(directory / WARMUP_PATH):
        name = log.predict_log.request.model_spec.signature_name
        given = arrays(log.predict_log.request.inputs)
        signatures[name](**{k: tf.constant(x) for k, x in given.items()})
        found.add((name, max(len(x) for x in given.values())))
    return found


def golden(directory: pathlib.Path, signature: str) -> list[PredictionLog]:
    """The golden requests of one signature."""
    return [
        log
        for log in read_logs(directory / GOLDEN_PATH)
        if log.predict_log.request.model_spec.signature_name == signature
    ]


def arrays(protos: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The tensors of a request or an answer."""
    return {name: tf.make_ndarray(proto) for name, proto in protos.items()}


def _difference(got: np.ndarray[Any, Any], want: np.ndarray[Any, Any]) -> float:
    assert got.shape == want.shape
    if want.dtype == object:
        return float((got != want).any())
    both = np.isneginf(got) & np.isneginf(want)
    return float(np.abs(np.where(both, 0.0, got) - np.where(both, 0.0, want)).max())
