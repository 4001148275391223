"""Published settings in a run's configuration."""

import pathlib
from typing import Any

import pytest
import yaml
from tiny_shop import CONFIG, Command, Shop, make_shop

from clickwright.pipeline.config import LoadedConfig
from clickwright.schemas.errors import ConfigError


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    return make_shop(tmp_path)


def loaded(shop: Shop, model: dict[str, Any], training: dict[str, Any]) -> LoadedConfig:
    shop.config.write_text(
        yaml.safe_dump(CONFIG | {"model": model, "training": training})
    )
    return LoadedConfig(shop.config)


def test_a_preset_brings_parameters_and_training(shop: Shop) -> None:
    run = loaded(shop, {"name": "dcnv2", "preset": "criteo_x4"}, {}).run

    assert run.model.params["cross_layers"] == 3
    assert run.model.params["embedding_dim"] == 16
    assert run.training == {
        "batch_size": 10_000,
        "monitor": "auc",
        "table_updates": "dense",
    }


def test_what_the_file_says_comes_before_the_preset(shop: Shop) -> None:
    model = {"name": "dcnv2", "preset": "criteo_x4", "params": {"cross_layers": 2}}
    run = loaded(shop, model, {"batch_size": 64}).run

    assert run.model.params["cross_layers"] == 2
    assert run.model.params["embedding_dim"] == 16
    assert run.training["batch_size"] == 64
    assert run.training["monitor"] == "auc"


def test_an_unknown_preset_names_file_and_nearest(shop: Shop) -> None:
    with pytest.raises(ConfigError, match="Did you mean `criteo_x4`") as caught:
        loaded(shop, {"name": "dcnv2", "preset": "criteo_x5"}, {})

    assert str(shop.config) in caught.value.where
    assert "frappe_x1" in caught.value.fix


def test_presets_are_listed_with_the_models(command: Command) -> None:
    code, out, _ = command("zoo")

    assert code == 0
    assert "presets: criteo_x4, frappe_x1, movielenslatest_x1" in out
