"""Compiled pipelines, read back."""

import json
import pathlib
from typing import Any

import pytest
import yaml

from clickwright.pipeline.remote.compiled import (
    Compiled,
    digest,
    own_version,
    submission_path,
)
from clickwright.pipeline.remote.submission import Parameter, Submission
from clickwright.schemas.errors import ConfigError

SPEC: dict[str, Any] = {
    "pipelineInfo": {"name": "shop"},
    "schemaVersion": "2.1.0",
    "sdkVersion": "tfx-1.21.0",
    "components": {"Greet": {"executorLabel": "Greet_executor"}},
    "deploymentSpec": {
        "executors": {"Greet_executor": {"container": {"image": "i", "command": ["c"]}}}
    },
    "root": {
        "dag": {"tasks": {"Greet": {"componentRef": {"name": "Greet"}}}},
        "inputDefinitions": {
            "parameters": {
                "data": {"parameterType": "STRING"},
                "span": {"parameterType": "STRING", "defaultValue": "latest"},
                "rows": {"parameterType": "NUMBER_INTEGER", "defaultValue": 7},
            }
        },
    },
}


def submission(**changes: Any) -> Submission:
    given = {
        "target": "vertex",
        "clickwright_version": own_version(),
        "spec_sha256": digest(SPEC),
        "config_sha256": "0" * 64,
        "image": "registry.example/clickwright:0.1.0",
        "pipeline_root": "gs://bucket/pipelines",
        "labels": {},
        "parameters": {"span": Parameter(type="STRING", default="latest")},
        "cache": True,
    }
    return Submission(**{**given, **changes})


def write(folder: pathlib.Path, spec: object = SPEC, **changes: Any) -> pathlib.Path:
    path = folder / "shop.json"
    path.write_text(json.dumps({"pipelineSpec": spec, "runtimeConfig": {}}))
    submission_path(path).write_text(submission(**changes).model_dump_json())
    return path


def test_json_and_yaml_files_hold_one_spec(tmp_path: pathlib.Path) -> None:
    as_json = write(tmp_path)
    as_yaml = tmp_path / "shop.yaml"
    second: dict[str, Any] = {"platforms": {"kubernetes": {}}}
    as_yaml.write_text(yaml.safe_dump_all([SPEC, second]))

    first, other = Compiled.read(as_json), Compiled.read(as_yaml)

    assert first.spec == other.spec == SPEC
    assert first.submission == other.submission == submission()
    assert first.name == "shop"


def test_a_spec_of_another_program_has_no_submission(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(SPEC))

    assert Compiled.read(path).submission is None


def test_a_spec_of_another_version_is_refused(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, clickwright_version="0.0.9")
    beside = submission_path(path)
    beside.write_text(json.dumps({**json.loads(beside.read_text()), "new_key": 1}))

    with pytest.raises(ConfigError) as caught:
        Compiled.read(path)

    assert caught.value.what.startswith("The spec was compiled by Clickwright 0.0.9;")
    assert caught.value.where == str(path)
    assert "compile it again" in caught.value.fix


def test_a_changed_spec_is_refused(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, spec={**SPEC, "sdkVersion": "tfx-1.20.0"})

    with pytest.raises(ConfigError, match=r"not the one that shop\.submit\.json"):
        Compiled.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a compiled pipeline: not valid JSON"),
        ("[1]", "not a compiled pipeline: it holds a list"),
        ('{"pipelineSpec": {}}', "it has no `root`"),
        (json.dumps({**SPEC, "schemaVersion": "2.0.0"}), "Received: 2.0.0"),
        (json.dumps({**SPEC, "rooot": {}}), "no field named"),
        (
            json.dumps({**SPEC, "deploymentSpec": {"executors": {"a": {"pod": {}}}}}),
            "no field named",
        ),
    ],
)
def test_what_is_no_pipeline_spec_is_refused(
    tmp_path: pathlib.Path, text: str, message: str
) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        Compiled.read(path)

    assert message in caught.value.what


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        Compiled.read(tmp_path / "shop.json")

    assert caught.value.where == str(tmp_path / "shop.json")


def test_parameters_come_from_the_command_line_or_the_spec(
    tmp_path: pathlib.Path,
) -> None:
    compiled = Compiled.read(write(tmp_path))

    assert compiled.values(["data=gs://bucket/a=b", "rows=12"]) == {
        "data": "gs://bucket/a=b",
        "span": "latest",
        "rows": 12,
    }
    asked = compiled.values(["data=x", "pipeline-root=gs://other/root"])
    assert asked["pipeline-root"] == "gs://other/root"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "has no value: data"),
        (["data"], "must be name=value"),
        (["dat=x"], "Did you mean `data`?"),
        (["data=x", "rows=many"], "must be of type NUMBER_INTEGER. Received: many"),
    ],
)
def test_a_wrong_parameter_is_named(
    tmp_path: pathlib.Path, given: list[str], message: str
) -> None:
    compiled = Compiled.read(write(tmp_path))

    with pytest.raises(ConfigError) as caught:
        compiled.values(given)

    assert message in caught.value.what
