"""The plan's list of components is the pipeline's."""

import pathlib
from typing import Any

import pytest
from tiny_shop import CONFIG, SPEC, Shop, make_log, make_shop

from clickwright.components.spans.span_journal import SpanJournal
from clickwright.components.spans.span_request import SpanRequest
from clickwright.components.tuner.params import TunerParams
from clickwright.pipeline import steps
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.inputs import find_input
from clickwright.pipeline.paths import RunPaths
from clickwright.schemas.errors import ConfigError


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    return make_shop(tmp_path)


NUMERIC = {"Discretizer", "PreviousReport", "NumericInspector"}


def spec_with(price: dict[str, Any] | None) -> dict[str, Any]:
    """The spec with another price, or with none."""
    features = {n: f for n, f in SPEC["features"].items() if n != "price"}
    if price is not None:
        features["price"] = {**SPEC["features"]["price"], **price}
    return {**SPEC, "features": features}


@pytest.mark.parametrize(
    ("price", "tuner", "some"),
    [
        (None, None, set()),
        (None, {}, {"Tuner"}),
        ({}, None, NUMERIC),
        ({"encoder": "auto"}, None, {*NUMERIC, "EncoderSearch"}),
        ({"encoder": "auto"}, {}, {*NUMERIC, "EncoderSearch", "Tuner"}),
    ],
)
def test_the_steps_are_the_nodes_of_the_pipeline_with_their_edges(
    price: dict[str, Any] | None,
    tuner: dict[str, Any] | None,
    some: set[str],
    shop: Shop,
) -> None:
    from tfx.dsl.compiler import compiler

    from clickwright.pipeline.local_site import LocalSite
    from clickwright.pipeline.pipeline import create_pipeline

    shop.write_spec(spec_with(price))
    shop.write_config({**CONFIG, "tuner": tuner})
    config, paths = LoadedConfig(shop.config), RunPaths(shop.out)
    files = find_input(config, None, paths)
    compiled = compiler.Compiler().compile(
        create_pipeline(
            config, LocalSite(config, files, paths, shop.folder / "schema.pbtxt")
        )
    )

    upstream = {
        node.pipeline_node.node_info.id: set(node.pipeline_node.upstream_nodes)
        for node in compiled.nodes
    }
    assert set(steps.upstream(config)) == set(upstream)
    assert set(upstream) & {*NUMERIC, "EncoderSearch", "Tuner"} == some
    for name, known in steps.upstream(config).items():
        assert set(known) <= upstream[name], name
        unknown = upstream[name] - set(known)
        assert unknown <= set(steps.RESOLVERS), name


@pytest.mark.parametrize("parent", [None, 1])
def test_a_run_that_goes_on_from_a_model_hands_it_to_all_that_hang_on_it(
    parent: int | None, shop: Shop
) -> None:
    from tfx.dsl.compiler import compiler

    from clickwright.pipeline.local_site import LocalSite
    from clickwright.pipeline.pipeline import create_pipeline

    shop.write_config({**CONFIG, "incremental": {}})
    for span in (1, 2):
        shop.write_log(make_log(span), to=f"log/span-{span}")
    config, paths = LoadedConfig(shop.config), RunPaths(shop.out)
    if parent is not None:
        spans = find_input(config, None, paths, SpanRequest(parent)).spans
        assert spans is not None
        SpanJournal([spans.record("blessed", "run")]).write(paths.spans)
    site = LocalSite(config, find_input(config, None, paths), paths, shop.config)
    compiled = compiler.Compiler().compile(create_pipeline(config, site))

    takes = {
        node.pipeline_node.node_info.id
        for node in compiled.nodes
        if "base_model" in node.pipeline_node.inputs.inputs
        and node.pipeline_node.node_info.id != "WarmStartModel"
    }
    wanted = {"Discretizer", "SpecTransform", "Trainer"}
    assert takes == (set() if parent is None else wanted)


def test_a_run_without_serving_validation_publishes_by_the_evaluation_alone(
    shop: Shop,
) -> None:
    shop.write_config({**CONFIG, "serving": {"validate": False}})

    found = steps.upstream(LoadedConfig(shop.config))

    assert "ServingValidator" not in found
    assert found["Publisher"] == ("Trainer", "ModelEvaluator")


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"training": {"epochs": 3}}, "Trainer"),
        ({"model": {"name": "deepfm"}}, "Trainer"),
        ({"export": {"freeze_numeric": {"max_error": 0.01}}}, "Trainer"),
        ({"evaluation": {"thresholds": {"auc": {"min": 0.6}}}}, "ModelEvaluator"),
        ({"serving": {"tolerance": 1e-4}}, "ServingValidator"),
        ({"serving": {"latency": {"p50_ratio": 2.0}}}, "ServingValidator"),
        ({"publish": {"keep": 2}}, "Publisher"),
        ({"incremental": {"new_ids": "fresh"}}, "Trainer"),
        ({"name": "other"}, "LogExampleGen"),
    ],
)
def test_a_change_reaches_its_component_and_those_below(
    change: dict[str, Any], first: str, shop: Shop
) -> None:
    before = steps.signatures(LoadedConfig(shop.config), "data")
    shop.write_config({**CONFIG, **change})
    after = steps.signatures(LoadedConfig(shop.config), "data")

    changed = [name for name in before if before[name] != after[name]]

    assert changed[0] == first
    for name in changed[1:]:
        assert name in steps.RESOLVERS or first != name


def test_a_change_of_the_search_reaches_the_search_and_the_trainer(shop: Shop) -> None:
    shop.write_spec(spec_with({"encoder": "auto"}))
    before = steps.signatures(LoadedConfig(shop.config), "data")
    shop.write_config({**CONFIG, "numeric_search": {"seeds": 2}})
    after = steps.signatures(LoadedConfig(shop.config), "data")

    changed = [name for name in before if before[name] != after[name]]
    assert changed[:2] == ["EncoderSearch", "Trainer"]
    assert not {"Discretizer", "SpecTransform"} & set(changed)


def test_a_change_of_the_tuner_reaches_the_tuner_and_the_trainer(shop: Shop) -> None:
    shop.write_config({**CONFIG, "tuner": {}})
    before = steps.signatures(LoadedConfig(shop.config), "data")
    shop.write_config({**CONFIG, "tuner": {"trials": 3}})
    after = steps.signatures(LoadedConfig(shop.config), "data")

    changed = [name for name in before if before[name] != after[name]]
    assert changed[:2] == ["Tuner", "Trainer"]
    assert not {"SpecTransform", "EncoderSearch"} & set(changed)


def test_a_model_that_goes_on_from_its_parent_is_not_searched_for(shop: Shop) -> None:
    shop.write_config({**CONFIG, "tuner": {}, "incremental": {}})
    with pytest.raises(ConfigError, match="keeps the parent's parameters"):
        LoadedConfig(shop.config)
    # A search of its own starts each trial from scratch.
    assert LoadedConfig(shop.config, {"trials": 3}).tuner == TunerParams(trials=3)
    shop.write_config({**CONFIG, "tuner": {}, "incremental": {"warm_start": False}})
    assert LoadedConfig(shop.config).tuner == TunerParams()


def test_a_search_that_no_feature_asks_for_is_refused(shop: Shop) -> None:
    shop.write_config({**CONFIG, "numeric_search": {"seeds": 2}})

    with pytest.raises(ConfigError, match="none has `encoder: auto`") as error:
        LoadedConfig(shop.config)

    assert error.value.where == f"{shop.config}: numeric_search"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"numeric_search": {"seed": 2}}, "numeric_search: `seed`: unknown key"),
        ({"export": {"freeze": {}}}, "export: `freeze`: unknown key"),
        ({"tuner": {"trails": 2}}, "tuner: `trails`: unknown key. Did you mean"),
        ({"tuner": {"algorithm": "grid"}}, "`algorithm`: must be one of 'random'"),
        ({"tuner": {"objective": "hr@5"}}, "tuner.objective: The validation does not"),
        (
            {"tuner": {"space": {"model": {"l3": [1]}}}},
            "tuner.space.model: `l3` is no parameter",
        ),
        (
            {"export": {"freeze_numeric": {"max_error": 0}}},
            "max_error`: .* greater than 0",
        ),
    ],
)
def test_sections_of_other_layers_are_checked_before_any_work(
    section: dict[str, Any], said: str, shop: Shop
) -> None:
    shop.write_config({**CONFIG, **section})
    with pytest.raises(ConfigError, match=said):
        LoadedConfig(shop.config)


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
