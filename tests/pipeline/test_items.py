"""Item data in a run: where they are, what changes with them, what a plan says."""

import pathlib
from typing import Any

import pytest
from item_shop import FEATURES, make_item_shop, write_item_data
from tiny_shop import CONFIG, SPEC, Shop

from clickwright.pipeline import steps
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.inputs import InputFiles, find_input, locate_input
from clickwright.pipeline.paths import RunPaths
from clickwright.pipeline.plan import make_plan
from clickwright.schemas.errors import ClickwrightError, ConfigError, DataError


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    return make_item_shop(tmp_path)


def input_of(shop: Shop) -> tuple[LoadedConfig, InputFiles]:
    config = LoadedConfig(shop.config)
    return config, find_input(config, None, RunPaths(shop.out))


def with_items(path: str) -> dict[str, Any]:
    return {**CONFIG, "data": {**CONFIG["data"], "items": {"item": path}}}


@pytest.mark.parametrize("encoder", [None, "auto"])
def test_the_steps_are_the_nodes_of_the_pipeline_with_their_edges(
    encoder: str | None, shop: Shop
) -> None:
    from tfx.dsl.compiler import compiler

    from clickwright.pipeline.local_site import LocalSite
    from clickwright.pipeline.pipeline import create_pipeline

    price = {**FEATURES["price"], **({"encoder": encoder} if encoder else {})}
    shop.write_spec({**SPEC, "features": {**FEATURES, "price": price}})
    config, files = input_of(shop)
    compiled = compiler.Compiler().compile(
        create_pipeline(
            config,
            LocalSite(config, files, RunPaths(shop.out), shop.folder / "schema.pbtxt"),
        )
    )

    upstream = {
        node.pipeline_node.node_info.id: set(node.pipeline_node.upstream_nodes)
        for node in compiled.nodes
    }
    assert set(steps.upstream(config)) == set(upstream)
    for name, known in steps.upstream(config).items():
        assert set(known) <= upstream[name], name
        assert upstream[name] - set(known) <= set(steps.RESOLVERS), name
    reader = "EncoderSearch" if encoder else "Trainer"
    assert "ItemTableGen" in upstream[reader]


def test_new_vectors_reach_the_item_table_and_what_reads_it_but_not_the_log(
    shop: Shop,
) -> None:
    def known() -> dict[str, str]:
        config, files = input_of(shop)
        return steps.signatures(config, files.fingerprint, files.item_fingerprints())

    before = known()
    write_item_data(shop.log / "items.parquet", seed=1)
    after = known()

    changed = {name for name in before if before[name] != after[name]}
    assert {"ItemTableGen", "Trainer", "ModelEvaluator", "Publisher"} <= changed
    assert not changed & {"LogExampleGen", "SpecTransform", "Discretizer"}


def test_item_data_may_lie_elsewhere(shop: Shop) -> None:
    _, beside = input_of(shop)
    assert beside.items["item"].path == shop.log / "items.parquet"

    write_item_data(shop.folder / "elsewhere" / "part-0.parquet")
    shop.write_config(with_items("elsewhere"))
    _, files = input_of(shop)
    assert files.items["item"].path == shop.folder / "elsewhere"
    write_item_data(shop.folder / "elsewhere" / "part-1.parquet")
    _, more = input_of(shop)
    assert more.items["item"].fingerprint != files.items["item"].fingerprint
    assert more.fingerprint == files.fingerprint


def test_a_shop_without_item_features_needs_no_item_data(shop: Shop) -> None:
    shop.write_spec(SPEC)
    (shop.log / "items.parquet").unlink()
    config, files = input_of(shop)
    assert files.items == {}
    assert "ItemTableGen" not in steps.upstream(config)


def test_prepared_item_data_change_with_their_source(tmp_path: pathlib.Path) -> None:
    shop = Shop(tmp_path)
    options = {"impressions": 1000, "users": 20, "items": 50, "days": 1}
    shop.write_config(
        {**CONFIG, "data": {"dataset": "marketplace", "options": options}}
    )
    config = LoadedConfig(shop.config)
    planned = locate_input(config, None, RunPaths(shop.out))
    found = find_input(config, None, RunPaths(shop.out))
    assert found.items == planned.items
    assert found.items["item"].path == found.folder / "items.parquet"
    assert found.items["item"].path.is_file()


def hashed() -> dict[str, Any]:
    item = {**FEATURES["item"], "vocabulary": {"kind": "hash", "buckets": 9}}
    return {**SPEC, "features": {**FEATURES, "item": item}}


@pytest.mark.parametrize(
    ("items", "spec", "error", "told"),
    [
        ("gone.parquet", None, DataError, "no item data of `item`.*look, tags"),
        (None, hashed(), ConfigError, "whose vocabulary is hashed"),
        ("log/items.parquet", SPEC, ConfigError, "must name features with an item"),
    ],
)
def test_item_data_that_cannot_be_used_are_refused_before_any_work(
    items: str | None,
    spec: dict[str, Any] | None,
    error: type[ClickwrightError],
    told: str,
    shop: Shop,
) -> None:
    if items is not None:
        shop.write_config(with_items(items))
    if spec is not None:
        shop.write_spec(spec)
    with pytest.raises(error, match=told) as caught:
        input_of(shop)
    assert caught.value.fix


def test_a_plan_states_the_memory_of_frozen_tables(shop: Shop) -> None:
    shop.write_config({**CONFIG, "model": {"name": "fm"}})
    plan = make_plan(shop.config, None, shop.out)

    assert "ItemTableGen" in [step.name for step in plan.steps]
    tables = {t.feature: t for t in plan.tables}
    look, tags = tables["look (frozen)"], tables["tags (frozen)"]
    # Forty items, padding and one row for unknown ones; float16, and int32 ids.
    assert (look.ids, look.width, look.bytes) == (42, 3, 42 * 3 * 2)
    assert (tags.ids, tags.width, tags.bytes) == (42, 2, 42 * 2 * 4)
    # `even`, and five tens.
    assert tables["tags"].ids == 1 + 6 + 1
