"""What a model server is told when it starts."""

import pathlib
from collections.abc import Mapping
from typing import Annotated, Any, Self

import pydantic
from pydantic import Field

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.strict_yaml import StrictModel

_Port = Annotated[int, Field(ge=0, le=65535)]


class ServerOptions(StrictModel):
    """Flags of a model server; those that TF Serving has carry its names.

    References:
        main.cc and server.h of TensorFlow Serving's `model_servers`.
    """

    host: str = "127.0.0.1"
    """Address to listen on. Callers are not authenticated: the default serves this
    machine alone."""
    port: _Port = 8500
    """TCP port for gRPC; 0: none."""
    grpc_socket_path: str = ""
    """UNIX socket for gRPC, beside the port; empty: none."""
    grpc_channel_arguments: str = ""
    """For gRPC's core, as in `grpc.max_connection_age_ms=2000,grpc.x=y`."""
    rest_api_port: _Port = 8501
    """TCP port for HTTP; 0: none."""
    rest_api_timeout_in_ms: Annotated[int, Field(gt=0)] = 30_000
    """Longest that an HTTP request may take, from its first byte on."""
    rest_api_enable_cors_support: bool = False
    """Whether pages of other origins may call the HTTP port."""
    model_config_file: pathlib.Path | None = None
    """`ModelServerConfig` in text format; then `model_name` and `model_base_path` say
    nothing."""
    model_config_file_poll_wait_seconds: Annotated[float, Field(ge=0)] = 0
    """How often that file is read again; 0: never."""
    model_name: str = "default"
    """Name of the one model, where there is no config file."""
    model_base_path: pathlib.Path | None = None
    """Folder with a folder for each of its versions."""
    file_system_poll_wait_seconds: Annotated[float, Field(ge=0)] = 1
    """How often versions are looked for; 0: once, at the start."""
    max_num_load_retries: Annotated[int, Field(ge=0)] = 5
    """How often a version that failed to load is tried again."""
    load_retry_interval_micros: Annotated[int, Field(ge=0)] = 60_000_000
    """Time between these tries."""
    allow_version_labels_for_unavailable_models: bool = False
    """Whether a new label may point to a version that is not loaded yet."""
    enable_model_warmup: bool = True
    """Whether a version runs its warm-up requests before it takes others."""
    enable_batching: bool = False
    """Whether requests that arrive together run together."""
    batching_parameters_file: pathlib.Path | None = None
    """`BatchingParameters` in text format."""
    monitoring_config_file: pathlib.Path | None = None
    """`MonitoringConfig` in text format: the path of the metrics, if they are to be
    shown at all. Without it they are, at TF Serving's path."""
    tensorflow_intra_op_parallelism: Annotated[int, Field(ge=0)] = 0
    """Threads of one operation; 0: one. Requests run beside each other, and sharing out
    the small operations of click models takes longer than it saves."""
    tensorflow_inter_op_parallelism: Annotated[int, Field(ge=0)] = 0
    """Operations of a request at the same time; 0: one, on the request's thread."""
    max_message_bytes: Annotated[int, Field(gt=0, lt=2**31)] = 64 * 2**20
    """Size of a request at most, and of each of its tensors in memory."""
    max_candidates: Annotated[int, Field(gt=0)] = 100_000
    """Rows of a request at most."""
    shutdown_grace_seconds: Annotated[float, Field(ge=0)] = 15
    """How long running requests may go on after the server is told to stop."""

    def channel_arguments(self) -> list[tuple[str, int | str]]:
        """Returns what `grpc_channel_arguments` says, numbers as numbers."""
        pairs = [
            argument.strip().partition("=")
            for argument in self.grpc_channel_arguments.split(",")
            if argument.strip()
        ]
        return [
            (key, int(value) if value.lstrip("-").isdecimal() else value)
            for key, _, value in pairs
        ]

    @pydantic.model_validator(mode="after")
    def _can_serve(self) -> Self:
        if self.model_config_file is None and self.model_base_path is None:
            raise ValueError("give --model_config_file, or --model_base_path")
        if not self.port and not self.grpc_socket_path:
            raise ValueError("give --port or --grpc_socket_path")
        if self.port and self.port == self.rest_api_port:
            raise ValueError("--port and --rest_api_port must differ")
        if self.batching_parameters_file is not None and not self.enable_batching:
            raise ValueError("--batching_parameters_file needs --enable_batching")
        return self


def server_options(flags: Mapping[str, Any]) -> ServerOptions:
    """Returns the options that flags give.

    Raises:
        ConfigError: a flag breaks its rule, or does not go with another.
    """
    try:
        return ServerOptions.model_validate(dict(flags))
    except pydantic.ValidationError as error:
        said = "; ".join(
            f"--{e['loc'][0]}: {e['msg']}" if e["loc"] else str(e["ctx"]["error"])
            for e in error.errors()
        )
        raise ConfigError(
            f"The server cannot start: {said}.",
            where="clickwright serve",
            fix="see `clickwright serve --help`",
        ) from error
