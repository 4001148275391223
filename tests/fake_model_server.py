"""A model server without models: what it answers is said by the test."""

import asyncio
import concurrent.futures
import dataclasses
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc
import numpy as np
from aiohttp import web

from clickwright.serving.router import messages

_T = TypeVar("_T")
LABELS = {"": 3, "stable": 1, "canary": 2}
"""The version that answers for a label; without one, the newest."""


class LoopThread:
    """An event loop beside the test's own thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        """Lets it run there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Runs it to its end there."""
        return self.start(work).result(60)

    def close(self) -> None:
        """Ends the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclasses.dataclass
class Behaviour:
    """How a version answers.

    Attributes:
        scores: of the candidates.
        error: given instead of an answer.
        held: an answer waits until it is set; None: it does not wait.
    """

    scores: tuple[float, ...] = (0.5, 0.25)
    error: grpc.StatusCode | None = None
    held: asyncio.Event | None = None


@dataclasses.dataclass
class Asked:
    """A request that arrived: its method, bytes, model, version, metadata, time left."""

    method: str
    raw: bytes
    model: str
    version: int
    metadata: dict[str, str]
    left: float | None


class FakeModelServer:
    """Answers TensorFlow Serving's gRPC and REST.

    Attributes:
        labels: the version of each label; a test moves them.
        versions: how each version answers; one that is not there is not found.
        asked: what arrived, in order.
        grpc: its gRPC address.
        rest: its HTTP address.
    """

    def __init__(self) -> None:
        self.labels = dict(LABELS)
        self.versions = {version: Behaviour() for version in LABELS.values()}
        self.asked: list[Asked] = []
        self.grpc = self.rest = ""

    def asked_of(self, method: str) -> list[int]:
        """The versions that were asked, in order."""
        return [asked.version for asked in self.asked if asked.method == method]

    async def start(self) -> None:
        """Takes requests from its end on."""
        self._grpc = grpc.aio.server()
        services = {
            "PredictionService": (
                "Predict",
                "Classify",
                "Regress",
                "MultiInference",
                "GetModelMetadata",
            ),
            "ModelService": ("GetModelStatus", "HandleReloadConfigRequest"),
        }
        for service, methods in services.items():
            handlers = {
                name: grpc.unary_unary_rpc_method_handler(self._handler(name))
                for name in methods
            }
            self._grpc.add_generic_rpc_handlers(
                [
                    grpc.method_handlers_generic_handler(
                        f"tensorflow.serving.{service}", handlers
                    )
                ]
            )
        self.grpc = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        await self._grpc.start()
        app = web.Application()
        app.router.add_route("*", "/v1/{path:.*}", self._rest)
        self._http = web.AppRunner(app, access_log=None)
        await self._http.setup()
        await web.TCPSite(self._http, "127.0.0.1", 0).start()
        self.rest = "{}:{}".format(*self._http.addresses[0][:2])

    async def stop(self) -> None:
        """Ends all calls."""
        await self._grpc.stop(0)
        await self._http.cleanup()

    def _handler(self, method: str) -> Any:
        async def handle(raw: bytes, context: grpc.aio.ServicerContext) -> bytes:
            if method == "MultiInference":
                spec = (
                    messages.MultiInferenceRequest.FromString(raw).tasks[0].model_spec
                )
            else:
                spec = messages.Request.FromString(raw).model_spec
            version = self._version(spec)
            metadata = dict(context.invocation_metadata())
            left = context.time_remaining()
            self.asked.append(Asked(method, raw, spec.name, version, metadata, left))
            behaviour = self.versions.get(version)
            if behaviour is None:
                await context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
                raise AssertionError  # `abort` has raised
            if behaviour.held is not None:
                await behaviour.held.wait()
            if behaviour.error is not None:
                await context.abort(behaviour.error, "it was told to fail")
            return _answer(method, spec.name, version, behaviour)

        return handle

    async def _rest(self, request: web.Request) -> web.Response:
        path = request.path
        version = self.labels[""]
        if "/versions/" in path:
            version = int(path.split("/versions/")[1].split(":")[0].split("/")[0])
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(f"REST {path}", body, "", version, headers, None))
        behaviour = self.versions.get(version)
        if behaviour is None:
            return web.json_response({"error": "Servable not found"}, status=404)
        if behaviour.held is not None:
            await behaviour.held.wait()
        if behaviour.error is not None:
            return web.json_response({"error": "it was told to fail"}, status=503)
        return web.json_response({"predictions": list(behaviour.scores)})

    def _version(self, spec: Any) -> int:
        if spec.HasField("version"):
            return int(spec.version.value)
        return self.labels.get(spec.version_label, -1)


def request_bytes(label: str = "", model: str = "ctr", **inputs: Any) -> bytes:
    """A `PredictRequest`; inputs are lists of text or of integers."""
    request = messages.Request()
    request.model_spec.name = model
    if label:
        request.model_spec.version_label = label
    given = messages.PredictInputs()
    for name, values in inputs.items():
        tensor = given.inputs[name]
        tensor.tensor_shape.dim.add(size=len(values))
        if isinstance(values[0], str):
            tensor.dtype = 7
            tensor.string_val.extend(value.encode() for value in values)
        else:
            tensor.dtype = 9
            tensor.tensor_content = np.array(values, "<i8").tobytes()
    raw: bytes = request.SerializeToString() + given.SerializeToString()
    return raw


def _answer(method: str, model: str, version: int, behaviour: Behaviour) -> bytes:
    found: Any
    if method == "Predict":
        found = messages.PredictAnswer()
        tensor = found.outputs["probability"]
        tensor.dtype = 1
        tensor.tensor_shape.dim.add(size=len(behaviour.scores))
        tensor.float_val.extend(behaviour.scores)
    elif method == "Regress":
        found = messages.RegressAnswer()
        for score in behaviour.scores:
            found.result.regressions.add(value=score)
    elif method == "Classify":
        found = messages.ClassifyAnswer()
        found.result.classifications.extend(b"" for _ in behaviour.scores)
    elif method == "MultiInference":
        found = messages.MultiInferenceAnswer()
        found.results.add().model_spec.version.value = version
        return bytes(found.SerializeToString())
    else:
        found = messages.Answer()
    found.model_spec.name = model
    found.model_spec.version.value = version
    return bytes(found.SerializeToString())
