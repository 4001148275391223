"""Simulated users through a real router and a real server, to the A/B report."""

import json
import os
import pathlib

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rich.console
import yaml
from shop_models import publish_arms

from clickwright.experiments.decision.decision_journal import DecisionJournal
from clickwright.experiments.events.event_store import EventStore
from clickwright.experiments.report.ab_report import AbReport
from clickwright.pipeline.demo.online_test import OnlineTest, run_online_test, show
from clickwright.pipeline.demo.run_inputs import RunInputs
from clickwright.pipeline.demo.traffic_options import TrafficOptions
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.marketplace.source import MarketplaceOptions
from clickwright.schemas.strict_yaml import read_yaml

pytestmark = pytest.mark.e2e
CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs"
SHOP = MarketplaceOptions(impressions=4_000, users=400, items=100, days=14, seed=3)
TRAFFIC = TrafficOptions(page_views=900, candidates=30, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("online")


@pytest.fixture(scope="module")
def versions(folder: pathlib.Path) -> dict[str, int]:
    return publish_arms(folder / "serving", SHOP)


@pytest.fixture(scope="module")
def inputs(folder: pathlib.Path, versions: dict[str, int]) -> RunInputs:
    definition = folder / "artifact" / "experiment.yaml"
    definition.parent.mkdir()
    content = read_yaml(CONFIGS / "experiments" / "marketplace.yaml")
    content["overrides"] = {"user-1": "treatment"}
    definition.write_text(yaml.safe_dump(content))
    lineage = {"treatment": {"version": str(versions["canary"]), "auc": "0.77"}}
    definition.with_name("lineage.json").write_text(json.dumps(lineage))
    return RunInputs("shop", definition, folder / "serving", SHOP, folder / "out")


@pytest.fixture(scope="module")
def online(inputs: RunInputs) -> OnlineTest:
    with open(os.devnull, "w") as nothing:
        return run_online_test(inputs, TRAFFIC, rich.console.Console(file=nothing))


@pytest.fixture(scope="module")
def exposures(online: OnlineTest) -> pa.Table:
    with duckdb.connect() as connection:
        store = EventStore(online.folder / "log", "exposure")
        return store.relation(connection).to_arrow_table()


def test_every_answer_of_the_experiment_left_one_exposure(
    online: OnlineTest, exposures: pa.Table
) -> None:
    assert online.traffic.page_views == TRAFFIC.page_views
    assert exposures.num_rows == online.traffic.assigned < TRAFFIC.page_views
    assert len(set(exposures["request_id"].to_pylist())) == exposures.num_rows
    assert len(set(exposures["unit"].to_pylist())) == online.traffic.users


def test_each_user_stays_with_one_arm_and_its_version(
    exposures: pa.Table, versions: dict[str, int]
) -> None:
    arms: dict[str, set[tuple[str, int]]] = {}
    for row in exposures.select(["unit", "variant", "version"]).to_pylist():
        arms.setdefault(row["unit"], set()).add((row["variant"], row["version"]))

    assert all(len(seen) == 1 for seen in arms.values())
    assert set.union(*arms.values()) == {
        ("control", versions["stable"]),
        ("treatment", versions["canary"]),
    }


def test_outcomes_are_clicks_on_candidates_of_their_requests(
    online: OnlineTest, exposures: pa.Table
) -> None:
    outcomes = pq.read_table(online.folder / "outcomes.parquet").to_pylist()
    at = dict(
        zip(
            exposures["request_id"].to_pylist(),
            exposures["at"].to_pylist(),
            strict=True,
        )
    )

    assert len(outcomes) == online.traffic.outcomes
    assert {outcome["name"] for outcome in outcomes} == {"click", "revenue"}
    for outcome in outcomes:
        assert 0 <= outcome["position"] < TRAFFIC.candidates
        assert outcome["at"] >= at.get(outcome["request_id"], outcome["at"])


def test_the_report_trusts_the_test_and_covers_the_truth(online: OnlineTest) -> None:
    report = online.report
    truth = {fact.metric: fact for fact in report.truth}

    assert report.health.trusted, report.health.failures
    assert report.verdict.outcome == "better"
    assert truth["clicks_per_page"].lift > 0.05
    assert truth["clicks_per_page"].always_covered
    assert report.primary()[0].cuped
    assert report.arms[1].lineage["auc"] == "0.77"
    assert report.exposures == online.traffic.assigned - _overridden(online)


def test_the_decision_is_in_the_journal_and_no_label_moved(
    online: OnlineTest, inputs: RunInputs, versions: dict[str, int]
) -> None:
    journal = DecisionJournal(online.folder / "experiments")
    config = (inputs.root / "models.config").read_text()

    assert [d.action for d in journal.of("deepfm_against_lr")] == ["start", "promote"]
    assert all(str(version) in config for version in versions.values())


def test_page_and_record_tell_the_same(
    online: OnlineTest, capsys: pytest.CaptureFixture[str]
) -> None:
    record = AbReport.model_validate_json((online.folder / "report.json").read_text())
    show(online, rich.console.Console(width=100))
    shown = capsys.readouterr().out

    assert record == online.report
    assert record.verdict.headline in online.page.read_text()
    assert record.verdict.headline in shown
    assert "clicks_per_page" in shown
    assert "covered" in shown


def test_arms_of_one_version_are_refused(
    inputs: RunInputs, folder: pathlib.Path
) -> None:
    definition = folder / "aa.yaml"
    content = read_yaml(inputs.definition)
    content["arms"]["treatment"]["target"]["label"] = "stable"
    definition.write_text(yaml.safe_dump(content))

    with pytest.raises(ConfigError, match="Arms must be different versions"):
        run_online_test(
            RunInputs("shop", definition, inputs.root, SHOP, folder / "other"),
            TRAFFIC,
            rich.console.Console(stderr=True),
        )


def _overridden(online: OnlineTest) -> int:
    """Exposures of the user whose arm was chosen by hand."""
    with duckdb.connect() as connection:
        store = EventStore(online.folder / "log", "exposure")
        relation = store.relation(connection)
        return len(relation.filter("override").fetchall())
