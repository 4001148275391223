"""Answers from a model server over gRPC."""

from collections.abc import Mapping
from typing import Self

import grpc
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from clickwright.serving.client.channel_options import channel_options
from clickwright.serving.scorer import Array, ScoringError

_ANY_SIZE = -1
_NO_PROXY = ("grpc.enable_http_proxy", 0)  # those of a network know no loopback


class GrpcScorer:
    """Sends requests as they are to a `PredictionService`; one channel for all.

    Args:
        address: `host:port`.
        model: name of the model there.
        timeout: deadline of a request, in seconds.
    """

    def __init__(self, address: str, model: str, timeout: float = 60.0) -> None:
        self._model = model
        self._timeout = timeout
        options = [*channel_options(_ANY_SIZE), _NO_PROXY]
        self._channel = grpc.insecure_channel(address, options=options)
        self._predict = PredictionServiceStub(self._channel).Predict

    def __call__(self, request: PredictRequest) -> Mapping[str, Array]:
        """Answers one request; see `Scorer`."""
        response = self.send(self.addressed(request))
        return {key: tf.make_ndarray(t) for key, t in response.outputs.items()}

    def addressed(self, request: PredictRequest) -> PredictRequest:
        """The request to the model of this server."""
        addressed = PredictRequest()
        addressed.CopyFrom(request)
        addressed.model_spec.name = self._model
        return addressed

    def send(self, request: PredictRequest) -> PredictResponse:
        """Sends an addressed request.

        Raises:
            ScoringError: it was refused, or nobody answered.
        """
        try:
            return self._predict(request, timeout=self._timeout)
        except grpc.RpcError as error:
            code, details = error.code().name, error.details() or ""
            raise ScoringError(f"{code}: {' '.join(details.split())}") from error

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
