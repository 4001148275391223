"""What a router is told when it starts."""

import pathlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from clickwright.experiments.events.log_options import LogOptions
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.strict_yaml import StrictModel


def _address(value: str) -> str:
    if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}", value):
        raise ValueError(f"must be `host:port`. Received: {value!r}")
    return value


_Port = Annotated[int, Field(ge=0, le=65535)]
Address = Annotated[str, pydantic.AfterValidator(_address)]


class RouterOptions(StrictModel):
    """Flags of a router; those that a model server has too carry the same names."""

    experiments: pathlib.Path
    """Folder of the experiments' YAML files."""
    log: pathlib.Path
    """Folder that the exposures are written to."""
    server: Address = "127.0.0.1:8500"
    """gRPC of the model server."""
    rest_server: Address = "127.0.0.1:8501"
    """HTTP of the model server."""
    model_servers: Mapping[str, Address] = {}
    """gRPC of models that another server has, by the model's name."""
    model_rest_servers: Mapping[str, Address] = {}
    """HTTP of these models."""
    host: str = "127.0.0.1"
    """Address to listen on. Callers are not authenticated: the default serves this
    machine alone."""
    port: _Port = 8600
    """TCP port for gRPC; 0: none."""
    rest_api_port: _Port = 8601
    """TCP port for HTTP, which also has the metrics; 0: none."""
    max_timeout_in_ms: Annotated[int, Field(gt=0)] = 30_000
    """Longest that a request may take, whatever deadline its caller gives."""
    arm_timeout_share: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """Part of a request's time that its arm may take; the rest is left for control."""
    max_message_bytes: Annotated[int, Field(gt=0, lt=2**31)] = 64 * 2**20
    """Size of a request and of an answer at most."""
    max_in_flight: Annotated[int, Field(gt=0)] = 256
    """Requests under way at most; more are refused at once."""
    max_hops: Annotated[int, Field(gt=0)] = 3
    """Routers that a request may pass; one that goes round in a circle ends here."""
    max_logged_scores: Annotated[int, Field(ge=0, le=30_000)] = 1000
    """An exposure holds the scores of at most so many candidates; 0: never any."""
    shadow_wait_in_ms: Annotated[float, Field(ge=0)] = 10.0
    """Longest that an answer waits for its shadow, so that the exposure tells how they
    differ. Shadows that take longer are in the metrics alone."""
    on_log_failure: Literal["error", "control"] = "control"
    """What is answered while exposures cannot be written: an error, or control without
    exposure."""
    reload_seconds: Annotated[float, Field(ge=0)] = 1.0
    """How often the experiments are looked at; 0: once, at the start."""
    log_sync: Literal["interval", "always", "never"] = "interval"
    """When exposures reach the disk; see `LogOptions`."""
    log_segment_seconds: Annotated[float, Field(gt=0)] = 600.0
    """How old a segment of the log grows before it becomes Parquet."""
    log_max_bytes: Annotated[int, Field(ge=1)] = 64 * 2**30
    """Size of the log's folder at most."""
    shutdown_grace_seconds: Annotated[float, Field(ge=0)] = 15
    """How long running requests may go on after the router is told to stop."""

    def log_options(self) -> LogOptions:
        """Returns how the exposures are kept."""
        return LogOptions(
            sync=self.log_sync,
            segment_seconds=self.log_segment_seconds,
            max_bytes=self.log_max_bytes,
        )

    @pydantic.model_validator(mode="after")
    def _can_route(self) -> Self:
        if not self.port and not self.rest_api_port:
            raise ValueError("give --port or --rest_api_port")
        if self.port and self.port == self.rest_api_port:
            raise ValueError("--port and --rest_api_port must differ")
        return self


def router_options(flags: Mapping[str, Any]) -> RouterOptions:
    """Returns the options that flags give.

    Args:
        flags: by name; `model_server` and `model_rest_server` are lists of
            `model=host:port`.

    Raises:
        ConfigError: a flag breaks its rule, or does not go with another.
    """
    given = dict(flags)
    for name in ("model_server", "model_rest_server"):
        given[f"{name}s"] = _pairs(name, given.pop(name, ()))
    try:
        return RouterOptions.model_validate(given)
    except pydantic.ValidationError as error:
        said = "; ".join(
            f"--{e['loc'][0]}: {e['msg']}" if e["loc"] else str(e["ctx"]["error"])
            for e in error.errors()
        )
        raise ConfigError(
            f"The router cannot start: {said}.",
            where="clickwright route",
            fix="see `clickwright route --help`",
        ) from error


def _pairs(flag: str, values: Any) -> dict[str, str]:
    found = {}
    for value in values or ():
        name, equals, place = value.partition("=")
        if not (name and equals and place):
            raise ConfigError(
                f"--{flag} must be `model=host:port`. Received: {value!r}.",
                where="clickwright route",
                fix="see `clickwright route --help`",
            )
        found[name] = place
    return found
