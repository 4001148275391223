"""A model server as a program."""

import asyncio
import logging

from clickwright.serving.server.lifetime import log_to_standard_error
from clickwright.serving.server.options import ServerOptions
from clickwright.serving.server.startup import check_ports, configured


def run(options: ServerOptions) -> None:
    """Runs a server in this process until it is told to stop.

    Raises:
        ClickwrightError: it cannot start.
    """
    log_to_standard_error()
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    # TensorFlow takes its time; what is wrong with the flags shows before.
    configured(options)
    check_ports(options)
    from clickwright.serving.server.server import serve

    asyncio.run(serve(options))
