"""The `clickwright` command: help, specs, data sets, models, errors."""

import pathlib
import subprocess
import sys

import pytest
from tiny_shop import Command, Shop, make_shop

from clickwright.schemas.datasets import SOURCES

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    return make_shop(tmp_path)


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys; sys.argv = ['clickwright', '--help']\n"
        "from clickwright.pipeline import cli\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'tfx', 'keras', 'pyarrow', 'apache_beam', 'pandas', "
        "'pydantic'}\n"
        "raise SystemExit(sorted(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "doctor" in done.stdout


def test_a_configuration_is_checked_without_a_heavy_library(shop: Shop) -> None:
    code = (
        "import pathlib, sys\n"
        "from clickwright.pipeline.config import LoadedConfig\n"
        "LoadedConfig(pathlib.Path(sys.argv[1]))\n"
        "heavy = {'tensorflow', 'tfx', 'keras', 'apache_beam'}\n"
        "raise SystemExit(sorted(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(shop.config)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")))
def test_every_configuration_of_the_repository_is_valid(config: pathlib.Path) -> None:
    from clickwright.pipeline.config import LoadedConfig

    loaded = LoadedConfig(config)

    assert loaded.run.data.dataset == loaded.run.name
    assert config.stem.startswith(f"{loaded.run.name}_{loaded.run.model.name}")


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_specs_of_the_data_sets_pass_the_check(name: str, command: Command) -> None:
    code, out, _ = command("spec", "check", ROOT / f"schemas/{name}/features.yaml")

    assert code == 0
    assert f"{name}: valid" in out
    assert "categorical" in out


def test_a_schema_is_derived_beside_the_spec(shop: Shop, command: Command) -> None:
    code, out, _ = command("spec", "schema", shop.folder / "features.yaml")

    assert code == 0
    assert "schema.pbtxt" in out
    assert 'name: "device"' in (shop.folder / "schema.pbtxt").read_text()


def test_editors_get_a_json_schema(command: Command) -> None:
    code, out, _ = command("spec", "json-schema")

    assert code == 0
    assert out == (ROOT / "schemas/features.schema.json").read_text()


def test_models_are_listed_with_their_defaults(command: Command) -> None:
    code, out, _ = command("zoo")

    assert code == 0
    assert "deepfm" in out
    assert "embedding_dim" in out
    assert "400" in out


def test_simulated_data_have_nothing_to_fetch(command: Command) -> None:
    code, _, shown = command("data", "get", "marketplace")

    assert code == 1
    assert "nothing to fetch" in shown


def test_an_unknown_data_set_is_refused(command: Command) -> None:
    code, _, shown = command("data", "get", "frape")

    assert code == 1
    assert "Did you mean `frappe`?" in shown


def test_public_data_come_from_a_mirror(
    shared_data: pathlib.Path, tmp_path: pathlib.Path, command: Command
) -> None:
    code, out, shown = command(
        *("data", "get", "frappe", "--to", tmp_path / "raw"),
        *("--mirror", shared_data / "frappe"),
    )

    assert code == 0, shown
    assert str(tmp_path / "raw") in out
    assert {"valid.csv", "test.csv"} <= {p.name for p in tmp_path.rglob("*.csv")}


def test_a_plan_counts_values_and_memory(shop: Shop, command: Command) -> None:
    code, out, shown = command("plan", "-c", shop.config, "--out", shop.out)

    assert code == 0, shown
    cells = {line.split()[0]: line.split() for line in out.splitlines() if line.split()}
    # 40 items and 50 users, each with a padding and an out-of-vocabulary row.
    assert cells["item"][1] == "42"
    assert cells["user"][1] == "52"
    assert cells["Trainer"][1] == cells["Discretizer"][1] == "run"
    assert cells["NumericInspector"][1] == "run"
    assert "EncoderSearch" not in cells
    assert "price" not in cells  # a number has no table of ids
    assert not shop.out.exists()


def test_a_plan_of_broken_input_is_an_error(shop: Shop, command: Command) -> None:
    shop.config.write_text("name: tiny\n")

    code, _, shown = command("plan", "-c", shop.config)

    assert code == 1
    assert "`data`: the key is missing" in shown
