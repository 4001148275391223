"""What answers requests: a SavedModel in this process, or a model server."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from tensorflow_serving.apis.predict_pb2 import PredictRequest

Array: TypeAlias = np.ndarray[Any, Any]


class ScoringError(Exception):
    """A request was refused, or nobody answered; the text says why."""


class Scorer(Protocol):
    """Answers requests of any signature."""

    def __call__(self, request: PredictRequest) -> Mapping[str, Array]:
        """Answers one request.

        Args:
            request: its `model_spec` says which signature; the model's name in it is
                not looked at.

        Returns:
            The signature's outputs by name; text as bytes.

        Raises:
            ScoringError: the request was refused, or nobody answered.
        """
