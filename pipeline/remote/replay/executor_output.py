"""What a task has given, read as KFP's launcher reads it."""

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from clickwright.pipeline.remote.replay.dag import Values
from clickwright.pipeline.remote.replay.storage import Storage
from clickwright.schemas.errors import DataError

_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_Types = pipeline_spec_pb2.ParameterType


def _truth(text: str) -> bool:
    return _TRUTHS[text.lower()]


_READERS: Mapping[int, Callable[[str], Any]] = {
    _Types.STRING: str,
    _Types.NUMBER_INTEGER: int,
    _Types.NUMBER_DOUBLE: float,
    _Types.BOOLEAN: _truth,
}


def merge_told(
    executor_input: pipeline_spec_pb2.ExecutorInput, where: str
) -> pipeline_spec_pb2.ExecutorOutput:
    """Reads what a command told of its outputs, and completes what was planned.

    Args:
        executor_input: what the command was given; its outputs are changed.
        where: the task, for messages.

    Raises:
        DataError: the account is not one.
    """
    path = pathlib.Path(executor_input.outputs.output_file)
    told = pipeline_spec_pb2.ExecutorOutput()
    if not path.exists():
        return told
    try:
        json_format.Parse(path.read_text("utf-8"), told)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise DataError(
            f"What the task wrote about its outputs cannot be read: {error}.",
            where=f"{where}: {path}",
            fix="let the task write an ExecutorOutput as JSON",
        ) from error
    for name, planned in executor_input.outputs.artifacts.items():
        for first in (
            told.artifacts[name].artifacts[:1] if name in told.artifacts else ()
        ):
            artifact = planned.artifacts[0]
            artifact.uri = first.uri or artifact.uri
            for key, value in first.metadata.fields.items():
                artifact.metadata.fields[key].CopyFrom(value)
    return told


def read_outputs(
    executor_input: pipeline_spec_pb2.ExecutorInput,
    component: pipeline_spec_pb2.ComponentSpec,
    storage: Storage,
    where: str,
) -> Values:
    """Collects outputs: what the task told of them, over what was planned.

    Args:
        executor_input: what the task was given; its outputs are changed.
        component: says what the outputs are.
        storage: turns this machine's paths back into addresses.
        where: the task, for messages.

    Raises:
        DataError: the account is not one, or a parameter is missing.
    """
    told = merge_told(executor_input, where)
    outputs = Values()
    for name, planned in executor_input.outputs.artifacts.items():
        artifact = json_format.MessageToDict(planned.artifacts[0])
        artifact["uri"] = storage.address(artifact["uri"])
        outputs.artifacts[name] = [artifact]
    for name, value in told.parameter_values.items():
        outputs.parameters[name] = json_format.MessageToDict(value)
    definitions = component.output_definitions.parameters
    for name, parameter in executor_input.outputs.parameters.items():
        if name not in outputs.parameters:
            outputs.parameters[name] = _read_parameter(
                pathlib.Path(parameter.output_file),
                definitions[name].parameter_type,
                f"{where}: output parameter {name}",
            )
    return outputs


def _read_parameter(path: pathlib.Path, kind: int, where: str) -> Any:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise DataError(
            f"The task did not write it: {error.strerror}.",
            where=where,
            fix=f"let the task write it to {path}",
        ) from error
    try:
        if kind == _Types.STRING:
            return text
        return _READERS.get(kind, json.loads)(text.strip())
    except (KeyError, ValueError):
        raise DataError(
            f"It must be of type {_Types.ParameterTypeEnum.Name(kind)}. Received: "
            f"{text.strip()[:100]!r}.",
            where=where,
            fix="let the task write a value of this type",
        ) from None
