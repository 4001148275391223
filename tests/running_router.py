"""A router in this process, what it is asked, and what it recorded."""

import asyncio
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import duckdb
import grpc
import httpx
import yaml
from ab_definition import definition_content
from fake_model_server import FakeModelServer, LoopThread, request_bytes
from server_process import free_ports

from clickwright.experiments.events.event_store import EventStore
from clickwright.serving.router.clock import Now
from clickwright.serving.router.options import RouterOptions
from clickwright.serving.router.router import Router

PREDICT = "/tensorflow.serving.PredictionService/Predict"
LONG_AGO, FAR_AWAY = "2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z"


class RunningRouter:
    """Starts a router in front of a model server, and asks it.

    Args:
        loop: where it runs.
        server: the model servers behind it.
        folder: for the experiments and the log.
        options: other options than the defaults.
        now: its clock.
        experiment: other fields of the one experiment than `definition_content`'s.

    Attributes:
        grpc: its gRPC address.
        url: its HTTP address.
        trailers: what the last answer came with.
    """

    def __init__(
        self,
        loop: LoopThread,
        server: FakeModelServer,
        folder: pathlib.Path,
        *,
        options: dict[str, Any] | None = None,
        now: Now | None = None,
        **experiment: Any,
    ) -> None:
        self._loop = loop
        self.experiments = folder / "experiments"
        self.log = folder / "log"
        self.experiments.mkdir(parents=True, exist_ok=True)
        self.define(**experiment)
        port, rest_port = free_ports(2)
        self.grpc = f"127.0.0.1:{port}"
        self.url = f"http://127.0.0.1:{rest_port}"
        given: dict[str, Any] = {
            "experiments": self.experiments,
            "log": self.log,
            "server": server.grpc,
            "rest_server": server.rest,
            "port": port,
            "rest_api_port": rest_port,
            "reload_seconds": 0.02,
            "shutdown_grace_seconds": 20.0,
        }
        self._router = Router(RouterOptions(**{**given, **(options or {})}), now)
        self._stopped = False
        loop.run(self._router.start())
        self._channel = grpc.insecure_channel(
            self.grpc, options=[("grpc.enable_http_proxy", 0)]
        )
        self.trailers: dict[str, str] = {}

    def define(self, file: str = "crosses.yaml", **changes: Any) -> None:
        """Writes a definition that runs all the time."""
        content = definition_content(**{"start": LONG_AGO, "end": FAR_AWAY, **changes})
        (self.experiments / file).write_text(yaml.safe_dump(content, sort_keys=False))

    def ask(
        self,
        unit: str | None = None,
        raw: bytes | None = None,
        *,
        metadata: Sequence[tuple[str, str]] = (),
        path: str = PREDICT,
        timeout: float = 20.0,
    ) -> bytes:
        """Calls it, by default for a prediction of the model `ctr`."""
        given = [*metadata, *([("x-unit-id", unit)] if unit is not None else [])]
        answer, call = self._channel.unary_unary(path).with_call(
            request_bytes() if raw is None else raw, timeout=timeout, metadata=given
        )
        self.trailers = dict(call.trailing_metadata())
        return bytes(answer)

    def refused(self, *args: Any, **kwargs: Any) -> grpc.StatusCode:
        """The code with which `ask` fails."""
        try:
            self.ask(*args, **kwargs)
        except grpc.RpcError as error:
            self.trailers = dict(error.trailing_metadata())
            return error.code()
        raise AssertionError("the request was answered")

    def post(self, unit: str | None, path: str = "/v1/models/ctr:predict", **more: Any):  # type: ignore[no-untyped-def]
        """Asks over HTTP for the scores of two rows."""
        headers = {"x-unit-id": unit} if unit is not None else {}
        headers |= more.pop("headers", {})
        more.setdefault("json", {"instances": [{"item": 1}, {"item": 2}]})
        return httpx.post(
            self.url + path, headers=headers, timeout=20, trust_env=False, **more
        )

    def get(self, path: str) -> httpx.Response:
        """Asks over HTTP about something."""
        return httpx.get(self.url + path, timeout=20, trust_env=False)

    def metrics(self) -> dict[str, float]:
        """What Prometheus would be told, by name and labels."""
        lines = self.get("/monitoring/prometheus/metrics").text.splitlines()
        pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        return {
            name.removeprefix("clickwright_router_"): float(value)
            for name, _, value in pairs
        }

    def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds."""

        async def wait() -> None:
            async with asyncio.timeout(20):
                while not await asyncio.to_thread(holds):
                    await asyncio.sleep(0.01)

        self._loop.run(wait())

    def exposures(self) -> list[dict[str, Any]]:
        """What is in the log, in the order of its times."""
        with duckdb.connect() as connection:
            table = EventStore(self.log).relation(connection).to_arrow_table()
        return sorted(table.to_pylist(), key=lambda row: row["at"])

    def lost(self) -> dict[str, int]:
        """Exposures that could not be recorded."""
        return EventStore(self.log).lost()

    async def end(self) -> None:
        """Stops it as a signal would; the loop's work, not the test's."""
        if not self._stopped:
            self._stopped = True
            await self._router.stop()

    def stop(self) -> None:
        """Stops it, and asks no more."""
        self._channel.close()
        self._loop.run(self.end())
