"""Models for a model server, written once."""

import pathlib
import shutil
from collections.abc import Iterator

import pytest
import tiny_served_model
from server_process import RunningServer, ours, server_process

from clickwright.schemas.serving_files import MODEL_CONFIG_FILE


@pytest.fixture(scope="session")
def written_models(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with `tiny/{1,2,3}` and `half_plus_two/123`; it is only read."""
    root = tmp_path_factory.mktemp("written_models")
    tiny_served_model.write_tiny(root / "tiny")
    tiny_served_model.write_half_plus_two(root / "half_plus_two")
    return root


@pytest.fixture
def serving_root(written_models: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A serving root of the test's own: `tiny/1`, `half_plus_two/123`, the config."""
    root = tmp_path / "served"
    shutil.copytree(written_models / "half_plus_two", root / "half_plus_two")
    shutil.copytree(written_models / "tiny" / "1", root / "tiny" / "1")
    models = "".join(
        f'  config {{ name: "{name}" base_path: "{root / name}" '
        'model_platform: "tensorflow" }\n'
        for name in ("tiny", "half_plus_two")
    )
    (root / MODEL_CONFIG_FILE).write_text(f"model_config_list {{\n{models}}}\n")
    return root


@pytest.fixture(scope="session")
def served_config(
    written_models: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """The config file of `model_server`; a test that changes it puts it back."""
    path = tmp_path_factory.mktemp("served") / MODEL_CONFIG_FILE
    path.write_text(f"""
        model_config_list {{
          config {{
            name: "tiny"
            base_path: "{written_models / "tiny"}"
            model_platform: "tensorflow"
            model_version_policy {{ all {{}} }}
            version_labels {{ key: "stable" value: 1 }}
            version_labels {{ key: "canary" value: 2 }}
          }}
          config {{
            name: "half_plus_two"
            base_path: "{written_models / "half_plus_two"}"
            model_platform: "tensorflow"
          }}
        }}
        """)
    return path


@pytest.fixture(scope="session")
def model_server(served_config: pathlib.Path) -> Iterator[RunningServer]:
    """One server for all tests that leave it as it was.

    It serves `tiny` in versions 1 (`stable`), 2 (`canary`) and 3, and
    `half_plus_two`, and takes requests of 4 MB.
    """
    served_config.with_name("monitoring.config").write_text(
        'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }'
    )
    flags = [
        f"--model_config_file={served_config}",
        "--model_config_file_poll_wait_seconds=1",
        "--file_system_poll_wait_seconds=1",
        "--allow_version_labels_for_unavailable_models=true",
        f"--grpc_socket_path={served_config.with_name('grpc.sock')}",
        "--rest_api_timeout_in_ms=5000",
        f"--monitoring_config_file={served_config.with_name('monitoring.config')}",
        "--grpc_channel_arguments=grpc.max_connection_age_ms=600000",
    ]
    if ours():
        flags += [f"--max_message_bytes={4 << 20}", "--max_candidates=20000"]
    with server_process(*flags) as server:
        yield server
