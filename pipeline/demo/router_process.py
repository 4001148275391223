"""A router in a process of its own, on a simulated clock."""

import multiprocessing
import os
import pathlib
import signal
import socket
import threading
import time
from typing import Self

import grpc

from clickwright.pipeline.demo.simulated_clock import SimulatedClock
from clickwright.schemas.errors import MachineError
from clickwright.serving.router.options import RouterOptions

_READY_SECONDS = 60.0
_GRACE = 20.0
_LAST_CHARACTERS = 800


class RouterProcess:
    """Routes for as long as the context lasts; the log is closed at its end.

    It starts with the context, and takes requests after `wait`.

    Args:
        experiments: folder of the definitions.
        log: folder of the exposures.
        server: `host:port` of the model server's gRPC.
        clock: the time that the experiments run by.
        messages: file for what the router says.

    Attributes:
        grpc: its gRPC address, `host:port`.
    """

    def __init__(
        self,
        experiments: pathlib.Path,
        log: pathlib.Path,
        server: str,
        clock: SimulatedClock,
        messages: pathlib.Path,
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.grpc = f"127.0.0.1:{port}"
        self._messages = messages
        options = RouterOptions(
            experiments=experiments,
            log=log,
            server=server,
            port=port,
            rest_api_port=0,
        )
        self._process = multiprocessing.get_context("spawn").Process(
            target=_route, args=(options, clock, messages), daemon=True
        )

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def wait(self) -> None:
        """Returns once it takes requests.

        Raises:
            MachineError: it ended, or does not in time.
        """
        until = time.monotonic() + _READY_SECONDS
        with grpc.insecure_channel(
            self.grpc,
            options=[
                ("grpc.enable_http_proxy", 0),
                ("grpc.max_reconnect_backoff_ms", 200),
            ],
        ) as channel:
            ready = grpc.channel_ready_future(channel)
            while time.monotonic() < until and self._process.is_alive():
                try:
                    ready.result(timeout=0.2)
                    return
                except grpc.FutureTimeoutError:
                    continue
        said = self._messages.read_text(errors="replace")[-_LAST_CHARACTERS:]
        raise MachineError(
            f"The router does not start: {' '.join(said.split())}",
            where=str(self._messages),
            fix="mend what it says",
        )


def _route(
    options: RouterOptions, clock: SimulatedClock, messages: pathlib.Path
) -> None:
    """What the process does."""
    file = os.open(messages, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for descriptor in (1, 2):
        os.dup2(file, descriptor)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from clickwright.serving.router.run import run

    run(options, clock.now)


def _end_with_parent() -> None:
    """Ends this process when the one that started it has ended, however."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
