"""Paths and errors of TensorFlow Serving's REST API, version 1.

References:
    http_rest_api_handler.cc and http_rest_api_util.cc of TensorFlow Serving's
    `model_servers`; docs: g3doc/api_rest.md.
"""

import json
import re
import urllib.parse
from typing import Any

import grpc
from tensorflow_serving.apis import model_pb2

from clickwright.serving.server.serving_error import ServingError

HEALTH_PATH = "/healthz"

_MODEL = r"/v1/models/([^/:]+)"
_VERSION = r"(?:/versions/(\d+)|/labels/([^/:]+))?"
POST = re.compile(rf"{_MODEL}{_VERSION}:(classify|regress|predict)", re.IGNORECASE)
"""Model, version, label and method."""
GET = re.compile(rf"/v1/models(?:/([^/:]+))?{_VERSION}(?:/(metadata))?", re.IGNORECASE)
"""Model, version, label and `metadata`; each may be absent."""
STATUS = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
"""HTTP's code for gRPC's; all others are 500."""

_MAX_VERSION = 2**63 - 1


def spec_of(name: str | None, version: str | None, label: str | None) -> Any:
    """Returns the `ModelSpec` that the parts of a path name.

    Raises:
        ServingError: the version is no number of 64 bits.
    """
    spec = model_pb2.ModelSpec(name=urllib.parse.unquote(name or ""))
    if version is not None:
        if int(version[:20]) > _MAX_VERSION or len(version) > 20:
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Failed to convert version: {version} to numeric.",
            )
        spec.version.value = int(version)
    if label is not None:
        spec.version_label = urllib.parse.unquote(label)
    return spec


def error_text(message: str) -> str:
    """Returns the body that tells of an error."""
    return json.dumps({"error": message}) + "\n"
