"""A router: gRPC and HTTP before the model servers of an experiment."""

import asyncio
import logging
import os
import socket

import grpc
from aiohttp import web

from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.experiment_book import ExperimentBook
from clickwright.schemas.errors import ConfigError
from clickwright.serving.router.clock import Now
from clickwright.serving.router.grpc_proxy import GrpcProxy
from clickwright.serving.router.options import RouterOptions
from clickwright.serving.router.rest_proxy import RestProxy
from clickwright.serving.router.rest_servers import RestServers
from clickwright.serving.router.routing import Routing
from clickwright.serving.router.upstreams import Upstreams
from clickwright.serving.router.versions import Versions
from clickwright.serving.server.health_service import HealthService
from clickwright.serving.server.startup import (
    LARGE_MESSAGES,
    address,
    bound,
    taken,
)

_IDLE_SECONDS = 75
"""An HTTP connection on which nothing comes for so long is closed."""
_MAX_HEADER_BYTES = 16 * 1024

log = logging.getLogger(__name__)


class Router:
    """A router in the event loop that starts it.

    Args:
        options: its flags.
        now: the time that experiments run by, for simulations; the machine's when None.
    """

    def __init__(self, options: RouterOptions, now: Now | None = None) -> None:
        self._options = options
        self._now = now
        self._book: ExperimentBook | None = None
        self._exposures: EventLog | None = None
        self._routing: Routing | None = None
        self._upstreams: Upstreams | None = None
        self._servers: RestServers | None = None
        self._grpc: grpc.aio.Server | None = None
        self._http: web.AppRunner | None = None
        self._health = HealthService(self._healthy)
        self._reloader: asyncio.Task[None] | None = None
        self._taken = False

    async def start(self) -> None:
        """Reads the experiments, opens the log, then takes requests.

        Raises:
            ConfigError: the experiments break a rule, or another writes the log.
            MachineError: a port is taken, or the log cannot be written.
        """
        options = self._options
        book = self._book = (
            ExperimentBook(options.experiments)
            if self._now is None
            else ExperimentBook(options.experiments, clock=self._now)
        )
        _check_secrets(book)
        http_socket = self._bind_http()
        try:
            self._exposures = EventLog(options.log, "exposure", options.log_options())
            routing = self._routing = Routing(book, self._exposures, options, self._now)
            await self._open(routing, http_socket)
        except BaseException:
            if http_socket is not None and self._http is None:
                http_socket.close()
            await self.stop(0)
            raise
        self._taken = True
        self._health.start()
        if options.reload_seconds:
            self._reloader = asyncio.create_task(self._reload(book, routing))

    async def stop(self, grace: float | None = None) -> None:
        """Refuses new requests, lets running ones end, and closes the log.

        Args:
            grace: seconds that running requests have; None: as the options say.
        """
        if grace is None:
            grace = self._options.shutdown_grace_seconds
        self._taken = False
        await self._health.stop()
        if self._reloader is not None:
            self._reloader.cancel()
            await asyncio.gather(self._reloader, return_exceptions=True)
        await asyncio.gather(
            *([self._grpc.stop(grace)] if self._grpc else []),
            *([self._http.cleanup()] if self._http else []),
        )
        if self._routing is not None:
            await self._routing.close()
        if self._servers is not None:
            await self._servers.close()
        if self._upstreams is not None:
            await self._upstreams.close()
        if self._exposures is not None:
            await asyncio.to_thread(self._exposures.close)

    async def _open(self, routing: Routing, http_socket: socket.socket | None) -> None:
        options = self._options
        upstreams = self._upstreams = Upstreams(options)
        if options.port:
            server = self._grpc = grpc.aio.server(
                options=[
                    ("grpc.max_receive_message_length", options.max_message_bytes),
                    ("grpc.max_send_message_length", -1),
                    ("grpc.max_metadata_size", _MAX_HEADER_BYTES),
                    ("grpc.so_reuseport", 0),  # or two routers would share a port
                    *LARGE_MESSAGES,
                ]
            )
            place = address(options.host, options.port)
            try:
                free = server.add_insecure_port(place)
            except RuntimeError:
                free = 0
            if not free:
                raise taken(place, "port")
            GrpcProxy(routing, upstreams, options).add_to(server)
            self._health.add_to(server)
            await server.start()
        if http_socket is None:
            return
        servers = self._servers = RestServers(options)
        proxy = RestProxy(routing, servers, Versions(upstreams), options, self._healthy)
        self._http = web.AppRunner(
            proxy.app,
            handle_signals=False,
            access_log=None,
            shutdown_timeout=options.shutdown_grace_seconds,
            keepalive_timeout=_IDLE_SECONDS,
        )
        await self._http.setup()
        await web.SockSite(self._http, http_socket).start()

    def _bind_http(self) -> socket.socket | None:
        options = self._options
        if not options.rest_api_port:
            return None
        made = bound(options.host, options.rest_api_port, "rest_api_port")
        made.listen(128)  # from here on a second router cannot take it
        return made

    async def _reload(self, book: ExperimentBook, routing: Routing) -> None:
        """Follows the folder of experiments; one that is refused changes nothing."""
        told = None
        while True:
            await asyncio.sleep(self._options.reload_seconds)
            try:
                error = await asyncio.to_thread(book.reload)
            except Exception:
                log.exception("The experiments cannot be read")
                continue
            routing.metrics.config_refused(error is not None)
            if error is not None and str(error) != told:
                log.error("The experiments stay as they were. %s", error)
            told = None if error is None else str(error)

    def _healthy(self) -> bool:
        return self._taken and self._upstreams is not None and self._upstreams.ready()


def _check_secrets(book: ExperimentBook) -> None:
    for experiment in book.experiments.values():
        privacy = experiment.privacy
        if privacy.hash_units and not os.environ.get(privacy.secret_env):
            raise ConfigError(
                "`privacy.hash_units` needs a secret, and the environment variable "
                f"{privacy.secret_env} is not set.",
                where=f"experiment `{experiment.id}`",
                fix="set it for the router, and keep it out of files",
            )
