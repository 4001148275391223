"""What a service needs beside the compiled pipeline to run it."""

from typing import Literal

from clickwright.pipeline.remote.remote_config import Schedule
from clickwright.pipeline.remote.target import Target
from clickwright.schemas.strict_yaml import StrictModel

DATA, SPAN = "data", "span"
"""Runtime parameters: where the log is, and which span of it is read."""
LATEST = "latest"
"""The span's default."""

PIPELINE_ROOT = "pipeline-root"
"""TFX's name for where artifacts go; every service takes it apart from the others."""

ParameterType = Literal["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN"]


class Parameter(StrictModel):
    """A runtime parameter: its type, and its value when none is given."""

    type: ParameterType
    default: str | int | float | bool | None = None
    """None: a value has to be given."""


class Submission(StrictModel):
    """How and where a compiled pipeline is to run; lies beside it as JSON.

    Written by `clickwright compile`, read by `clickwright submit` and `replay`. It
    holds no secrets.
    """

    target: Target
    clickwright_version: str
    """The version that compiled: the image has to hold the same one."""
    spec_sha256: str
    """Digest of the pipeline spec (`Compiled.digest`)."""
    config_sha256: str
    """Digest of the run's configuration and feature spec."""
    image: str
    pipeline_root: str
    project: str | None = None
    region: str | None = None
    endpoint: str | None = None
    namespace: str | None = None
    experiment: str | None = None
    service_account: str | None = None
    labels: dict[str, str]
    parameters: dict[str, Parameter]
    cache: bool
    schedule: Schedule | None = None
