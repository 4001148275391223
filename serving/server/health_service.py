"""gRPC's health protocol, told what HTTP's path tells."""

import asyncio
from collections.abc import Callable

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVICES = (
    "",
    "PredictionService",
    "ModelService",
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
)
"""Names that may be asked for; empty is the whole server."""
_SECONDS = 0.5


class HealthService:
    """The health service of one server.

    Args:
        healthy: tells whether requests can be answered.
    """

    def __init__(self, healthy: Callable[[], bool]) -> None:
        self._healthy = healthy
        self._servicer = health.aio.HealthServicer()
        self._follower: asyncio.Task[None] | None = None

    def add_to(self, server: grpc.aio.Server) -> None:
        """Makes the service part of a server, before that starts."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def start(self) -> None:
        """Follows the server's health from now on."""
        self._follower = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Says to all who watch that the server takes no more requests."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        await self._servicer.enter_graceful_shutdown()

    async def _follow(self) -> None:
        told = None
        while True:
            good = self._healthy()
            if good != told:
                told = good
                states = health_pb2.HealthCheckResponse
                state = states.SERVING if good else states.NOT_SERVING
                for name in SERVICES:
                    await self._servicer.set(name, state)
            await asyncio.sleep(_SECONDS)
