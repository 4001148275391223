"""A SavedModel that scores named columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from clickwright.components.evaluation.eval_config import PREDICTION_KEY
from clickwright.models.export import MISSING
from clickwright.schemas.errors import DataError

SIGNATURE = "predict_raw"


class RawScorer:
    """The `predict_raw` signature of a SavedModel, in this process.

    Args:
        path: folder of the SavedModel.

    Raises:
        DataError: it cannot be loaded, or lacks the signature.
    """

    def __init__(self, path: str) -> None:
        try:
            # The signature dies with the object that it was loaded with.
            self._model = tf.saved_model.load(path)
            self._signature = self._model.signatures[SIGNATURE]
        except (tf.errors.OpError, OSError, ValueError, KeyError) as error:
            raise DataError(
                f"The model cannot be loaded, or lacks the signature `{SIGNATURE}`: "
                f"{error}",
                where=path,
                fix="train and export the model again",
            ) from error
        self._tensors: Mapping[str, Any] = self._signature.structured_input_signature[1]

    def parse(self, serialized: np.ndarray) -> dict[str, tf.Tensor]:
        """The columns of [B] serialized tf.Examples as the signature takes them.

        `[B]`, or `[B, length]` for lists; what a row lacks is the value that stands
        for missing.
        """
        features = {n: tf.io.RaggedFeature(t.dtype) for n, t in self._tensors.items()}
        parsed = tf.io.parse_example(tf.constant(serialized, tf.string), features)
        columns = {}
        for name, tensor in self._tensors.items():
            missing = tf.constant(MISSING[tensor.dtype], tensor.dtype)
            if tensor.shape.rank == 1:
                one = parsed[name].to_tensor(missing, shape=[None, 1])
                columns[name] = one[:, 0]
            else:
                columns[name] = parsed[name].to_tensor(missing)
        return columns

    def without(
        self, columns: Mapping[str, tf.Tensor], emptied: Sequence[str]
    ) -> dict[str, tf.Tensor]:
        """The columns with the lists of some of them empty, `[B, 0]`."""
        none = {name: columns[name][:, :0] for name in emptied if name in columns}
        return {**columns, **none}

    def zero(self, name: str) -> int:
        """Sets the model's variables of a name to zeros; returns how many there are."""
        found = [
            variable
            for variable in self._signature.variables
            if name in variable.name.split(":")[0].split("/")
        ]
        for variable in found:
            variable.assign(tf.zeros_like(variable))
        return len(found)

    def constant(self, name: str, value: float, rows: int) -> tf.Tensor:
        """The column `[rows]` that holds one value throughout; NaN is missing."""
        dtype = self._tensors[name].dtype
        if np.isnan(value):
            return tf.fill([rows], tf.constant(MISSING[dtype], dtype))
        if dtype.is_integer:
            return tf.fill([rows], tf.constant(round(value), dtype))
        return tf.fill([rows], tf.constant(value, dtype))

    def score(self, columns: Mapping[str, tf.Tensor]) -> np.ndarray:
        """Probabilities of the rows, [B] float64."""
        scores = self._signature(**columns)[PREDICTION_KEY]
        return np.asarray(scores, np.float64).reshape(-1)
