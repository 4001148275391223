"""Scores from a router, and the arm that they came from."""

import dataclasses
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import grpc
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from clickwright.serving.client import RequestError
from clickwright.serving.client.channel_options import channel_options
from clickwright.serving.client.client import MAX_MESSAGE_BYTES
from clickwright.serving.client.columns import Array
from clickwright.serving.client.exchange import Exchange
from clickwright.serving.router.headers import ATTRIBUTES, REQUEST_ID, VARIANT


@dataclasses.dataclass(frozen=True)
class Routed:
    """An answer.

    Attributes:
        scores: one a candidate, `[candidates]`.
        variant: the arm of the user; None for users that are in no experiment.
    """

    scores: Array
    variant: str | None


class RoutedClient:
    """Asks a router as a shop does: with the id of the user and of the request.

    Make it where the event loop runs.

    Args:
        address: `host:port` of the router's gRPC.
        model: the name that the experiment is about.
        unit_header: the header of the user's id.
        signatures: what the model takes, by name.
        timeout: seconds for a request.
    """

    def __init__(
        self,
        address: str,
        model: str,
        unit_header: str,
        signatures: Mapping[str, SignatureDef],
        timeout: float,
    ) -> None:
        self._exchange = Exchange(address, model, None, None)
        self._unit_header = unit_header
        self._signatures = signatures
        self._timeout = timeout
        self._channel = grpc.aio.insecure_channel(
            address, options=channel_options(MAX_MESSAGE_BYTES)
        )
        self._stub = PredictionServiceStub(self._channel)

    async def rank(
        self,
        unit: str,
        request_id: str,
        attributes: Mapping[str, str],
        user: Mapping[str, Any],
        candidates: Mapping[str, Any],
    ) -> Routed:
        """Scores candidates for one user.

        Args:
            unit: the user's id.
            request_id: of this request, which its outcomes name.
            attributes: what the results are sliced by.
            user: what is known of user and context.
            candidates: columns of the items.

        Raises:
            RequestError: the router refused, or did not answer in time.
        """
        request = self._exchange.rank_request(user, candidates, self._signatures)
        pairs = ",".join(f"{name}={value}" for name, value in attributes.items())
        call = self._stub.Predict(
            request,
            timeout=self._timeout,
            metadata=(
                (self._unit_header, unit),
                (REQUEST_ID, request_id),
                (ATTRIBUTES, pairs),
            ),
        )
        try:
            response = await call
            trailing = dict(await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            raise RequestError.of(error, self._exchange.where) from error
        return Routed(self._exchange.answer(response), trailing.get(VARIANT))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close()
