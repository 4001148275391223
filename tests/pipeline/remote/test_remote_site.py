"""The pipeline as containers run it."""

import pathlib

import pytest
from item_shop import make_item_shop
from remote_section import REMOTE
from tfx import v1 as tfx
from tfx.components import FileBasedExampleGen
from tiny_shop import CONFIG, Shop

from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.pipeline import create_pipeline
from clickwright.pipeline.remote import compile_spec
from clickwright.pipeline.remote.remote_site import RemoteSite
from clickwright.schemas.errors import ConfigError


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    """A shop with numbers and item data."""
    shop = make_item_shop(tmp_path)
    shop.write_config(
        {**CONFIG, "publish": {"directory": "s3://bucket/serving"}, "remote": REMOTE}
    )
    return shop


def pipeline_of(shop: Shop) -> tfx.dsl.Pipeline:
    config = LoadedConfig(shop.config)
    return create_pipeline(config, RemoteSite(config))


def test_nothing_in_it_is_resolved_or_driven_outside_of_a_container(
    shop: Shop,
) -> None:
    for node in pipeline_of(shop).components:
        assert isinstance(node, tfx.types.BaseComponent), node.id
        assert not isinstance(node, FileBasedExampleGen), node.id


def test_no_path_of_this_machine_is_in_it(shop: Shop) -> None:
    config = LoadedConfig(shop.config)
    assert config.run.remote is not None
    job = compile_spec.compile_job(config, config.run.remote, "kubeflow")

    assert str(shop.folder) not in str(job)


def test_every_local_component_has_a_task_of_its_name_but_resolvers(
    shop: Shop,
) -> None:
    names = {node.id for node in pipeline_of(shop).components}

    assert names == {
        "SourceGen",
        "LedgerReader",
        "LogExampleGen",
        "SpecSchemaGen",
        "StatisticsGen",
        "DataValidator",
        "Discretizer",
        "SpecTransform",
        "ItemTableGen",
        "Trainer",
        "NumericInspector",
        "ModelEvaluator",
        "ServingValidator",
        "Publisher",
        "LedgerWriter",
    }


def test_what_earlier_runs_left_comes_from_the_ledger(shop: Shop) -> None:
    nodes = {node.id: node for node in pipeline_of(shop).components}

    readers = {
        (name, key, channel.output_key)
        for name, node in nodes.items()
        for key, channel in node.inputs.items()
        if channel.producer_component_id == "LedgerReader"
    }
    assert readers == {
        ("DataValidator", "baseline_statistics", "baseline_statistics"),
        ("NumericInspector", "previous_report", "previous_report"),
        ("ModelEvaluator", "baseline_model", "baseline_model"),
        ("ServingValidator", "baseline_model", "baseline_model"),
    }


def test_a_run_is_remembered_when_all_has_ended_well(shop: Shop) -> None:
    nodes = {node.id: node for node in pipeline_of(shop).components}

    before = {node.id for node in nodes["LedgerWriter"].upstream_nodes}
    assert {"Publisher", "StatisticsGen", "Trainer", "ModelEvaluator"} <= before
    assert not nodes["LedgerWriter"].downstream_nodes


def test_the_trainer_s_launcher_brings_the_item_tables(shop: Shop) -> None:
    nodes = {node.id: node for node in pipeline_of(shop).components}

    table = nodes["Trainer"].inputs["item_table"]
    assert table.producer_component_id == "ItemTableGen"
    assert nodes["ItemTableGen"].inputs["prepared"].producer_component_id == "SourceGen"


@pytest.mark.parametrize("missing", ["remote", "publish"])
def test_a_run_without_a_place_in_the_cloud_is_refused(
    missing: str, shop: Shop
) -> None:
    sections = {"publish": {"directory": "s3://bucket/serving"}, "remote": REMOTE}
    del sections[missing]
    shop.write_config({**CONFIG, **sections})

    with pytest.raises(ConfigError, match=f"`{missing}.*is missing"):
        RemoteSite(LoadedConfig(shop.config))
