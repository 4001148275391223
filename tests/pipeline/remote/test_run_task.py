"""The entry point of every container."""

import json
import pathlib
from typing import Any

import pytest
from tfx.dsl.components.base import base_executor
from tfx.types import standard_artifacts
from tiny_shop import SPEC

from clickwright.components.absence import mark_absent
from clickwright.components.inspection.artifacts import AutoDisReport
from clickwright.pipeline.remote import mounts, run_task
from clickwright.schemas.errors import DataError

SCHEMA_GEN = "clickwright.components.spec_schema.executor.Executor"
OWN = f"{__name__}.Recorder"


class Recorder(base_executor.BaseExecutor):
    """Keeps what it is given; fails if it is told to."""

    given: dict[str, Any]

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, Any],
        output_dict: dict[str, Any],
        exec_properties: dict[str, Any],
    ) -> None:
        type(self).given = {
            "inputs": input_dict,
            "outputs": output_dict,
            "properties": exec_properties,
        }
        for artifacts in output_dict.values():
            pathlib.Path(artifacts[0].uri, "file").write_text("content")
            artifacts[0].set_int_custom_property("rows", 7)
        if exec_properties.get("fail") == "ours":
            try:
                raise DataError("3 rows are broken.", where="log", fix="mend\nthem")
            except DataError as error:
                raise RuntimeError("wrapped by a library") from error
        if exec_properties.get("fail") == "defect":
            raise KeyError("a defect")


@pytest.fixture
def bucket(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The folder that stands for `gs://`."""
    folder = tmp_path / "gcs"
    folder.mkdir()
    monkeypatch.setattr(mounts, "_LAUNCHER", {"gs://": f"{folder}/", "s3://": "/no/"})
    return folder


def title(name: str) -> dict[str, str]:
    return {"instanceSchema": f"title: {name}\ntype: object\n"}


def call(
    executor: str,
    *,
    inputs: dict[str, dict[str, Any]] | None = None,
    outputs: dict[str, dict[str, Any]] | None = None,
    parameters: dict[str, str] | None = None,
    output_file: str,
) -> int:
    """Runs a task as a launcher does; artifacts are given by name."""
    declared = {
        "artifacts": {
            name: {"artifactType": artifact["type"]}
            for name, artifact in (inputs or {}).items()
        },
        "parameters": {n: {"parameterType": "STRING"} for n in parameters or {}},
    }
    given = {
        "inputs": {
            "parameterValues": parameters or {},
            "artifacts": {
                # As Kubeflow has it: without its type.
                name: {"artifacts": [{k: v for k, v in a.items() if k != "type"}]}
                for name, a in (inputs or {}).items()
            },
        },
        "outputs": {
            "artifacts": {n: {"artifacts": [a]} for n, a in (outputs or {}).items()},
            "outputFile": output_file,
        },
    }
    return run_task.main(
        [
            "--executor_class_path",
            executor,
            "--json_serialized_invocation_args",
            json.dumps(given),
            "--json_serialized_inputs_spec_args",
            json.dumps(declared),
            "--runner=FnApiRunner",
        ]
    )


def artifact(name: str, uri: str, **metadata: Any) -> dict[str, Any]:
    return {"name": uri, "uri": uri, "type": title(name), "metadata": metadata}


def test_a_task_writes_where_its_address_is_mounted_and_tells_the_address(
    bucket: pathlib.Path,
) -> None:
    from clickwright.schemas.spec import FeatureSpec

    spec = FeatureSpec.model_validate(SPEC, strict=False)
    code = call(
        SCHEMA_GEN,
        outputs={"schema": artifact("tfx.Schema", "gs://bucket/1/schema")},
        parameters={"feature_spec": spec.model_dump_json()},
        output_file="gs://bucket/1/executor_output.json",
    )

    assert code == 0
    text = (bucket / "bucket/1/schema/schema.pbtxt").read_text()
    assert 'name: "device"' in text
    told = json.loads((bucket / "bucket/1/executor_output.json").read_text())
    [found] = told["artifacts"]["schema"]["artifacts"]
    assert found["uri"] == "gs://bucket/1/schema"
    assert found["name"] == "gs://bucket/1/schema"


def test_inputs_get_their_declared_types_their_paths_and_their_properties(
    bucket: pathlib.Path,
) -> None:
    code = call(
        OWN,
        inputs={
            "model": artifact("tfx.Model", "gs://bucket/model", blessed=1.0, span=12),
            "report": artifact("clickwright.AutoDisReport", "/local/report"),
        },
        output_file=str(bucket / "out.json"),
    )

    assert code == 0
    [model], [report] = (Recorder.given["inputs"][n] for n in ("model", "report"))
    assert isinstance(model, standard_artifacts.Model)
    assert isinstance(report, AutoDisReport)
    assert (model.uri, report.uri) == (f"{bucket}/bucket/model", "/local/report")
    assert model.get_int_custom_property("blessed") == 1
    assert model.get_int_custom_property("span") == 12


def test_an_input_that_stands_for_none_is_left_out(
    bucket: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    written = standard_artifacts.Model()
    written.uri = str(tmp_path / "absent")
    mark_absent(written)
    [(name, value)] = written.mlmd_artifact.custom_properties.items()

    code = call(
        OWN,
        inputs={
            "model": artifact("tfx.Model", "gs://bucket/a", **{name: value.int_value}),
            "other": artifact("tfx.Model", "gs://bucket/b"),
        },
        output_file=str(bucket / "out.json"),
    )

    assert code == 0
    assert Recorder.given["inputs"]["model"] == []
    assert len(Recorder.given["inputs"]["other"]) == 1


def test_an_output_keeps_its_properties(bucket: pathlib.Path) -> None:
    call(
        OWN,
        outputs={"made": artifact("tfx.Model", "gs://bucket/made")},
        output_file=str(bucket / "out.json"),
    )

    told = json.loads((bucket / "out.json").read_text())
    assert told["artifacts"]["made"]["artifacts"][0]["metadata"]["rows"] == 7
    assert (bucket / "bucket/made/file").read_text() == "content"


def test_what_a_user_can_mend_is_the_last_line_of_the_log(
    bucket: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = call(OWN, parameters={"fail": "ours"}, output_file=str(bucket / "out.json"))

    assert code == 1
    error = capfd.readouterr().err
    assert error.splitlines()[-1] == (
        f"{OWN} failed. log: 3 rows are broken. Fix: mend them"
    )
    assert "Traceback" not in error
    assert not (bucket / "out.json").exists()


def test_a_defect_keeps_its_traceback(bucket: pathlib.Path) -> None:
    with pytest.raises(KeyError, match="a defect"):
        call(OWN, parameters={"fail": "defect"}, output_file=str(bucket / "out.json"))


def test_an_address_that_no_folder_stands_for_is_refused(
    bucket: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = call(
        OWN,
        inputs={"model": artifact("tfx.Model", "s3://bucket/model")},
        output_file=str(bucket / "out.json"),
    )

    assert code == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert "s3://bucket/model" in last
    assert "clickwright replay" in last
