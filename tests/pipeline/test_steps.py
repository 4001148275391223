"""The plan's list of components is the pipeline's."""

import pathlib
from typing import Any

import pytest
from tiny_shop import CONFIG, SPEC, Shop, make_shop

from clickwright.pipeline import steps
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.inputs import find_input
from clickwright.pipeline.paths import RunPaths


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    return make_shop(tmp_path)


def test_the_steps_are_the_nodes_of_the_pipeline_with_their_edges(shop: Shop) -> None:
    from tfx.dsl.compiler import compiler

    from clickwright.pipeline.pipeline import create_pipeline

    config, paths = LoadedConfig(shop.config), RunPaths(shop.out)
    files = find_input(config, None, paths)
    compiled = compiler.Compiler().compile(
        create_pipeline(config, files, paths, shop.folder / "schema.pbtxt")
    )

    upstream = {
        node.pipeline_node.node_info.id: set(node.pipeline_node.upstream_nodes)
        for node in compiled.nodes
    }
    assert set(steps.UPSTREAM) == set(upstream)
    for name, known in steps.UPSTREAM.items():
        assert set(known) <= upstream[name], name
        unknown = upstream[name] - set(known)
        assert unknown <= set(steps.RESOLVERS), name


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"training": {"epochs": 3}}, "Trainer"),
        ({"model": {"name": "deepfm"}}, "Trainer"),
        ({"evaluation": {"thresholds": {"auc": {"min": 0.6}}}}, "ModelEvaluator"),
        ({"publish": {"keep": 2}}, "Publisher"),
        ({"name": "other"}, "LogExampleGen"),
    ],
)
def test_a_change_reaches_its_component_and_those_below(
    change: dict[str, Any], first: str, shop: Shop
) -> None:
    before = steps.signatures(LoadedConfig(shop.config), "data")
    shop.write_config({**CONFIG, **change})
    after = steps.signatures(LoadedConfig(shop.config), "data")

    changed = [name for name in steps.UPSTREAM if before[name] != after[name]]

    assert changed[0] == first
    for name in changed[1:]:
        assert name in steps.RESOLVERS or first != name


def test_a_change_of_the_spec_reaches_schema_and_transform(shop: Shop) -> None:
    before = steps.signatures(LoadedConfig(shop.config), "data")
    shop.write_spec({**SPEC, "slices": []})
    after = steps.signatures(LoadedConfig(shop.config), "data")

    assert before["LogExampleGen"] != after["LogExampleGen"]
    assert before["SpecTransform"] != after["SpecTransform"]


def test_finished_steps_are_kept_beside_those_of_other_runs() -> None:
    first = steps.with_finished({}, {"Trainer": "a"}, ["Trainer"])
    second = steps.with_finished(first, {"Trainer": "b"}, ["Trainer", "Unknown"])
    again = steps.with_finished(second, {"Trainer": "a"}, ["Trainer"])

    assert second == {"Trainer": ["a", "b"]}
    assert again == {"Trainer": ["b", "a"]}
