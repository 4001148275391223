"""The `experiment` section of a run's configuration."""

import pathlib
from typing import Any

import pytest
import yaml
from ab_definition import arms, definition_content
from tiny_shop import CONFIG, Shop, make_shop

from clickwright.pipeline import steps
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.inputs import find_input
from clickwright.pipeline.paths import RunPaths
from clickwright.schemas.errors import ConfigError


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    return make_shop(tmp_path)


def write(shop: Shop, label: str = "canary", **changes: Any) -> None:
    content = definition_content(
        id="ctr_{version}", start="+0h", end="+14d", model="tiny"
    )
    for arm in content["arms"].values():
        arm["target"]["model"] = "tiny"
    text = yaml.safe_dump({**content, **changes}, sort_keys=False)
    (shop.folder / "ab.yaml").write_text(text)
    shop.write_config(
        {
            **CONFIG,
            "publish": {"label": label},
            "experiment": {"definition": "ab.yaml"},
        }
    )


def test_a_run_with_an_experiment_ends_with_its_definition(shop: Shop) -> None:
    from tfx.dsl.compiler import compiler

    from clickwright.pipeline.local_site import LocalSite
    from clickwright.pipeline.pipeline import create_pipeline

    write(shop)
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
    assert upstream["ExperimentGen"] == set(steps.upstream(config)["ExperimentGen"])
    assert list(steps.upstream(config))[-1] == "ExperimentGen"


def test_a_run_without_an_experiment_has_no_such_step(shop: Shop) -> None:
    assert "ExperimentGen" not in steps.upstream(LoadedConfig(shop.config))


def test_a_change_of_the_definition_reaches_the_experiment_alone(shop: Shop) -> None:
    write(shop)
    config = LoadedConfig(shop.config)
    before = steps.signatures(config, "data")
    write(shop, end="+7d")
    changed = LoadedConfig(shop.config)
    after = steps.signatures(changed, "data")

    assert {n for n in before if before[n] != after[n]} == {"ExperimentGen"}
    assert changed.sha256 == config.sha256, "the version's provenance"


@pytest.mark.parametrize(
    ("label", "changes", "said"),
    [
        ("stable", {}, "there is nothing to compare"),
        ("canary", {"arms": arms(stable=0.5, canary=0.5)}, "must be `tiny`"),
        ("canary", {"control": "third"}, "`control` must be one of"),
    ],
)
def test_a_definition_that_does_not_fit_the_run_is_refused_before_any_work(
    label: str, changes: dict[str, Any], said: str, shop: Shop
) -> None:
    write(
        shop,
        label,
        **{"control": "stable" if "arms" in changes else "control"} | changes,
    )

    with pytest.raises(ConfigError, match=said):
        LoadedConfig(shop.config)


def test_a_label_that_no_run_publishes_under_is_refused(shop: Shop) -> None:
    unknown = arms(control=0.5, treatment=0.5)
    for arm in unknown.values():
        arm["target"]["model"] = "tiny"
    write(shop, arms=unknown)

    with pytest.raises(ConfigError, match="Received: control, treatment"):
        LoadedConfig(shop.config)
