"""TensorFlow Serving's services, answered by the model servers behind a router."""

import grpc

from clickwright.serving.router import headers as names
from clickwright.serving.router.grpc_call import GrpcCall
from clickwright.serving.router.headers import Headers
from clickwright.serving.router.methods import METHODS, Method
from clickwright.serving.router.options import RouterOptions
from clickwright.serving.router.routing import Routed, Routing
from clickwright.serving.router.upstreams import Upstreams
from clickwright.serving.server.calls import shortened
from clickwright.serving.server.serving_error import ServingError


class GrpcProxy:
    """Takes bytes and gives bytes: no tensor is read that no exposure needs.

    Args:
        routing: says who answers.
        upstreams: the model servers.
        options: the router's flags.
    """

    def __init__(
        self, routing: Routing, upstreams: Upstreams, options: RouterOptions
    ) -> None:
        self._routing = routing
        self._upstreams = upstreams
        self._options = options

    def add_to(self, server: grpc.aio.Server) -> None:
        """Makes the services part of a server, before that starts.

        `HandleReloadConfigRequest` is not among them: who may ask for scores may not
        change what is served.
        """
        services: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
        for method in METHODS:
            handler = grpc.unary_unary_rpc_method_handler(self._handler(method))
            services.setdefault(method.service, {})[method.name] = handler
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(service, handlers)
                for service, handlers in services.items()
            ]
        )

    def _handler(self, method: Method) -> object:
        async def handle(raw: bytes, context: grpc.aio.ServicerContext) -> bytes:
            try:
                headers = Headers(context.invocation_metadata() or ())
            except ServingError as error:
                return await context.abort(error.code, shortened(error.message))
            told = [(names.REQUEST_ID, headers.request_id)]
            try:
                routed = await self._answer(method, raw, headers, context)
            except ServingError as error:
                context.set_trailing_metadata(told)
                return await context.abort(error.code, shortened(error.message))
            if routed.experiment is not None:
                told.append((names.EXPERIMENT, routed.experiment))
                told.append((names.VARIANT, str(routed.variant)))
            context.set_trailing_metadata(told)
            reply: bytes = routed.reply
            return reply

        return handle

    async def _answer(
        self,
        method: Method,
        raw: bytes,
        headers: Headers,
        context: grpc.aio.ServicerContext,
    ) -> Routed:
        options = self._options
        call = GrpcCall(
            method,
            raw,
            headers.forwarded(options.max_hops),
            self._upstreams,
            options.max_logged_scores,
        )
        seconds = options.max_timeout_in_ms / 1000
        left = context.time_remaining()
        if left is not None:
            seconds = min(seconds, left)
        return await self._routing.answer(call, headers, seconds)
