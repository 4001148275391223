"""The model servers behind a router."""

from collections.abc import Callable
from typing import Any

import grpc

from clickwright.serving.router.options import RouterOptions
from clickwright.serving.server.serving_error import ServingError


class Upstreams:
    """gRPC channels to the model servers, one each; messages are bytes.

    Made where the event loop runs.

    Args:
        options: says where the servers are.
    """

    def __init__(self, options: RouterOptions) -> None:
        self._default = options.server
        self._of_model = dict(options.model_servers)
        size = options.max_message_bytes
        self._channels = {
            place: grpc.aio.insecure_channel(
                place,
                options=[
                    # One second chance is the router's; the callers have their own.
                    ("grpc.enable_retries", 0),
                    ("grpc.enable_http_proxy", 0),
                    # A server that starts anew is away for a moment.
                    ("grpc.initial_reconnect_backoff_ms", 100),
                    ("grpc.min_reconnect_backoff_ms", 100),
                    ("grpc.max_reconnect_backoff_ms", 1_000),
                    (
                        "grpc.max_send_message_length",
                        -1,
                    ),  # those that came were not too large
                    ("grpc.max_receive_message_length", size),
                ],
            )
            for place in {self._default, *self._of_model.values()}
        }
        self._stubs: dict[tuple[str, str], Callable[..., Any]] = {}

    async def ask(
        self,
        path: str,
        model: str,
        request: bytes,
        seconds: float,
        metadata: list[tuple[str, str]],
    ) -> bytes:
        """Calls the server that has a model.

        Args:
            path: gRPC's name of the method.
            model: the model's name.
            request: its bytes.
            seconds: at most.
            metadata: sent with it.

        Returns:
            The answer's bytes.

        Raises:
            ServingError: the server refused, failed, or took too long.
        """
        place = self._of_model.get(model, self._default)
        stub = self._stubs.get((place, path))
        if stub is None:
            stub = self._channels[place].unary_unary(path)
            self._stubs[place, path] = stub
        try:
            return await stub(request, timeout=seconds, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise ServingError(error.code(), error.details() or "") from None

    def ready(self) -> bool:
        """Whether the default server can be reached, as far as is known."""
        state = self._channels[self._default].get_state(try_to_connect=True)
        return state not in (
            grpc.ChannelConnectivity.TRANSIENT_FAILURE,
            grpc.ChannelConnectivity.SHUTDOWN,
        )

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels.values():
            await channel.close()
