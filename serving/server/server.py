"""A model server: gRPC and HTTP before the models of a manager."""

import asyncio
import socket

import grpc
import tensorflow as tf
from aiohttp import web
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from clickwright.schemas.errors import ConfigError
from clickwright.serving.server.batching_params import BatchingParams
from clickwright.serving.server.calls import Calls
from clickwright.serving.server.health_service import HealthService
from clickwright.serving.server.inference import Inference
from clickwright.serving.server.lifetime import live
from clickwright.serving.server.malformed_requests import MalformedRequests
from clickwright.serving.server.metrics import PATH, Metrics
from clickwright.serving.server.model_manager import ModelManager
from clickwright.serving.server.model_service import ModelService
from clickwright.serving.server.monitoring_config import prometheus_path
from clickwright.serving.server.options import ServerOptions
from clickwright.serving.server.prediction_service import PredictionService
from clickwright.serving.server.rest_api import RestApi
from clickwright.serving.server.serving_error import ServingError
from clickwright.serving.server.startup import (
    LARGE_MESSAGES,
    address,
    bound,
    configured,
    taken,
)

_IDLE_SECONDS = 75
"""An HTTP connection on which nothing comes for so long is closed."""


class Server:
    """A model server in the event loop that starts it.

    Args:
        options: its flags.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._metrics = Metrics()
        file = options.monitoring_config_file
        self._metrics_path = prometheus_path(file) if file else PATH
        self._manager: ModelManager | None = None
        self._health = HealthService(self._healthy)
        self._grpc: grpc.aio.Server | None = None
        self._http: web.AppRunner | None = None
        self._taken = False

    async def start(self) -> None:
        """Loads the models, then takes requests.

        Raises:
            ConfigError: a config file cannot be used.
            MachineError: a port is taken.
            ServingError: a model cannot be served.
        """
        options = self._options
        _set_threads(options)
        config = configured(options)
        # Before the models, which may take minutes: a taken port shows at once.
        self._grpc = grpc.aio.server(
            interceptors=[MalformedRequests()],
            options=[
                ("grpc.max_receive_message_length", options.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),  # or two servers would share a port
                *LARGE_MESSAGES,
                *options.channel_arguments(),
            ],
        )
        self._bind_grpc(self._grpc)
        http_socket = self._bind_http()
        try:
            self._manager = self._make_manager()
            await self._manager.start(config)
            await self._open(self._grpc, self._manager, http_socket)
        except BaseException:
            if http_socket is not None and self._http is None:
                http_socket.close()
            await self.stop(0)
            raise
        self._taken = True
        self._health.start()
        seconds = options.model_config_file_poll_wait_seconds
        if options.model_config_file and seconds:
            self._manager.watch(options.model_config_file, seconds)

    async def stop(self, grace: float | None = None) -> None:
        """Refuses new requests, lets running ones end, and frees the models.

        Args:
            grace: seconds that running requests have; None: as the options say.
        """
        if grace is None:
            grace = self._options.shutdown_grace_seconds
        self._taken = False
        await self._health.stop()
        await asyncio.gather(
            *([self._grpc.stop(grace)] if self._grpc else []),
            *([self._http.cleanup()] if self._http else []),
        )
        if self._manager is not None:
            await self._manager.close()

    def _make_manager(self) -> ModelManager:
        options = self._options
        batching = None
        if options.enable_batching:
            file = options.batching_parameters_file
            batching = BatchingParams.from_file(file) if file else BatchingParams()
        return ModelManager(
            batching=batching,
            metrics=self._metrics,
            file_system_poll_wait_seconds=options.file_system_poll_wait_seconds,
            max_num_load_retries=options.max_num_load_retries,
            load_retry_interval_micros=options.load_retry_interval_micros,
            allow_version_labels_for_unavailable_models=(
                options.allow_version_labels_for_unavailable_models
            ),
            enable_model_warmup=options.enable_model_warmup,
            inter_op_threads=options.tensorflow_inter_op_parallelism,
        )

    async def _open(
        self,
        server: grpc.aio.Server,
        manager: ModelManager,
        http_socket: socket.socket | None,
    ) -> None:
        options = self._options
        inference = Inference(
            manager,
            self._metrics,
            max_candidates=options.max_candidates,
            max_bytes=options.max_message_bytes,
        )
        calls = Calls(self._metrics)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(inference, calls), server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(inference, calls), server
        )
        self._health.add_to(server)
        await server.start()
        if http_socket is None:
            return
        rest = RestApi(
            inference,
            calls,
            self._metrics,
            max_bytes=options.max_message_bytes,
            timeout=options.rest_api_timeout_in_ms / 1000,
            cors=options.rest_api_enable_cors_support,
            healthy=self._healthy,
            metrics_path=self._metrics_path,
        )
        self._http = web.AppRunner(
            rest.app,
            handle_signals=False,
            access_log=None,
            shutdown_timeout=options.shutdown_grace_seconds,
            keepalive_timeout=_IDLE_SECONDS,
        )
        await self._http.setup()
        await web.SockSite(self._http, http_socket).start()

    def _bind_grpc(self, server: grpc.aio.Server) -> None:
        options = self._options
        places = [address(options.host, options.port)] if options.port else []
        if options.grpc_socket_path:
            places.append(f"unix:{options.grpc_socket_path}")
        for place in places:
            try:
                bound = server.add_insecure_port(place)
            except RuntimeError:
                bound = 0
            if not bound:
                raise taken(place, "port")

    def _bind_http(self) -> socket.socket | None:
        options = self._options
        if not options.rest_api_port:
            return None
        made = bound(options.host, options.rest_api_port, "rest_api_port")
        made.listen(128)  # from here on a second server cannot take it
        return made

    def _healthy(self) -> bool:
        return self._taken and self._manager is not None and self._manager.ready()


async def serve(options: ServerOptions) -> None:
    """Runs a server until the process is told to stop (SIGTERM or SIGINT).

    Raises:
        ClickwrightError: it cannot start.
    """
    places = [
        (what, address(options.host, port))
        for what, port in (("gRPC", options.port), ("HTTP", options.rest_api_port))
        if port
    ]
    try:
        await live(Server(options), places)
    except ServingError as error:
        raise ConfigError(
            f"Failed to start server. Error: {error}",
            where=str(options.model_config_file or options.model_base_path),
            fix="mend the model or the configuration, then start again",
        ) from error


def _set_threads(options: ServerOptions) -> None:
    """Sizes TensorFlow's pools, which the first session of a process makes."""
    threads = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=options.tensorflow_intra_op_parallelism or 1,
        inter_op_parallelism_threads=options.tensorflow_inter_op_parallelism,
    )
    tf.compat.v1.Session(graph=tf.Graph(), config=threads).close()
