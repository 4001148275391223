"""The calls of TensorFlow Serving's services, as a router sees them."""

import array
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from clickwright.serving.router import answer, messages
from clickwright.serving.router.answer import Answer
from clickwright.serving.server.serving_error import ServingError

_PREDICTION = "tensorflow.serving.PredictionService"
_MODEL = "tensorflow.serving.ModelService"


@dataclasses.dataclass(frozen=True, slots=True)
class Method:
    """One call.

    Attributes:
        service: name of its service.
        name: its name there.
        request: the router's view of its request.
        read: reads an answer, given how many scores at most; None where an answer is
            none that a unit gets to see.
        by_name: whether it asks about all versions of a model.
    """

    service: str
    name: str
    request: Any
    read: Callable[[bytes, int], Answer] | None = None
    by_name: bool = False

    @property
    def path(self) -> str:
        """What gRPC calls it."""
        return f"/{self.service}/{self.name}"

    def specs(self, request: Any) -> Sequence[Any]:
        """The places in a request's view that name the model."""
        if self.request is messages.MultiInferenceRequest:
            return [task.model_spec for task in request.tasks]
        return [request.model_spec]


def parsed(view: Any, raw: bytes) -> Any:
    """Reads a request through a view.

    Raises:
        ServingError: the bytes are no such message.
    """
    try:
        return view.FromString(raw)
    except DecodeError as error:
        raise ServingError(
            grpc.StatusCode.INVALID_ARGUMENT, f"The request cannot be read. {error}"
        ) from None


def _predicted(raw: bytes, max_scores: int) -> Answer:
    found = messages.PredictAnswer.FromString(raw)
    version = found.model_spec.version.value
    return answer.of_outputs(found.outputs, version, max_scores)


def _classified(raw: bytes, max_scores: int) -> Answer:
    found = messages.ClassifyAnswer.FromString(raw)
    rows = len(found.result.classifications)
    return Answer(found.model_spec.version.value, rows)


def _regressed(raw: bytes, max_scores: int) -> Answer:
    found = messages.RegressAnswer.FromString(raw)
    rows = found.result.regressions
    scores = None
    if len(rows) <= max_scores:
        scores = array.array("f", (row.value for row in rows))
    return Answer(found.model_spec.version.value, len(rows), scores)


def _inferred(raw: bytes, max_scores: int) -> Answer:
    found = messages.MultiInferenceAnswer.FromString(raw)
    versions = [result.model_spec.version.value for result in found.results]
    return Answer(versions[0] if versions else 0, 0)


PREDICT = Method(_PREDICTION, "Predict", messages.Request, _predicted)
METADATA = Method(_PREDICTION, "GetModelMetadata", messages.Request)
METHODS = (
    PREDICT,
    Method(_PREDICTION, "Classify", messages.Request, _classified),
    Method(_PREDICTION, "Regress", messages.Request, _regressed),
    Method(_PREDICTION, "MultiInference", messages.MultiInferenceRequest, _inferred),
    METADATA,
    Method(_MODEL, "GetModelStatus", messages.Request, by_name=True),
)
