"""The entry point of every container: one component of the pipeline.

It takes the arguments of TFX's own entry point (`kubeflow_v2_run_executor`), which does
the work, and adds what Vertex AI and Kubeflow leave open:

* addresses of artifacts become paths (`gs://bucket/x` is `/gcs/bucket/x` where there is
  a folder `/gcs`), as our components read and write files; the executor's output names
  the addresses again. `clickwright replay` gives paths from the start;
* inputs get the types that the component declares, which Kubeflow does not pass on;
* inputs that stand for none (`absent`) are left out;
* what a user can mend ends in one message, the last line of the log, and exit code 1.
"""

import argparse
import json
import logging
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clickwright.components.absence import ABSENT_PROPERTY
from clickwright.pipeline.remote.mounts import Mounts
from clickwright.schemas.atomic_file import write_json
from clickwright.schemas.errors import ClickwrightError

_EXECUTOR = "--executor_class_path"
_INVOCATION = "--json_serialized_invocation_args"
_INPUTS = "--json_serialized_inputs_spec_args"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one task.

    Args:
        argv: arguments of TFX's entry point; those of the process when None.

    Returns:
        Exit code: 0, or 1 for an error in what the user gave.
    """
    parser = argparse.ArgumentParser(description="Runs one task of a pipeline.")
    parser.add_argument(_EXECUTOR, required=True)
    parser.add_argument(_INVOCATION, required=True)
    parser.add_argument(_INPUTS, required=True)
    arguments, beam = parser.parse_known_args(argv)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s"
    )
    try:
        _run(arguments, beam)
    except Exception as error:
        from clickwright.pipeline.local import find_cause

        cause = find_cause(error)
        if not isinstance(cause, ClickwrightError):
            raise
        sentence = f"{arguments.executor_class_path} failed. {cause}"
        sys.stderr.write(" ".join(sentence.split()) + "\n")
        return 1
    return 0


def _run(arguments: argparse.Namespace, beam: list[str]) -> None:
    # TFX takes its ten seconds after the arguments have been read.
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    from clickwright.pipeline.remote.artifact_types import register_artifact_types

    register_artifact_types()
    mounts = Mounts.found()
    given = json.loads(arguments.json_serialized_invocation_args)
    declared = json.loads(arguments.json_serialized_inputs_spec_args)
    target = pathlib.Path(mounts.path(given["outputs"]["outputFile"]))
    with tempfile.TemporaryDirectory(prefix="clickwright-task-") as scratch:
        # Beam's temporary files go beside the output: to the container's own disk.
        output = pathlib.Path(scratch, "task", "executor_output.json")
        given["outputs"]["outputFile"] = str(output)
        _prepare(given, declared, mounts)
        kubeflow_v2_run_executor.main(
            (
                argparse.Namespace(
                    executor_class_path=arguments.executor_class_path,
                    json_serialized_invocation_args=json.dumps(given),
                    json_serialized_inputs_spec_args=(
                        arguments.json_serialized_inputs_spec_args
                    ),
                ),
                beam,
            )
        )
        told = json.loads(output.read_text(encoding="utf-8"))
    for artifact in _artifacts(told):
        artifact["uri"] = mounts.address(artifact["uri"])
    write_json(target, told)


def _prepare(
    given: Mapping[str, Any], declared: Mapping[str, Any], mounts: Mounts
) -> None:
    """Completes an executor's input.

    Args:
        given: `ExecutorInput` as JSON; is changed.
        declared: the component's `ComponentInputsSpec` as JSON.
        mounts: where addresses lie.
    """
    inputs, outputs = given.get("inputs", {}), given["outputs"]
    for name, found in inputs.get("artifacts", {}).items():
        found["artifacts"] = [
            {**artifact, "type": declared["artifacts"][name]["artifactType"]}
            for artifact in found.get("artifacts", [])
            if not artifact.get("metadata", {}).get(ABSENT_PROPERTY)
        ]
    for artifact in (*_artifacts(inputs), *_artifacts(outputs)):
        artifact["uri"] = mounts.path(artifact["uri"])
    for artifact in _artifacts(outputs):
        os.makedirs(artifact["uri"], exist_ok=True)


def _artifacts(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for found in message.get("artifacts", {}).values():
        yield from found.get("artifacts", [])


if __name__ == "__main__":
    sys.exit(main())
