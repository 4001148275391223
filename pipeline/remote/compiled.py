"""A compiled pipeline, read back and checked."""

import hashlib
import importlib.metadata
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Self

import yaml

from clickwright.pipeline.remote.submission import PIPELINE_ROOT, Parameter, Submission
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError, did_you_mean

SCHEMA_VERSION = "2.1.0"
"""Version of the pipeline spec's schema that is written and read."""
Value = str | int | float | bool


class Compiled:
    """A compiled pipeline and what is needed to submit it.

    Attributes:
        path: the file it was read from.
        spec: the `pipelineSpec`, as a mapping with the schema's JSON names.
        job: the whole `PipelineJob`; made up around the spec for a `.yaml` file.
        submission: how and where it is to run; None for a spec that another program
            compiled.
    """

    def __init__(
        self,
        path: pathlib.Path,
        job: dict[str, Any],
        submission: Submission | None,
    ) -> None:
        self.path = path
        self.job = job
        self.spec: dict[str, Any] = job["pipelineSpec"]
        self.submission = submission

    @classmethod
    def read(cls, path: pathlib.Path) -> Self:
        """Reads what `clickwright compile` wrote, or another KFP v2 spec.

        Args:
            path: `.json`, a PipelineJob or a pipeline spec, or `.yaml`, a spec alone.

        Raises:
            ConfigError: the file is not a pipeline spec of schema 2.1.0, was changed
                after it was compiled, or was compiled by another version.
        """
        content = _content(path)
        job = content if "pipelineSpec" in content else {"pipelineSpec": content}
        spec = job["pipelineSpec"]
        if not isinstance(spec, dict) or "root" not in spec:
            raise ConfigError(
                "The file is not a pipeline spec: it has no `root`.",
                where=str(path),
                fix="give a file that `clickwright compile` wrote",
            )
        beside = submission_path(path)
        submission = None
        if beside.exists():
            content = _content(beside)
            # First: another version's file may have other fields.
            _check_version(content, path)
            submission = strict_yaml.parse(Submission, content, str(beside))
            if digest(spec) != submission.spec_sha256:
                raise ConfigError(
                    f"The spec is not the one that {beside.name} belongs to: it was "
                    "changed, or compiled at another time.",
                    where=str(path),
                    fix="compile it again with `clickwright compile`",
                )
        if spec.get("schemaVersion") != SCHEMA_VERSION:
            raise ConfigError(
                f"The spec must be of schema version {SCHEMA_VERSION}. Received: "
                f"{spec.get('schemaVersion')}.",
                where=str(path),
                fix="compile it again with `clickwright compile`",
            )
        _check_structure(spec, path)
        return cls(path, job, submission)

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.spec["pipelineInfo"]["name"])

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The runtime parameters, by name.

        Defaults are those of the spec, else the values that the job was given.
        """
        given = self.job.get("runtimeConfig", {}).get("parameterValues", {})
        definitions = self.spec["root"].get("inputDefinitions", {})
        return {
            name: Parameter(
                type=definition["parameterType"],
                default=definition.get("defaultValue", given.get(name)),
            )
            for name, definition in definitions.get("parameters", {}).items()
        }

    def values(self, given: Sequence[str]) -> dict[str, Value]:
        """Checks `name=value` texts and returns every runtime parameter's value.

        `pipeline-root` is among them where it was given.

        Raises:
            ConfigError: a name is unknown, a value is not of its type, or a
                parameter without a default is missing.
        """
        parameters = self.parameters
        known = {**parameters, PIPELINE_ROOT: Parameter(type="STRING")}
        where = f"{self.path}: parameters"
        found: dict[str, Value] = {
            name: parameter.default
            for name, parameter in parameters.items()
            if parameter.default is not None
        }
        for text in given:
            name, equals, value = text.partition("=")
            if not equals:
                raise ConfigError(
                    f"A parameter must be name=value. Received: {text}.",
                    where=where,
                    fix=f"give it as --param {name}=value",
                )
            if name not in known:
                raise ConfigError(
                    f"The pipeline has no parameter `{name}`."
                    f"{did_you_mean(name, known)}",
                    where=where,
                    fix=f"give one of {', '.join(known)}",
                )
            found[name] = _converted(value, name, known[name], where)
        if missing := [name for name in parameters if name not in found]:
            raise ConfigError(
                f"A parameter has no value: {', '.join(missing)}.",
                where=where,
                fix=f"give --param {missing[0]}=value",
            )
        return found


def submission_path(path: pathlib.Path) -> pathlib.Path:
    """The file beside a compiled pipeline that says how it is to run."""
    return path.with_name(f"{path.stem}.submit.json")


def digest(spec: Mapping[str, Any]) -> str:
    """SHA-256 of a pipeline spec, the same for its JSON and its YAML file."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def own_version() -> str:
    """The version of Clickwright that runs."""
    return importlib.metadata.version("clickwright")


def _content(path: pathlib.Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The file cannot be read: {error}.",
            where=str(path),
            fix="give a file that `clickwright compile` wrote",
        ) from error
    content = _json(text, path) if path.suffix == ".json" else _yaml(text, path)
    if not isinstance(content, dict):
        _not_a_spec(path, f"it holds a {type(content).__name__}")
    return content


def _json(text: str, path: pathlib.Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        _not_a_spec(path, f"not valid JSON: {error}")


def _yaml(text: str, path: pathlib.Path) -> Any:
    # As Kubeflow reads it: a second document holds what belongs to Kubernetes alone.
    try:
        return next(yaml.safe_load_all(text), None)
    except yaml.YAMLError as error:
        _not_a_spec(path, f"not valid YAML: {' '.join(str(error).split())}")


def _not_a_spec(path: pathlib.Path, why: str) -> NoReturn:
    raise ConfigError(
        f"The file is not a compiled pipeline: {why}.",
        where=str(path),
        fix="compile it again with `clickwright compile`",
    )


def _check_version(submission: Mapping[str, Any], path: pathlib.Path) -> None:
    found, own = (
        submission.get("clickwright_version", "an unknown version"),
        own_version(),
    )
    if found != own:
        raise ConfigError(
            f"The spec was compiled by Clickwright {found}; this is {own}. A task may "
            "mean something else in another version.",
            where=str(path),
            fix=f"compile it again with this version, or install clickwright {found}",
        )


def _check_structure(spec: dict[str, Any], path: pathlib.Path) -> None:
    """Holds the spec against the schema of KFP's pipeline specs."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    try:
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(
            spec.get("deploymentSpec", {}),
            pipeline_spec_pb2.PipelineDeploymentConfig(),
        )
    except json_format.ParseError as error:
        _not_a_spec(path, str(error).rstrip("."))


def _converted(value: str, name: str, parameter: Parameter, where: str) -> Value:
    try:
        match parameter.type:
            case "STRING":
                return value
            case "NUMBER_INTEGER":
                return int(value)
            case "NUMBER_DOUBLE":
                return float(value)
            case "BOOLEAN":
                return {"true": True, "false": False}[value.lower()]
    except (ValueError, KeyError):
        raise ConfigError(
            f"The parameter `{name}` must be of type {parameter.type}. Received: "
            f"{value}.",
            where=where,
            fix=f"give another value for `{name}`",
        ) from None
