"""A model server as a program."""

import asyncio
import logging

from clickwright.serving.server.options import ServerOptions
from clickwright.serving.server.startup import check_ports, configured


def run(options: ServerOptions) -> None:
    """Runs a server in this process until it is told to stop.

    Raises:
        ClickwrightError: it cannot start.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(
        logging.Formatter(
            "%(asctime)s %(levelname)s %(message)s %(detail)s",
            defaults={"detail": ""},  # records of progress have one
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    # TensorFlow takes its time; what is wrong with the flags shows before.
    configured(options)
    check_ports(options)
    from clickwright.serving.server.server import serve

    asyncio.run(serve(options))
