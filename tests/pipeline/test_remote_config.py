"""The section `remote` of a run."""

from typing import Any

import pytest
from remote_section import REMOTE

from clickwright.pipeline.remote.remote_config import RemoteConfig
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.strict_yaml import parse


def read(**changes: Any) -> RemoteConfig:
    content = {**REMOTE, **changes}
    given = {key: value for key, value in content.items() if value is not None}
    return parse(RemoteConfig, given, "shop.yaml: remote")


def test_resources_are_the_components_own_or_the_default() -> None:
    remote = read()

    assert remote.resources_of("Trainer").gpus == 2
    assert remote.resources_of("Publisher").memory_bytes == 8 * 2**30
    assert read(resources=None).resources_of("Trainer").cpu == 4


@pytest.mark.parametrize(
    ("memory", "size"), [("500M", 5e8), ("1.5Gi", 1.5 * 2**30), ("2Ti", 2 * 2**40)]
)
def test_memory_has_a_unit(memory: str, size: float) -> None:
    remote = read(resources={"default": {"memory": memory}})

    assert remote.resources_of("Trainer").memory_bytes == size


@pytest.mark.parametrize(
    ("root", "ledger", "expected"),
    [
        ("gs://bucket/pipelines/", None, "gs://bucket/pipelines/ledger"),
        ("minio://mlpipeline/v2", None, "s3://mlpipeline/v2/ledger"),
        ("gs://bucket", "/mnt/ledger/", "/mnt/ledger"),
    ],
)
def test_the_ledger_lies_below_the_root_unless_told(
    root: str, ledger: str | None, expected: str
) -> None:
    assert read(pipeline_root=root, ledger=ledger).ledger_address == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pipeline_root": "pipelines"}, "gs://, s3:// or minio:// address"),
        ({"image": "my image"}, "`image`: must be text without spaces"),
        ({"labels": {"Team": "ads"}}, "not `Team: ads`"),
        ({"labels": {"team": "Ads!"}}, "not `team: Ads!`"),
        ({"retries": 11}, "`retries`: Input should be less than or equal to 10"),
        ({"vertex": None, "kubeflow": None}, "give `vertex` or `kubeflow`, or both"),
        ({"resources": {"Trainer": {"memory": "16"}}}, "a number with a unit"),
        ({"resources": {"Trainer": {"gpus": 2}}}, "`gpus` needs `gpu`"),
        ({"schedule": {"cron": "0 3 * *"}}, "must have five fields"),
        ({"schedule": {"cron": "0 3 * * *", "timezone": "Berlin"}}, "IANA database"),
        ({"vertex": {"project": "shop", "region": "Europe"}}, "like europe-west4"),
        ({"kubeflow": {"endpoint": "localhost:8080"}}, "http:// or https:// address"),
        (
            {"vertex": {"projct": "shop", "region": "us-west1"}},
            "Did you mean `project`",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**changes)

    assert message in caught.value.what
    assert caught.value.where == "shop.yaml: remote"
