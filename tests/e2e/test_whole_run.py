"""A tiny marketplace through the whole DAG, once, again, and after being killed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import pyarrow.dataset
import pytest
import tensorflow as tf
import yaml
from tiny_shop import Command, make_shop

from clickwright.schemas.manifest import verify

pytestmark = pytest.mark.e2e
METRICS = {"auc", "logloss", "gauc", "ne", "ece", "pcoc", "rows"}


def marketplace(folder: pathlib.Path, model: str) -> pathlib.Path:
    config: dict[str, Any] = {
        "name": "marketplace",
        "data": {"dataset": "marketplace", "options": {"impressions": 20_000}},
        "model": {"name": model},
        "training": {"epochs": 4, "batch_size": 256, "learning_rate": 0.01},
        "evaluation": {"thresholds": {"auc": {"min": 0.52, "max_drop": 0.3}}},
    }
    path = folder / f"{model}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("marketplace")


def states(summary: Mapping[str, Any]) -> dict[str, str]:
    return {c["name"]: c["state"] for c in summary["components"]}


@pytest.fixture(scope="module")
def two_models(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Summaries of a logistic regression and of the DeepFM that has to beat it."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "clickwright.pipeline.cli", "run", "--json"),
            *("-c", marketplace(folder, "logistic_regression")),
            *("-c", marketplace(folder, "deepfm"), "--out", folder / "out"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return list(json.loads(run.stdout))


def test_the_summary_says_everything(
    two_models: list[dict[str, Any]], folder: pathlib.Path
) -> None:
    logistic, deepfm = two_models

    assert deepfm == json.loads((folder / "out" / "summary.json").read_text())
    assert (logistic["model"], deepfm["model"]) == ("logistic_regression", "deepfm")
    for summary in two_models:
        assert summary["blessed"] is True
        assert set(summary["metrics"]) == {"valid", "test"}
        for split in ("valid", "test"):
            assert set(summary["metrics"][split]) == METRICS
            assert summary["metrics"][split]["rows"] == pytest.approx(2000, rel=0.05)
            assert summary["bayes"][split]["auc"] > summary["metrics"][split]["auc"]
        assert len(summary["config_sha256"]) == 64
        assert {c["name"] for c in summary["components"]} >= {"Prepare", "Trainer"}
    rows = {c["name"]: c["rows"] for c in deepfm["components"]}
    assert rows["Prepare"] == rows["LogExampleGen"] == 20_000


def test_the_second_model_takes_data_from_the_cache_and_meets_the_first(
    two_models: list[dict[str, Any]],
) -> None:
    logistic, deepfm = two_models

    assert logistic["baseline"] is None
    assert deepfm["baseline"]["auc"] == pytest.approx(
        logistic["metrics"]["test"]["auc"]
    )
    data = ("LogExampleGen", "StatisticsGen", "DataValidator", "Discretizer")
    for name in (*data, "SpecTransform"):
        assert states(deepfm)[name] == "cached"
    assert states(deepfm)["Trainer"] == "complete"


def test_both_versions_are_published_and_whole(
    two_models: list[dict[str, Any]], folder: pathlib.Path
) -> None:
    root = folder / "out" / "serving" / "marketplace"
    versions = sorted(p for p in root.iterdir() if p.is_dir())

    assert [summary["published"] for summary in two_models] == [
        str(version) for version in versions
    ]
    for version in versions:
        verify(version)


def test_the_published_model_loads_in_the_loader_of_model_servers(
    two_models: list[dict[str, Any]], folder: pathlib.Path
) -> None:
    logs = (folder / "out" / "data").glob("marketplace-*/all")
    table = pyarrow.dataset.dataset(str(next(logs))).head(50)
    rows = table.to_pylist()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.loader.load(
            session, ["serve"], two_models[-1]["published"]
        )
        signature = loaded.signature_def["serving_default"]
        probability = session.run(
            signature.outputs["probability"].name,
            {signature.inputs["examples"].name: [serialize(row) for row in rows]},
        )

    assert probability.shape == (50,)
    assert ((probability > 0) & (probability < 1)).all()
    signatures = {"serving_default", "predict_raw", "numeric_health"}
    assert set(loaded.signature_def) >= signatures


def test_the_report_shows_the_summary(
    two_models: list[dict[str, Any]], folder: pathlib.Path
) -> None:
    report = (folder / "out" / "report.html").read_text()

    summary = two_models[-1]
    assert f"{summary['metrics']['test']['auc']:.4f}" in report
    assert f"{summary['bayes']['test']['auc']:.4f}" in report
    assert summary["version"] in report
    assert summary["config_sha256"][:12] in report


def test_an_identical_run_takes_everything_from_the_cache(
    two_models: list[dict[str, Any]], folder: pathlib.Path, command: Command
) -> None:
    config = marketplace(folder, "deepfm")
    code, out, shown = command("run", "-c", config, "--out", folder / "out", "--json")

    assert code == 0, shown
    again = json.loads(out)
    worked = {n for n, s in states(again).items() if s != "cached"}
    assert worked == {"PreviousStatistics", "PreviousReport", "LatestBlessedModel"}
    assert again["metrics"] == two_models[-1]["metrics"]
    assert again["published"] == two_models[-1]["published"]


def test_a_plan_knows_what_is_cached(
    two_models: list[dict[str, Any]], folder: pathlib.Path, command: Command
) -> None:
    config = marketplace(folder, "deepfm")
    code, out, _ = command("plan", "-c", config, "--out", folder / "out")

    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line.split()}
    cached = ("LogExampleGen", "Discretizer", "Trainer", "NumericInspector")
    for name in (*cached, "ModelEvaluator", "Publisher"):
        assert "cached" in lines[name]
    assert "item" in lines


def test_a_model_that_fails_in_the_server_is_not_published(
    two_models: list[dict[str, Any]], folder: pathlib.Path, command: Command
) -> None:
    config = marketplace(folder, "deepfm")
    content = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**content, "serving": {"memory_mb": 1.0}}))
    root = folder / "out" / "serving" / "marketplace"
    before = sorted(root.iterdir())

    code, out, shown = command("run", "-c", config, "--out", folder / "out", "--json")

    assert code == 0, shown
    summary = json.loads(out)
    assert summary["blessed"] is True
    assert summary["published"] is None
    (failure,) = summary["serving"]["failures"]
    assert failure.endswith(" MB, 1 MB are allowed")
    assert max(summary["serving"]["largest_difference"].values()) <= 1e-5
    assert states(summary)["Trainer"] == "cached"
    assert sorted(root.iterdir()) == before
    assert failure in (folder / "out" / "report.html").read_text()


def serialize(row: Mapping[str, Any]) -> bytes:
    features = {}
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        if not values:
            continue
        if isinstance(values[0], str):
            packed = [v.encode() for v in values]
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=packed))
        elif isinstance(values[0], float):
            feature = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        else:
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        features[name] = feature
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()


@pytest.mark.parametrize(
    ("after", "at_work"),
    [("Discretizer", "SpecTransform"), ("SpecTransform", "Trainer")],
)
def test_a_run_that_is_killed_goes_on_where_it_was(
    after: str, at_work: str, tmp_path: pathlib.Path
) -> None:
    shop = make_shop(tmp_path)
    arguments = (
        *(sys.executable, "-m", "clickwright.pipeline.cli", "run", "--json"),
        *("-c", str(shop.config), "--out", str(shop.out)),
    )
    with subprocess.Popen(
        arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if f"✓ {after} " in line:
                break
        time.sleep(0.3)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert shop.unfinished_executions() == ["RUNNING"]

    again = subprocess.run(arguments, capture_output=True, text=True, check=False)

    assert again.returncode == 0, again.stderr
    found = states(json.loads(again.stdout))
    assert found["LogExampleGen"] == found["StatisticsGen"] == "cached"
    assert found[at_work] == "complete"
    assert shop.unfinished_executions() == []
    assert len(shop.published()) > 0
