"""Small pipeline specs of plain commands, and their replays."""

import io
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import rich.console

from clickwright.pipeline.remote.compiled import digest, own_version, submission_path
from clickwright.pipeline.remote.replay.execution import Execution
from clickwright.pipeline.remote.replay.history import History
from clickwright.pipeline.remote.replay.replay import replay
from clickwright.pipeline.remote.replay.run_record import RunRecord
from clickwright.pipeline.remote.submission import Submission
from clickwright.pipeline.remote.target import Target

THING = {"instanceSchema": "title: tfx.Model\ntype: object\n"}
ADDRESS = "gs://bucket/root"


def output(name: str) -> str:
    """Placeholder of an output's path."""
    return f"{{{{$.outputs.artifacts['{name}'].path}}}}"


def read(name: str) -> str:
    """Placeholder of an input's path."""
    return f"{{{{$.inputs.artifacts['{name}'].path}}}}"


def parameter(name: str) -> str:
    """Placeholder of an input parameter."""
    return f"{{{{$.inputs.parameters['{name}']}}}}"


class Spec:
    """A pipeline spec under construction.

    Args:
        path: file that it is written to.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.tasks: dict[str, Any] = {}
        self.components: dict[str, Any] = {}
        self.executors: dict[str, Any] = {}
        self.parameters: dict[str, Any] = {}
        self.target: Target | None = None
        """Given: the spec is ours, for this target."""

    def shell(
        self,
        name: str,
        *script: str,
        reads: Mapping[str, tuple[str, str]] | None = None,
        takes: Mapping[str, Any] | None = None,
        gives: Sequence[str] = (),
        gives_parameters: Mapping[str, str] | None = None,
        **task: Any,
    ) -> dict[str, Any]:
        """Adds a task that runs a shell script.

        Args:
            name: of the task.
            script: `sh -c` and what follows it.
            reads: producing task and output, by name of the input.
            takes: how parameters are given, by name.
            gives: outputs.
            gives_parameters: types of output parameters.
            task: further fields of the task.
        """
        container = {"image": "any", "command": ["sh", "-c", *script]}
        return self.add(
            name,
            {"container": container},
            reads=reads,
            takes=takes,
            gives=gives,
            gives_parameters=gives_parameters,
            **task,
        )

    def add(
        self,
        name: str,
        executor: Mapping[str, Any],
        *,
        reads: Mapping[str, tuple[str, str]] | None = None,
        takes: Mapping[str, Any] | None = None,
        gives: Sequence[str] = (),
        gives_parameters: Mapping[str, str] | None = None,
        tasks: dict[str, Any] | None = None,
        **task: Any,
    ) -> dict[str, Any]:
        """Adds a task with any executor; to `tasks` of an inner DAG where given."""
        reads, takes = reads or {}, takes or {}
        self.executors[f"{name}_executor"] = executor
        self.components[name] = {
            "executorLabel": f"{name}_executor",
            "inputDefinitions": {
                "artifacts": {key: {"artifactType": THING} for key in reads},
                "parameters": {key: {"parameterType": "STRING"} for key in takes},
            },
            "outputDefinitions": {
                "artifacts": {key: {"artifactType": THING} for key in gives},
                "parameters": {
                    key: {"parameterType": kind}
                    for key, kind in (gives_parameters or {}).items()
                },
            },
        }
        added = {
            "taskInfo": {"name": name},
            "componentRef": {"name": name},
            "inputs": {
                "artifacts": {
                    key: {
                        "taskOutputArtifact": {
                            "producerTask": producer,
                            "outputArtifactKey": made,
                        }
                    }
                    for key, (producer, made) in reads.items()
                },
                "parameters": dict(takes),
            },
            "dependentTasks": sorted({producer for producer, _ in reads.values()}),
            **task,
        }
        (self.tasks if tasks is None else tasks)[name] = added
        return added

    def write(self) -> pathlib.Path:
        """Writes the spec as a PipelineJob."""
        job: dict[str, Any] = {
            "pipelineSpec": {
                "schemaVersion": "2.1.0",
                "sdkVersion": "test",
                "pipelineInfo": {"name": "small"},
                "deploymentSpec": {"executors": self.executors},
                "components": self.components,
                "root": {
                    "dag": {"tasks": self.tasks},
                    "inputDefinitions": {"parameters": self.parameters},
                },
            },
            "runtimeConfig": {"gcsOutputDirectory": ADDRESS},
        }
        self.path.write_text(json.dumps(job))
        if self.target is not None:
            submission = Submission(
                target=self.target,
                clickwright_version=own_version(),
                spec_sha256=digest(job["pipelineSpec"]),
                config_sha256="",
                image="any",
                pipeline_root=ADDRESS,
                labels={},
                parameters={},
                cache=True,
            )
            submission_path(self.path).write_text(submission.model_dump_json())
        return self.path

    @property
    def root(self) -> pathlib.Path:
        """Folder of the replays."""
        return self.path.with_suffix(".replay")

    def replay(self, **options: Any) -> RunRecord:
        """Writes and replays the spec."""
        self.shown = io.StringIO()
        console = rich.console.Console(file=self.shown, width=200)
        return replay(self.write(), console, **options)

    def execution(self, task: str) -> Execution:
        """The last attempt of a task in the last replay."""
        history = History(self.root)
        run = history.last_run()
        assert run is not None
        found = history.latest(run.id, task)
        assert found is not None, f"{task} did not run"
        return found

    def text(self, task: str, name: str) -> str:
        """Content of an output that is a file."""
        [artifact] = self.execution(task).artifacts[name]
        address = artifact["uri"]
        assert address.startswith(ADDRESS)
        return (self.root / address.replace("gs://", "gcs/")).read_text()

    def states(self) -> dict[str, str]:
        """How tasks ended in what was shown last."""
        marks = {"✓": "complete", "=": "cached", "-": "skipped", "✗": "failed"}
        lines = [line.split() for line in self.shown.getvalue().splitlines()]
        return {w[1]: marks[w[0]] for w in lines if w and w[0] in marks}
