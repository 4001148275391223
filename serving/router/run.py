"""A router as a program."""

import asyncio
import gc

from clickwright.serving.router.clock import Now
from clickwright.serving.router.options import RouterOptions
from clickwright.serving.router.router import Router
from clickwright.serving.server.lifetime import live, log_to_standard_error
from clickwright.serving.server.startup import address


def run(options: RouterOptions, now: Now | None = None) -> None:
    """Runs a router in this process until it is told to stop.

    Args:
        options: its flags.
        now: see `Router`.

    Raises:
        ClickwrightError: it cannot start.
    """
    log_to_standard_error()
    gc.freeze()  # what the imports made stays; looking at it would hold requests up
    places = [
        (what, address(options.host, port))
        for what, port in (("gRPC", options.port), ("HTTP", options.rest_api_port))
        if port
    ]
    asyncio.run(live(Router(options, now), places))
