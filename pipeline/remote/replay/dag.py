"""The order of tasks, and what each is to be given."""

import dataclasses
import graphlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from clickwright.schemas.errors import ConfigError

_ALWAYS = pipeline_spec_pb2.PipelineTaskSpec.TriggerPolicy.ALL_UPSTREAM_TASKS_COMPLETED
_FINAL_STATES = {"failed": "FAILED", "skipped": "SKIPPED"}


@dataclasses.dataclass
class Values:
    """What goes into a DAG, or what came out of a task.

    Attributes:
        parameters: by name.
        artifacts: `RuntimeArtifact`s as JSON, by name.
    """

    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    artifacts: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)


class Dag:
    """One DAG of a spec: which tasks follow which.

    Args:
        spec: the DAG.
        prefix: of its tasks' names: empty for the root, else the outer task's name and
            a slash.

    Raises:
        ConfigError: a task needs one that is not there, or itself, or is of a kind
            that cannot be replayed.
    """

    def __init__(self, spec: pipeline_spec_pb2.DagSpec, prefix: str = "") -> None:
        self.prefix = prefix
        self.tasks: Mapping[str, pipeline_spec_pb2.PipelineTaskSpec] = dict(
            sorted(spec.tasks.items())
        )
        self._outputs = spec.outputs
        self._upstream = {n: set(_upstream(t)) for n, t in self.tasks.items()}
        for name, task in self.tasks.items():
            self._check(name, task)
        try:
            self.order: Sequence[str] = self._sorted()
        except graphlib.CycleError as error:
            raise ConfigError(
                f"Tasks wait for each other: {' -> '.join(error.args[1])}.",
                where=prefix or "the pipeline",
                fix="take one of these dependencies away, then compile it again",
            ) from error

    def upstream(self, name: str) -> set[str]:
        """Tasks that have to end before this one."""
        return self._upstream[name]

    def runs_always(self, name: str) -> bool:
        """Whether the task follows on the others' end, be it good or bad."""
        return bool(self.tasks[name].trigger_policy.strategy == _ALWAYS)

    def inputs(
        self,
        name: str,
        given: Values,
        ended: Mapping[str, Values],
        states: Mapping[str, str],
        constants: Mapping[str, str],
    ) -> Values:
        """Puts together what a task is given.

        Args:
            name: the task.
            given: inputs of the DAG.
            ended: outputs of tasks that ended well.
            states: how tasks ended.
            constants: values of the placeholders that name run and task.
        """
        found = Values()
        inputs = self.tasks[name].inputs
        for key, spec in inputs.parameters.items():
            match spec.WhichOneof("kind"):
                case "component_input_parameter":
                    outer = spec.component_input_parameter
                    if outer not in given.parameters:
                        continue  # optional, and not given
                    value = given.parameters[outer]
                case "task_output_parameter":
                    output = spec.task_output_parameter
                    value = self._one(
                        name,
                        ended.get(output.producer_task, Values()).parameters,
                        output.output_parameter_key,
                    )
                case "task_final_status":
                    producer = spec.task_final_status.producer_task
                    value = {
                        "state": _FINAL_STATES.get(states[producer], "SUCCEEDED"),
                        "pipelineTaskName": producer,
                    }
                case _:
                    value = json_format.MessageToDict(spec.runtime_value.constant)
                    if isinstance(value, str):
                        value = constants.get(value, value)
            found.parameters[key] = value
        for key, spec in inputs.artifacts.items():
            if spec.WhichOneof("kind") == "component_input_artifact":
                outer = spec.component_input_artifact
                found.artifacts[key] = self._one(name, given.artifacts, outer)
            else:
                output = spec.task_output_artifact
                found.artifacts[key] = self._one(
                    name,
                    ended.get(output.producer_task, Values()).artifacts,
                    output.output_artifact_key,
                )
        return found

    def outputs(self, ended: Mapping[str, Values]) -> Values:
        """Collects what the DAG gives to the one around it."""
        found = Values()
        for key, spec in self._outputs.artifacts.items():
            for selector in spec.artifact_selectors:
                if selector.producer_subtask in ended:
                    made = ended[selector.producer_subtask].artifacts
                    found.artifacts[key] = made[selector.output_artifact_key]
        for key, spec in self._outputs.parameters.items():
            selectors = [
                spec.value_from_parameter,
                *spec.value_from_oneof.parameter_selectors,
            ]
            for selector in selectors:
                if selector.producer_subtask in ended:
                    values = ended[selector.producer_subtask].parameters
                    found.parameters[key] = values[selector.output_parameter_key]
        return found

    def _one(self, task: str, values: Mapping[str, Any], key: str) -> Any:
        try:
            return values[key]
        except KeyError:
            raise ConfigError(
                f"The task needs `{key}`, which the task before it did not give. It "
                f"gave: {', '.join(sorted(values)) or 'nothing'}.",
                where=self.prefix + task,
                fix="let the task before it write this output",
            ) from None

    def _sorted(self) -> list[str]:
        sorter = graphlib.TopologicalSorter(self._upstream)
        sorter.prepare()
        order: list[str] = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            order += ready
            sorter.done(*ready)
        return order

    def _check(self, name: str, task: pipeline_spec_pb2.PipelineTaskSpec) -> None:
        where = self.prefix + name
        if unknown := sorted(self._upstream[name] - self.tasks.keys()):
            raise ConfigError(
                f"The task waits for `{unknown[0]}`, which the pipeline does not have.",
                where=where,
                fix="mend the pipeline, then compile it again",
            )
        if task.WhichOneof("iterator") is not None:
            raise ConfigError(
                "The task runs once for each item of a list, which a replay cannot do.",
                where=where,
                fix="write the task once for each item",
            )


def _upstream(task: pipeline_spec_pb2.PipelineTaskSpec) -> Iterator[str]:
    yield from task.dependent_tasks
    for artifact in task.inputs.artifacts.values():
        if artifact.HasField("task_output_artifact"):
            yield artifact.task_output_artifact.producer_task
    for parameter in task.inputs.parameters.values():
        match parameter.WhichOneof("kind"):
            case "task_output_parameter":
                yield parameter.task_output_parameter.producer_task
            case "task_final_status":
                yield parameter.task_final_status.producer_task
