"""TensorFlow Serving's REST API, answered by the model servers behind a router."""

import asyncio
from collections.abc import Callable

import grpc
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from clickwright.serving.router import headers as names
from clickwright.serving.router.call import Call
from clickwright.serving.router.headers import Headers
from clickwright.serving.router.options import RouterOptions
from clickwright.serving.router.rest_call import RestCall
from clickwright.serving.router.rest_question import RestQuestion
from clickwright.serving.router.rest_servers import RestServers
from clickwright.serving.router.routing import Routing
from clickwright.serving.router.versions import Versions
from clickwright.serving.server.metrics import PATH
from clickwright.serving.server.rest_paths import (
    GET,
    HEALTH_PATH,
    POST,
    STATUS,
    error_text,
    spec_of,
)
from clickwright.serving.server.serving_error import ServingError


class RestProxy:
    """The HTTP application: TensorFlow Serving's paths, health and metrics.

    Args:
        routing: says who answers.
        servers: the model servers.
        versions: says which version answers for a target.
        options: the router's flags.
        healthy: tells whether requests can be answered.
    """

    def __init__(
        self,
        routing: Routing,
        servers: RestServers,
        versions: Versions,
        options: RouterOptions,
        healthy: Callable[[], bool],
    ) -> None:
        self._routing = routing
        self._servers = servers
        self._versions = versions
        self._options = options
        self._healthy = healthy
        self.app = web.Application(client_max_size=options.max_message_bytes)
        self.app.router.add_get(PATH, self._show_metrics)
        self.app.router.add_get(HEALTH_PATH, self._show_health)
        self.app.router.add_route("*", "/v1/{path:.*}", self._handle)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._routing.metrics.text(),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )

    async def _show_health(self, request: web.Request) -> web.Response:
        good = self._healthy()
        return web.Response(
            text="ok\n" if good else "not ready\n", status=200 if good else 503
        )

    async def _handle(self, request: web.Request) -> web.Response:
        said: dict[str, str] = {}
        status, body = 200, b""
        seconds = self._options.max_timeout_in_ms / 1000
        try:
            async with asyncio.timeout(seconds):
                body = await self._answer(request, seconds, said)
        except ServingError as error:
            status = STATUS.get(error.code, 500)
            body = error_text(error.message).encode()
        except TimeoutError:
            status, body = 504, error_text("Timed out.").encode()
        except web.HTTPRequestEntityTooLarge as error:
            text = error.text or "The request is too large."
            status, body = 413, error_text(text).encode()
        return web.Response(
            body=body, status=status, content_type="application/json", headers=said
        )

    async def _answer(
        self, request: web.Request, seconds: float, said: dict[str, str]
    ) -> bytes:
        """Returns the answer, and puts into `said` the headers that go with it."""
        headers = Headers([(name.lower(), x) for name, x in request.headers.items()])
        said[names.REQUEST_ID] = headers.request_id
        forwarded = dict(headers.forwarded(self._options.max_hops))
        call = await self._call(request, forwarded)
        routed = await self._routing.answer(call, headers, seconds)
        if routed.experiment is not None:
            said[names.EXPERIMENT] = routed.experiment
            said[names.VARIANT] = str(routed.variant)
        body: bytes = routed.reply.body
        return body

    async def _call(self, request: web.Request, forwarded: dict[str, str]) -> Call:
        path = request.rel_url.raw_path
        if request.method == "POST" and (found := POST.fullmatch(path)):
            *model, method = found.groups()
            return RestCall(
                spec_of(*model),
                method.lower(),
                path,
                await request.read(),
                forwarded,
                self._servers,
                self._versions,
                self._options.max_logged_scores,
            )
        if request.method == "GET" and (found := GET.fullmatch(path)):
            *model, part = found.groups()
            spec = spec_of(*model)
            if spec.name:
                part = (part or "").lower()
                return RestQuestion(spec, part, path, forwarded, self._servers)
        raise ServingError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"Malformed request: {request.method} {path}",
        )
