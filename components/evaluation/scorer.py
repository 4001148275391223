"""A SavedModel that scores serialized tf.Examples."""

import tensorflow as tf

from clickwright.components.evaluation.eval_config import PREDICTION_KEY, SIGNATURE
from clickwright.schemas.errors import DataError


class Scorer:
    """The `serving_default` signature of a SavedModel, in this process.

    Args:
        path: folder of the SavedModel.

    Raises:
        DataError: it cannot be loaded, or lacks the signature or its output.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            # The signature dies with the object that it was loaded with.
            self._model = tf.saved_model.load(path)
        except (tf.errors.OpError, OSError, ValueError) as error:
            raise self._error(f"The model cannot be loaded: {error}") from error
        if SIGNATURE not in self._model.signatures:
            found = ", ".join(sorted(self._model.signatures)) or "none"
            raise self._error(
                f"The model lacks the signature `{SIGNATURE}`. Received: {found}."
            )
        self._signature = self._model.signatures[SIGNATURE]
        outputs = self._signature.structured_outputs
        if PREDICTION_KEY not in outputs:
            raise self._error(
                f"`{SIGNATURE}` must give `{PREDICTION_KEY}`. "
                f"Received: {', '.join(sorted(outputs))}."
            )

    def score(self, examples: tf.Tensor) -> tf.Tensor:
        """Scores [B] serialized tf.Examples; returns [B] float32 probabilities.

        Raises:
            DataError: the model does not take these examples.
        """
        try:
            scores = self._signature(examples=examples)[PREDICTION_KEY]
        except (tf.errors.OpError, TypeError) as error:
            message = getattr(error, "message", str(error))
            raise self._error(
                f"The model cannot score the examples: {message}"
            ) from error
        scores = tf.reshape(scores, [-1])
        if len(scores) != len(examples):
            raise self._error(
                f"The model must give one `{PREDICTION_KEY}` a row. "
                f"Received: {len(scores)} for {len(examples)} rows."
            )
        return scores

    def _error(self, what: str) -> DataError:
        return DataError(what, where=self._path, fix="train and export the model again")
