"""TensorFlow Serving's REST API, version 1; see `rest_paths`."""

import asyncio
from collections.abc import Callable

import grpc
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    regression_pb2,
)

from clickwright.serving.server import json_tensors
from clickwright.serving.server.calls import Calls, guarded
from clickwright.serving.server.inference import SIGNATURE_DEF, Inference
from clickwright.serving.server.metrics import CONTENT_TYPE, PATH, Metrics
from clickwright.serving.server.rest_paths import (
    GET,
    HEALTH_PATH,
    POST,
    STATUS,
    error_text,
    spec_of,
)
from clickwright.serving.server.serving_error import ServingError

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


class RestApi:
    """The HTTP application.

    Beside TensorFlow Serving's paths it has `/healthz`, which answers 200 while every
    model has a version that answers, and 503 else and when the server is stopping.

    Args:
        inference: answers.
        calls: counts and times the calls.
        metrics: shown to Prometheus.
        max_bytes: of a request's body.
        timeout: of a request, in seconds, with the time that its body takes.
        cors: whether pages of other origins may call.
        healthy: tells whether requests can be answered.
        metrics_path: where Prometheus finds the metrics; empty: nowhere.
    """

    def __init__(
        self,
        inference: Inference,
        calls: Calls,
        metrics: Metrics,
        *,
        max_bytes: int,
        timeout: float,
        cors: bool,
        healthy: Callable[[], bool],
        metrics_path: str = PATH,
    ) -> None:
        self._inference = inference
        self._calls = calls
        self._metrics = metrics
        self._timeout = timeout
        self._cors = cors
        self._healthy = healthy
        self.app = web.Application(client_max_size=max_bytes)
        if metrics_path:
            self.app.router.add_get(metrics_path, self._show_metrics)
        self.app.router.add_get(HEALTH_PATH, self._show_health)
        self.app.router.add_route("*", "/v1/{path:.*}", self._handle)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE}
        )

    async def _show_health(self, request: web.Request) -> web.Response:
        good = self._healthy()
        return web.Response(
            text="ok\n" if good else "not ready\n", status=200 if good else 503
        )

    async def _handle(self, request: web.Request) -> web.Response:
        headers = _CORS if self._cors else {}
        if request.method == "OPTIONS" and "Origin" in request.headers:
            return web.Response(headers=headers)
        try:
            async with asyncio.timeout(self._timeout):
                text = await self._answer(request)
            status = 200
        except ServingError as error:
            text, status = error_text(error.message), STATUS.get(error.code, 500)
        except TimeoutError:
            text, status = error_text("Timed out."), 504
        except web.HTTPRequestEntityTooLarge as error:
            text, status = error_text(error.text or "The request is too large."), 413
        return web.Response(
            text=text, status=status, content_type="application/json", headers=headers
        )

    async def _answer(self, request: web.Request) -> str:
        path = request.rel_url.raw_path
        if request.method == "POST" and (found := POST.fullmatch(path)):
            *model, method = found.groups()
            spec = spec_of(*model)
            body = await request.read()
            method = method.lower()
            call = {
                "predict": self._predict,
                "classify": self._classify,
                "regress": self._regress,
            }[method]
            return await self._calls.counted(
                call(spec, body), method.capitalize(), "REST", spec.name
            )
        if request.method == "GET" and (found := GET.fullmatch(path)):
            *model, part = found.groups()
            spec = spec_of(*model)
            if not spec.name:
                raise _invalid("Missing model name in request.")
            about = self._metadata(spec) if part else self._status(spec)
            return await guarded(about)
        raise _invalid(f"Malformed request: {request.method} {path}")

    async def _predict(self, spec: model_pb2.ModelSpec, body: bytes) -> str:
        given = json_tensors.parse(body)
        spec.signature_name = json_tensors.signature_of(given)
        answer = await self._inference.predict_arrays(
            spec, lambda inputs: json_tensors.tensors(given, inputs)
        )
        if "instances" in given:
            return json_tensors.by_row(answer)
        return json_tensors.by_column(answer)

    async def _classify(self, spec: model_pb2.ModelSpec, body: bytes) -> str:
        given = json_tensors.parse(body)
        spec.signature_name = json_tensors.signature_of(given)
        response = await self._inference.classify(
            classification_pb2.ClassificationRequest(
                model_spec=spec, input=json_tensors.example_input(given)
            )
        )
        return json_tensors.classification_json(response.result)

    async def _regress(self, spec: model_pb2.ModelSpec, body: bytes) -> str:
        given = json_tensors.parse(body)
        spec.signature_name = json_tensors.signature_of(given)
        response = await self._inference.regress(
            regression_pb2.RegressionRequest(
                model_spec=spec, input=json_tensors.example_input(given)
            )
        )
        return json_tensors.regression_json(response.result)

    async def _status(self, spec: model_pb2.ModelSpec) -> str:
        response = await self._inference.status(
            get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        )
        return _proto_json(response)

    async def _metadata(self, spec: model_pb2.ModelSpec) -> str:
        response = await self._inference.metadata(
            get_model_metadata_pb2.GetModelMetadataRequest(
                model_spec=spec, metadata_field=[SIGNATURE_DEF]
            )
        )
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[SIGNATURE_DEF].Unpack(signatures)
        return (
            f'{{\n"model_spec":{_proto_json(response.model_spec)},\n"metadata": '
            f'{{"signature_def": {_proto_json(signatures)}}}\n}}\n'
        )


def _proto_json(message: Message) -> str:
    return json_format.MessageToJson(
        message,
        indent=1,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def _invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)
