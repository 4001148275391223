"""Scores from a model server."""

from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Self

import grpc
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from clickwright.serving.client.channel_options import channel_options
from clickwright.serving.client.columns import Columns
from clickwright.serving.client.exchange import Exchange, Scores
from clickwright.serving.client.request_error import RequestError

TIMEOUT = 5.0
"""Seconds for a request and all its attempts."""
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Of a request or an answer."""


class Client:
    """Asks one model of a server that speaks TF Serving's gRPC.

    A client keeps one channel; make it once and share it among threads. Only what found
    the server unavailable is tried again. Example:

        with Client("127.0.0.1:8500", "marketplace") as client:
            client.predict({"user": [7, 8], "item": [1, 2]})
            client.rank({"user": 7}, {"item": [1, 2, 3]})

    Args:
        address: `host:port` of the server's gRPC.
        model: its name.
        version: the version; the server's latest when None.
        label: a version's label, such as `stable`, in place of its number.
        signature: what `predict` calls unless told otherwise.
        timeout: seconds for a request and all its attempts.
        max_message_bytes: of a request or an answer.

    Raises:
        ConfigError: both version and label are given.
    """

    def __init__(
        self,
        address: str,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str = "predict_raw",
        timeout: float = TIMEOUT,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._exchange = Exchange(address, model, version, label)
        self._signature = signature
        self._timeout = timeout
        self._channel = grpc.insecure_channel(
            address, options=channel_options(max_message_bytes)
        )
        self._prediction = PredictionServiceStub(self._channel)
        self._models = ModelServiceStub(self._channel)

    def predict(
        self,
        columns: Columns,
        *,
        signature: str | None = None,
        outputs: Collection[str] = (),
    ) -> Scores:
        """Scores rows.

        Args:
            columns: a mapping of names to arrays or lists, an Arrow table or a pandas
                DataFrame. None, or null, is a missing value; columns that the
                signature does not read are left out.
            signature: what to call; the client's own when None.
            outputs: which outputs to give; all when empty.

        Returns:
            The output, a row each; where there are several, all by name.

        Raises:
            DataError: a column is absent, or not what the signature takes.
            RequestError: the server refused, or did not answer in time.
        """
        name = signature or self._signature
        return self._predicted(
            self._exchange.predict_request(name, columns, self._signatures(), outputs)
        )

    def rank(
        self, user: Columns, candidates: Columns, *, outputs: Collection[str] = ()
    ) -> Scores:
        """Scores candidates for one user, whose part is computed once.

        Args:
            user: what is known of user and context: a mapping of names to a value, or
                to a list for histories; or a table of one row.
            candidates: the columns of the items, a row each; see `predict`.
            outputs: which outputs to give; all when empty.

        Returns:
            The score of each candidate, float32 `[candidates]`.

        Raises:
            DataError: a column is absent, or not what the signature takes.
            RequestError: the server refused, or did not answer in time.
        """
        return self._predicted(
            self._exchange.rank_request(user, candidates, self._signatures(), outputs)
        )

    def top_k(self, columns: Columns) -> Scores:
        """Finds the best items for each row; see `predict`.

        Returns:
            `items`, best first, and their `scores`, both `[rows, k]`.

        Raises:
            DataError: a column is absent, or not what the signature takes.
            RequestError: the server refused, or did not answer in time.
        """
        return self.predict(columns, signature="top_k")

    def metadata(self) -> Mapping[str, SignatureDef]:
        """Asks for the signatures, by name.

        Raises:
            RequestError: the server refused, or did not answer in time.
        """
        request = self._exchange.metadata_request()
        response = self._call(self._prediction.GetModelMetadata, request)
        return self._exchange.read_metadata(response)

    def status(self) -> list[ModelVersionStatus]:
        """Asks for the states of the versions, the oldest first.

        Raises:
            RequestError: the server refused, or did not answer in time.
        """
        request = self._exchange.status_request()
        response = self._call(self._models.GetModelStatus, request)
        return self._exchange.read_status(response)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _signatures(self) -> Mapping[str, SignatureDef]:
        known = self._exchange.signatures
        return self.metadata() if known is None else known

    def _predicted(self, request: PredictRequest) -> Scores:
        try:
            response = self._call(self._prediction.Predict, request)
        except RequestError:
            self._exchange.forget()  # a new version may take something else
            raise
        return self._exchange.answer(response)

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise RequestError.of(error, self._exchange.where) from error
