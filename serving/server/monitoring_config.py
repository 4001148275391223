"""TF Serving's file that says where Prometheus finds the metrics."""

import pathlib
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)

from clickwright.schemas.errors import ConfigError
from clickwright.serving.server.metrics import PATH

# TF Serving's Python package lacks the messages.
_FILE = """
name: "clickwright/monitoring_config.proto"
package: "clickwright"
syntax: "proto3"
message_type {
  name: "PrometheusConfig"
  field { name: "enable" number: 1 label: LABEL_OPTIONAL type: TYPE_BOOL }
  field { name: "path" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
}
message_type {
  name: "MonitoringConfig"
  field {
    name: "prometheus_config" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE
    type_name: ".clickwright.PrometheusConfig"
  }
}
"""


def prometheus_path(path: pathlib.Path) -> str:
    """Returns the path that a `MonitoringConfig` in text format gives.

    Returns:
        The path; empty where Prometheus is not enabled.

    Raises:
        ConfigError: the file cannot be read or parsed, or the path has no slash.
    """
    pool = descriptor_pool.DescriptorPool()
    file = text_format.Parse(_FILE, descriptor_pb2.FileDescriptorProto())
    pool.AddSerializedFile(file.SerializeToString())
    kind = pool.FindMessageTypeByName("clickwright.MonitoringConfig")
    fix = "write `prometheus_config { enable: true }`, if need be with a `path`"
    try:
        message: Any = message_factory.GetMessageClass(kind)()
        text_format.Parse(path.read_text(encoding="utf-8"), message)
    except (OSError, UnicodeError, text_format.ParseError) as error:
        raise ConfigError(
            f"The monitoring config cannot be used: {error}.",
            where=str(path),
            fix=fix,
        ) from error
    config = message.prometheus_config
    found = str(config.path) or PATH
    if not found.startswith("/"):
        raise ConfigError(
            f"A path of HTTP begins with a slash. Received: {found}.",
            where=str(path),
            fix=fix,
        )
    return found if config.enable else ""
