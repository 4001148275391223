"""What a task is given, in the form of KFP's driver and launcher."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from clickwright.pipeline.remote.replay.storage import Storage
from clickwright.pipeline.remote.target import Target

_STRING = pipeline_spec_pb2.ParameterType.STRING
OUTPUT_FILE = "executor_output.json"
"""Where a task tells of its outputs, in the folder of its attempt."""


def make_inputs(
    parameters: Mapping[str, Any],
    artifacts: Mapping[str, Sequence[dict[str, Any]]],
    component: pipeline_spec_pb2.ComponentSpec,
    target: Target,
) -> pipeline_spec_pb2.ExecutorInput:
    """Builds the inputs of a task, defaults of its parameters included.

    Args:
        parameters: values, by name.
        artifacts: `RuntimeArtifact`s as JSON, by the input's name.
        component: says what the inputs are.
        target: Kubeflow passes artifacts through ML Metadata, which loses their types
            and knows no truth values.
    """
    result = pipeline_spec_pb2.ExecutorInput()
    definitions = component.input_definitions.parameters
    for name, value in parameters.items():
        is_text = name in definitions and definitions[name].parameter_type == _STRING
        content = as_text(value) if is_text else value
        result.inputs.parameter_values[name].CopyFrom(as_value(content))
    for name, definition in definitions.items():
        if name not in parameters and definition.HasField("default_value"):
            result.inputs.parameter_values[name].CopyFrom(definition.default_value)
    for name, given in artifacts.items():
        into = result.inputs.artifacts[name].artifacts
        for content in given:
            artifact = json_format.ParseDict(content, into.add())
            if target == "kubeflow":
                _through_ml_metadata(artifact)
    return result


def add_outputs(
    executor_input: pipeline_spec_pb2.ExecutorInput,
    component: pipeline_spec_pb2.ComponentSpec,
    address: str,
    prefix: str,
    storage: Storage,
) -> None:
    """Adds where a task is to put its outputs.

    Args:
        executor_input: is changed.
        component: says what the outputs are.
        address: of the attempt's own folder.
        prefix: of the artifacts' names, which no other attempt has.
        storage: where addresses lie.
    """
    outputs, definitions = executor_input.outputs, component.output_definitions
    for name, definition in definitions.artifacts.items():
        artifact = outputs.artifacts[name].artifacts.add()
        artifact.name = f"{prefix}/{name}"
        artifact.uri = f"{address}/{name}"
        artifact.type.CopyFrom(definition.artifact_type)
        artifact.metadata.CopyFrom(definition.metadata)
    for name in definitions.parameters:
        path = storage.path(f"{address}/.parameters/{name}")
        outputs.parameters[name].output_file = str(path)
    outputs.output_file = str(storage.path(f"{address}/{OUTPUT_FILE}"))


def localized(
    executor_input: pipeline_spec_pb2.ExecutorInput, storage: Storage
) -> pipeline_spec_pb2.ExecutorInput:
    """Puts this machine's paths for addresses, in artifacts and parameters alike."""

    def change(content: Any) -> Any:
        match content:
            case str():
                return storage.local(content)
            case list():
                return [change(item) for item in content]
            case dict():
                return {key: change(item) for key, item in content.items()}
        return content

    content = change(json_format.MessageToDict(executor_input))
    return json_format.ParseDict(content, pipeline_spec_pb2.ExecutorInput())


def prepare_folders(executor_input: pipeline_spec_pb2.ExecutorInput) -> None:
    """Makes the folders that KFP's launcher makes: those around outputs, no others."""
    outputs = executor_input.outputs
    paths = [p.output_file for p in outputs.parameters.values()]
    paths += [a.uri for o in outputs.artifacts.values() for a in o.artifacts]
    for path in (*paths, outputs.output_file):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)


def filled(text: str, executor_input: pipeline_spec_pb2.ExecutorInput) -> str:
    """Puts values for the placeholders in a word of a command.

    As KFP's launcher does, what is not known stays as it is.
    """
    whole = json_format.MessageToJson(executor_input, indent=None)
    text = text.replace("{{$}}", whole)
    for placeholder, value in _placeholders(executor_input).items():
        text = text.replace(placeholder, value)
    return text


def as_value(content: Any) -> struct_pb2.Value:
    """JSON as a protobuf value."""
    return json_format.ParseDict(content, struct_pb2.Value())


def as_text(content: Any) -> str:
    """A parameter's value as a word of a command line."""
    if isinstance(content, str):
        return content
    value = as_value(content)
    if value.HasField("number_value"):
        number = value.number_value
        return str(int(number)) if number.is_integer() else repr(number)
    return json_format.MessageToJson(value, indent=None)


def _placeholders(
    executor_input: pipeline_spec_pb2.ExecutorInput,
) -> dict[str, str]:
    inputs, outputs = executor_input.inputs, executor_input.outputs
    found = {"{{$.outputs.output_file}}": outputs.output_file}
    for name, value in inputs.parameter_values.items():
        content = json_format.MessageToDict(value)
        found[f"{{{{$.inputs.parameters['{name}']}}}}"] = as_text(content)
    for name, parameter in outputs.parameters.items():
        key = f"{{{{$.outputs.parameters['{name}'].output_file}}}}"
        found[key] = parameter.output_file
    for side, lists in (("inputs", inputs.artifacts), ("outputs", outputs.artifacts)):
        for name, artifacts in lists.items():
            for artifact in artifacts.artifacts[:1]:
                metadata = json_format.MessageToDict(artifact.metadata)
                start = f"{{{{$.{side}.artifacts['{name}']"
                # Where a process runs without a container, both are the same.
                found[f"{start}.uri}}}}"] = artifact.uri
                found[f"{start}.path}}}}"] = artifact.uri
                for key, content in metadata.items():
                    found[f"{start}.metadata['{key}']}}}}"] = as_text(content)
    return found


def _through_ml_metadata(artifact: pipeline_spec_pb2.RuntimeArtifact) -> None:
    """Gives an artifact the form in which Kubeflow's driver reads it back.

    References:
        https://github.com/kubeflow/pipelines/blob/master/backend/src/v2/metadata/converter.go
    """
    artifact.type.Clear()
    artifact.type.instance_schema = ""
    for key, value in json_format.MessageToDict(artifact.metadata).items():
        match value:
            case bool():
                artifact.metadata[key] = int(value)
            case list():
                artifact.metadata[key] = {"list": value}
            case dict():
                artifact.metadata[key] = {"struct": value}
    artifact.metadata["display_name"] = artifact.name.rpartition("/")[2]
    artifact.metadata["store_session_info"] = "{}"
