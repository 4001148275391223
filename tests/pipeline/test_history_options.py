"""Event logs and ablations in a run's configuration, its steps, summary and report."""

import copy
import dataclasses
import io
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rich.console
from report_page import Page, table
from report_record import evaluation, finished_run
from tiny_shop import CONFIG, SPEC, Shop, make_shop

from clickwright.pipeline import run as command
from clickwright.pipeline import steps
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.inputs import find_input
from clickwright.pipeline.paths import RunPaths
from clickwright.pipeline.report.render import render
from clickwright.schemas.errors import ConfigError

HISTORY = {
    "kind": "sequence",
    "role": "user",
    "of": "item",
    "events": {"key": "user", "columns": {"history": "item"}},
}
ABLATIONS = {
    "no history": {"auc": 0.7, "logloss": 0.4, "gauc": float("nan")},
    "no multimodal": {"auc": 0.79, "logloss": 0.3, "gauc": 0.6},
}


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    made = make_shop(tmp_path)
    content = copy.deepcopy(SPEC) | {"timestamp": "time"}
    content["features"]["history"] = HISTORY
    made.write_spec(content)
    events = {name: np.arange(9) for name in ("user", "item", "timestamp")}
    pq.write_table(pa.table(events), tmp_path / "clicks.parquet")
    return made


def configured(shop: Shop, **sections: Any) -> LoadedConfig:
    content = copy.deepcopy(CONFIG)
    for name, keys in sections.items():
        content[name] = content.get(name, {}) | keys
    shop.write_config(content)
    return LoadedConfig(shop.config)


def fingerprint(shop: Shop, config: LoadedConfig) -> str:
    return find_input(config, None, RunPaths(shop.out)).fingerprint


def test_an_event_log_lies_where_the_configuration_says(shop: Shop) -> None:
    config = configured(shop, data={"events": {"history": "clicks.parquet"}})

    assert config.event_files() == {"history": shop.folder / "clicks.parquet"}
    assert configured(shop).event_files() == {}


def test_events_of_a_feature_that_has_none_are_refused(shop: Shop) -> None:
    with pytest.raises(ConfigError, match="Did you mean `history`") as caught:
        configured(shop, data={"events": {"histroy": "clicks.parquet"}})
    assert caught.value.where == str(shop.config)


def test_another_event_log_is_another_input(shop: Shop) -> None:
    without = fingerprint(shop, configured(shop))
    given = configured(shop, data={"events": {"history": "clicks.parquet"}})
    first = fingerprint(shop, given)
    assert fingerprint(shop, given) == first != without

    pq.write_table(pa.table({"user": [1]}), shop.folder / "clicks.parquet")

    assert fingerprint(shop, given) != first


def test_ablations_run_the_evaluation_again_and_nothing_before(shop: Shop) -> None:
    plain = steps.signatures(configured(shop), "x")
    asked = steps.signatures(configured(shop, evaluation={"ablations": True}), "x")

    changed = {name for name in plain if plain[name] != asked[name]}
    assert changed == {"ModelEvaluator", "ServingValidator", "Publisher"}


def test_ablations_are_for_click_models(shop: Shop) -> None:
    with pytest.raises(ConfigError, match="belongs to click models; `sasrec` is for"):
        configured(
            shop,
            model={"name": "sasrec"},
            evaluation={"ablations": True, "thresholds": {}},
        )


def test_the_report_shows_ablations_beside_the_score() -> None:
    whole = dataclasses.replace(evaluation(), ablations=ABLATIONS)
    auc = whole.splits["test"].overall["auc"]

    page = Page(render(finished_run(evaluation=whole)))

    rows = {row[0]: row[1:] for row in table(page, "taken away")}
    assert list(rows) == ["Scored with", "everything", "no history", "no multimodal"]
    assert rows["Scored with"][::2] == ["AUC", "GAUC", "Log loss"]
    assert rows["everything"][:2] == [f"{auc:.4f}", ""]
    assert rows["no history"][0] == "0.7000"
    assert rows["no history"][1] == f"\N{MINUS SIGN}{auc - 0.7:.4f}▼worse"
    assert rows["no history"][2:4] == ["–", "–"]
    assert rows["no multimodal"][1] == f"+{0.79 - auc:.4f}▲better"
    assert rows["no multimodal"][5].endswith("▼better")  # less log loss


def test_the_report_has_no_such_table_where_none_were_asked_for() -> None:
    page = Page(render(finished_run()))

    assert not [caption for caption in page.tables if "taken away" in caption]


def test_the_command_prints_ablations_below_their_model(tmp_path: pathlib.Path) -> None:
    scores = {"auc": 0.8, "logloss": 0.25, "gauc": 0.7, "pcoc": 1.0}
    summary = {
        "model": "din",
        "blessed": True,
        "bayes": None,
        "metrics": {"test": scores},
        "ablations": ABLATIONS | {"no history": {"auc": 0.7, "logloss": 0.4}},
        "failures": [],
        "serving": None,
        "published": None,
    }
    shown = io.StringIO()

    command.show(
        [command.RunResult(summary, RunPaths(tmp_path))],
        rich.console.Console(file=shown, width=100),
    )

    lines = [line.split() for line in shown.getvalue().splitlines()]
    model = lines.index(["din", "0.8000", "0.2500", "0.7000", "1.0000", "blessed"])
    assert lines[model + 1] == ["no", "history", "0.7000", "0.4000", "–", "–"]
    assert lines[model + 2] == [
        *["no", "multimodal", "0.7900", "0.3000", "0.6000"],
        "–",
    ]
