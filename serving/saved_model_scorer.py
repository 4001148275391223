"""Answers from a SavedModel in this process."""

import pathlib
from collections.abc import Mapping

import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from clickwright.schemas.errors import DataError
from clickwright.serving.scorer import Array, ScoringError


class SavedModelScorer:
    """Runs a SavedModel by TensorFlow's own loader, with no server around it.

    Args:
        folder: the SavedModel. It runs in this process with all its rights: give only
            models that are trusted, or whose operations were looked at.

    Raises:
        DataError: the folder holds no SavedModel that can be loaded.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        try:
            self._model = tf.saved_model.load(str(folder))
        except (tf.errors.OpError, OSError, ValueError, KeyError) as error:
            raise DataError(
                f"The model cannot be loaded: {_one_line(error)}.",
                where=str(folder),
                fix="export the model again",
            ) from error

    def __call__(self, request: PredictRequest) -> Mapping[str, Array]:
        """Answers one request; see `Scorer`."""
        name = request.model_spec.signature_name or "serving_default"
        if name not in self._model.signatures:
            known = ", ".join(sorted(self._model.signatures))
            raise ScoringError(f"the model has no signature `{name}`, only {known}")
        call = self._model.signatures[name]
        given = {
            key: tf.constant(tf.make_ndarray(tensor))
            for key, tensor in request.inputs.items()
        }
        try:
            found = call(**given)
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise ScoringError(_one_line(error)) from error
        return {key: value.numpy() for key, value in found.items()}


def _one_line(error: Exception) -> str:
    text = error.message if isinstance(error, tf.errors.OpError) else str(error)
    return " ".join(text.split()).rstrip(".")[:400]
