"""Models for a model server, written once."""

import pathlib
import shutil

import pytest
import tiny_served_model

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
    """A serving root of the test's own: `tiny/1`, `half_plus_two/123`, the config.

    `add_version` brings more versions of `tiny`.
    """
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
