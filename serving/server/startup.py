"""What can be wrong with a server's flags, looked at before TensorFlow is imported."""

import socket

from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from clickwright.schemas.errors import ConfigError, MachineError
from clickwright.serving.server.model_config import read_model_config, single_model
from clickwright.serving.server.options import ServerOptions

LARGE_MESSAGES = (
    ("grpc.http2.lookahead_bytes", 4 * 2**20),
    ("grpc.http2.max_frame_size", 2**20),
)
"""gRPC's options for who receives requests of 100 kB and more: by default these come
in frames of 16 kB, and wait for the receiver after each 64 kB."""


def configured(options: ServerOptions) -> ModelServerConfig:
    """Returns what is to be served at the start.

    Raises:
        ConfigError: the config file cannot be used, or there is nothing to serve.
    """
    if options.model_config_file is not None:
        return read_model_config(options.model_config_file)
    if options.model_base_path is None:
        raise ConfigError(
            "There is no model to serve.",
            fix="give a config file or the base path of a model",
        )
    return single_model(options.model_name, options.model_base_path.resolve())


def check_ports(options: ServerOptions) -> None:
    """Refuses ports on which something listens.

    Raises:
        MachineError: one is taken, or the host is not this machine's.
    """
    for flag, port in (
        ("port", options.port),
        ("rest_api_port", options.rest_api_port),
    ):
        if port:
            bound(options.host, port, flag).close()


def bound(host: str, port: int, flag: str) -> socket.socket:
    """Returns a socket that has the address and does not listen yet.

    Args:
        host: name or number.
        port: TCP's.
        flag: that gave the port.

    Raises:
        MachineError: it is taken, or the host is not this machine's.
    """
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise taken(address(host, port), flag) from error
    return made


def address(host: str, port: int) -> str:
    """Returns `host:port`, with brackets where the host is an IPv6 number."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def taken(place: str, flag: str) -> MachineError:
    """Returns what to tell a user whose server cannot listen there."""
    return MachineError(
        f"The address {place} is taken or not this machine's.",
        where=f"--{flag}",
        fix="stop the server that listens there, or choose another port or host",
    )
