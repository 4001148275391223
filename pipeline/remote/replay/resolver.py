"""Resolver tasks: artifacts of earlier runs, found by TFX's queries."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from kfp.pipeline_spec import pipeline_spec_pb2

from clickwright.pipeline.remote.replay.executor_input import filled
from clickwright.schemas.errors import ConfigError

_TERM = re.compile(r'(?P<field>[\w.-]+)\s*=\s*(?P<quote>"?)(?P<value>.*)(?P=quote)')
_UNFILLED = "{{$"


def resolve(
    spec: pipeline_spec_pb2.PipelineDeploymentConfig.ResolverSpec,
    executor_input: pipeline_spec_pb2.ExecutorInput,
    known: Iterable[Mapping[str, Any]],
    where: str,
) -> dict[str, list[dict[str, Any]]]:
    """Answers a resolver's queries as Vertex AI does.

    Args:
        spec: the queries, one an output. TFX writes them for its
            `LatestArtifactStrategy` and `LatestBlessedModelStrategy`.
        executor_input: what the task is given.
        known: artifacts of this and earlier runs, the newest first.
        where: the task, for messages.

    Returns:
        For each output the artifacts found; an empty list where there is none.

    Raises:
        ConfigError: a query has a term that is not known here.
    """
    candidates = list(known)
    found: dict[str, list[dict[str, Any]]] = {}
    for name, query in spec.output_artifact_queries.items():
        terms = [_term(text, where) for text in query.filter.split(" AND ")]
        wanted = [(field, filled(value, executor_input)) for field, value in terms]
        matching = [
            dict(artifact)
            for artifact in candidates
            if all(_matches(artifact, field, value) for field, value in wanted)
        ]
        found[name] = matching[: query.limit or 1]
    return found


def title(artifact: Mapping[str, Any]) -> str:
    """Name of an artifact's type, like `tfx.Model`."""
    schema = artifact.get("type", {})
    if "schemaTitle" in schema:
        return str(schema["schemaTitle"])
    content = yaml.safe_load(schema.get("instanceSchema", "")) or {}
    return str(content.get("title", ""))


def _term(text: str, where: str) -> tuple[str, str]:
    found = _TERM.fullmatch(text.strip())
    if found is not None:
        field = found["field"]
        if field in ("schema_title", "state", "name") or _path(field) is not None:
            return field, found["value"]
    raise ConfigError(
        f"The resolver asks for `{text.strip()}`, which a replay does not know.",
        where=where,
        fix="use TFX's LatestArtifactStrategy or LatestBlessedModelStrategy",
    )


def _path(field: str) -> str | None:
    found = re.fullmatch(r"metadata\.([\w-]+)\.(number|string|bool)_value", field)
    return None if found is None else found[1]


def _matches(artifact: Mapping[str, Any], field: str, value: str) -> bool:
    if _UNFILLED in value:
        return False  # it names an input that was not found
    match field:
        case "schema_title":
            return title(artifact) == value
        case "state":
            return value == "LIVE"  # what is remembered here was never deleted
        case "name":
            return bool(artifact["name"] == value)
    received = artifact.get("metadata", {}).get(_path(field))
    if isinstance(received, bool):
        return str(received).lower() == value
    if isinstance(received, (int, float)):
        return float(received) == float(value)
    return bool(received == value)
