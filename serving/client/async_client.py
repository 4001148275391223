"""Scores from a model server, for programs of asyncio."""

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
from clickwright.serving.client.client import MAX_MESSAGE_BYTES, TIMEOUT
from clickwright.serving.client.columns import Columns
from clickwright.serving.client.exchange import Exchange, Scores
from clickwright.serving.client.request_error import RequestError


class AsyncClient:
    """The same as `Client`, whose arguments it takes; its calls are awaited.

    Make it where the event loop runs. Example:

        async with AsyncClient("127.0.0.1:8500", "marketplace") as client:
            await client.rank({"user": 7}, {"item": [1, 2, 3]})
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
        self._channel = grpc.aio.insecure_channel(
            address, options=channel_options(max_message_bytes)
        )
        self._prediction = PredictionServiceStub(self._channel)
        self._models = ModelServiceStub(self._channel)

    async def predict(
        self,
        columns: Columns,
        *,
        signature: str | None = None,
        outputs: Collection[str] = (),
    ) -> Scores:
        """Scores rows; see `Client.predict`."""
        name = signature or self._signature
        known = await self._signatures()
        return await self._predicted(
            self._exchange.predict_request(name, columns, known, outputs)
        )

    async def rank(
        self, user: Columns, candidates: Columns, *, outputs: Collection[str] = ()
    ) -> Scores:
        """Scores candidates for one user; see `Client.rank`."""
        known = await self._signatures()
        return await self._predicted(
            self._exchange.rank_request(user, candidates, known, outputs)
        )

    async def top_k(self, columns: Columns) -> Scores:
        """Finds the best items for each row; see `Client.top_k`."""
        return await self.predict(columns, signature="top_k")

    async def metadata(self) -> Mapping[str, SignatureDef]:
        """Asks for the signatures; see `Client.metadata`."""
        request = self._exchange.metadata_request()
        response = await self._call(self._prediction.GetModelMetadata, request)
        return self._exchange.read_metadata(response)

    async def status(self) -> list[ModelVersionStatus]:
        """Asks for the states of the versions; see `Client.status`."""
        request = self._exchange.status_request()
        response = await self._call(self._models.GetModelStatus, request)
        return self._exchange.read_status(response)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _signatures(self) -> Mapping[str, SignatureDef]:
        known = self._exchange.signatures
        return await self.metadata() if known is None else known

    async def _predicted(self, request: PredictRequest) -> Scores:
        try:
            response = await self._call(self._prediction.Predict, request)
        except RequestError:
            self._exchange.forget()  # a new version may take something else
            raise
        return self._exchange.answer(response)

    async def _call(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return await method(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            raise RequestError.of(error, self._exchange.where) from error
