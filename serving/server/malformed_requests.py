"""Bytes that are no message of the method that they were sent to."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError


class MalformedRequests(grpc.aio.ServerInterceptor):
    """Refuses them with INVALID_ARGUMENT.

    gRPC itself would call them the server's own error, and write a page about each
    into its log, which whoever sends many could fill.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler] = {}

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Gives the method's handler, with a reader that finds fault with a request."""
        method = handler_call_details.method
        if method not in self._handlers:
            handler = await continuation(handler_call_details)
            if handler is None or handler.unary_unary is None:
                return handler
            self._handlers[method] = _reading(handler)
        return self._handlers[method]


def _reading(handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
    async def answer(raw: bytes, context: grpc.aio.ServicerContext) -> Any:
        try:
            request = handler.request_deserializer(raw)
        except DecodeError as error:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"The request cannot be read. {error}",
            )
        return await handler.unary_unary(request, context)

    return grpc.unary_unary_rpc_method_handler(
        answer, response_serializer=handler.response_serializer
    )
