"""What a model server loads, and how it batches."""

import pathlib

import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from clickwright.schemas.errors import ConfigError
from clickwright.serving.server.batching_params import BatchingParams
from clickwright.serving.server.model_config import (
    models,
    read_model_config,
    single_model,
    write_model_config,
)
from clickwright.serving.server.serving_error import ServingError
from clickwright.serving.server.version_policy import wanted

TEXT = """
# As in TF Serving's documentation.
model_config_list {
  config {
    name: 'shop'
    base_path: '/models/shop'
    model_platform: 'tensorflow'
    model_version_policy { specific { versions: 42 versions: 43 } }
    version_labels { key: 'stable' value: 43 }
    version_labels { key: 'canary' value: 42 }
  }
  config { name: "other" base_path: "/models/other" model_platform: "tensorflow" }
}
"""


def test_a_config_in_the_text_format_of_tf_serving_is_read(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "models.config"
    path.write_text(TEXT)

    found = models(read_model_config(path))

    assert list(found) == ["shop", "other"]
    assert dict(found["shop"].version_labels) == {"stable": 43, "canary": 42}
    assert list(found["shop"].model_version_policy.specific.versions) == [42, 43]


def test_a_written_config_is_read_back_and_leaves_nothing_beside_it(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "models.config"
    config = text_format.Parse(TEXT, ModelServerConfig())

    write_model_config(path, single_model("old", tmp_path))
    write_model_config(path, config)

    assert read_model_config(path) == config
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model_config_list {", "Expected"),
        ("model_config_lisst {}", "model_config_lisst"),
        (TEXT.replace('"other"', "'shop'"), "Illegal to list model shop multiple"),
        (TEXT.replace("'/models/shop'", "'models'"), "to have an absolute path or URI"),
        (
            TEXT.replace("'tensorflow'", "'torch'"),
            "requests unsupported platform torch",
        ),
        (TEXT.replace("'tensorflow'", "''"), "Illegal setting neither"),
        (TEXT.replace("'shop'", "''"), "has no name"),
        ("custom_model_config {}", "custom_model_config is not supported"),
    ],
)
def test_a_bad_config_is_refused_with_its_file(
    tmp_path: pathlib.Path, text: str, problem: str
) -> None:
    path = tmp_path / "models.config"
    path.write_text(text)

    with pytest.raises(ConfigError, match=problem) as caught:
        read_model_config(path)

    assert caught.value.where == str(path)


def test_a_missing_config_is_a_user_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_model_config(tmp_path / "none.config")


def test_a_bad_config_is_not_written(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "models.config"
    config = single_model("shop", tmp_path)
    write_model_config(path, config)
    before = path.read_bytes()

    config.model_config_list.config.add(name="shop")
    with pytest.raises(ServingError, match="multiple times"):
        write_model_config(path, config)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("policy", "failed", "chosen"),
    [
        ("", (), {7}),
        ("latest {}", (), {7}),
        ("latest { num_versions: 2 }", (), {5, 7}),
        ("latest { num_versions: 9 }", (), {1, 3, 5, 7}),
        ("latest {}", {7}, {5, 7}),
        ("latest {}", {7, 5}, {3, 5, 7}),
        ("latest {}", {5}, {7}),
        ("all {}", {7}, {1, 3, 5, 7}),
        ("specific { versions: 3 versions: 4 }", {3}, {3}),
    ],
)
def test_a_policy_chooses_versions(
    policy: str, failed: set[int], chosen: set[int]
) -> None:
    config = single_model("shop", pathlib.Path("/models")).model_config_list.config[0]
    text_format.Parse(policy, config.model_version_policy)

    assert wanted(config.model_version_policy, {1, 3, 5, 7}, failed) == chosen


def test_batching_parameters_in_the_text_format_of_tf_serving_are_read(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "batching.config"
    path.write_text(
        "max_batch_size { value: 32 }\nbatch_timeout_micros { value: 500 }\n"
        "max_enqueued_batches { value: 7 }\nnum_batch_threads { value: 3 }\n"
        "thread_pool_name { value: 'batch' }\n"
        "allowed_batch_sizes: 8\nallowed_batch_sizes: 32\n"
    )

    assert BatchingParams.from_file(path) == BatchingParams(
        max_batch_size=32,
        batch_timeout_micros=500,
        max_enqueued_batches=7,
        num_batch_threads=3,
        allowed_batch_sizes=(8, 32),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("max_batch_size: 32", "max_batch_size"),
        ("max_batch_size { value: 0 }", "max_batch_size: .*greater than or equal to 1"),
        ("batch_size { value: 1 }", 'no field named "batch_size"'),
        (
            "max_batch_size { value: 32 } allowed_batch_sizes: 8",
            "last entry was 8; expected 32",
        ),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: [8, 8]",
            "increasing order",
        ),
    ],
)
def test_bad_batching_parameters_are_refused(
    tmp_path: pathlib.Path, text: str, problem: str
) -> None:
    path = tmp_path / "batching.config"
    path.write_text(text)

    with pytest.raises(ConfigError, match=problem):
        BatchingParams.from_file(path)
