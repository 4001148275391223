"""A server as a program: its log, and the signals that end it."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Iterable
from typing import Protocol

_SWITCH_SECONDS = 0.0005

log = logging.getLogger(__name__)


class Startable(Protocol):
    """What starts, answers, and stops when its running requests have ended."""

    async def start(self) -> None:
        """Takes requests from its end on."""

    async def stop(self, grace: float | None = None) -> None:
        """Refuses new requests and lets running ones end."""


def log_to_standard_error() -> None:
    """Shows what servers log, with the time."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        logging.Formatter(
            "%(asctime)s %(levelname)s %(message)s %(detail)s",
            defaults={"detail": ""},  # records of progress have one
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler])


async def live(server: Startable, places: Iterable[tuple[str, str]]) -> None:
    """Runs a server until the process is told to stop (SIGTERM or SIGINT).

    Args:
        server: not started yet.
        places: what it speaks, and at which address.

    Raises:
        Exception: it cannot start.
    """
    # While other threads work, requests wait for their turn with the interpreter.
    sys.setswitchinterval(_SWITCH_SECONDS)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(server.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        return
    try:
        await starting
    finally:
        stopping.cancel()
    for what, place in places:
        log.info("%s on %s", what, place)
    await stop.wait()
    log.info("Stopping: running requests end first")
    for number in (signal.SIGTERM, signal.SIGINT):  # a second one ends it at once
        loop.remove_signal_handler(number)
    await server.stop()
