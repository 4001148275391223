"""Public logs through the whole DAG, held to published figures."""

import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from clickwright.schemas.adult.source import AdultSource
from clickwright.schemas.criteo_8k.source import Criteo8kSource
from clickwright.schemas.discretization_plan import DiscretizationPlan

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(config: str, data: pathlib.Path, out: pathlib.Path) -> dict[str, Any]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "clickwright.pipeline.cli", "run", "--json"),
            *("-c", ROOT / "configs" / config, "--data", data, "--out", out),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def frappe_out(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """One folder for both models: the second takes the data from the cache."""
    return tmp_path_factory.mktemp("frappe")


@pytest.mark.timeout(2400)
@pytest.mark.parametrize(
    ("config", "floor"),
    [("frappe_logistic_regression.yaml", 0.930), ("frappe_deepfm.yaml", 0.975)],
)
def test_frappe_reaches_the_published_order_of_auc(
    config: str, floor: float, shared_data: pathlib.Path, frappe_out: pathlib.Path
) -> None:
    summary = run(config, shared_data / "frappe", frappe_out)

    assert summary["metrics"]["test"]["rows"] == 28_860
    assert summary["metrics"]["valid"]["rows"] == 57_722
    assert summary["metrics"]["test"]["auc"] >= floor
    assert summary["blessed"] is True
    assert summary["bayes"] is None
    assert pathlib.Path(summary["published"], "saved_model.pb").is_file()


@pytest.mark.timeout(1200)
def test_movielens_learns_from_the_past_to_the_future(
    shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    summary = run("movielens_deepfm.yaml", shared_data / "ml100k", tmp_path)

    rows = {split: m["rows"] for split, m in summary["metrics"].items()}
    assert rows["valid"] == pytest.approx(10_000, rel=0.02)
    assert rows["test"] == pytest.approx(10_000, rel=0.02)
    assert summary["metrics"]["test"]["auc"] >= 0.68


def folder_of(shared_data: pathlib.Path, name: str) -> pathlib.Path:
    folder = shared_data / name
    if not folder.is_dir():
        pytest.skip(f"the files of {name} are not at {folder}")
    return folder


def served(model: str, signature: str, **tensors: Any) -> dict[str, Any]:
    score = tf.saved_model.load(model).signatures[signature]
    return {name: found.numpy() for name, found in score(**tensors).items()}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("config", ["adult_deepfm.yaml", "adult_dcnv2.yaml"])
def test_adult_errs_no_more_than_the_decision_trees_of_its_time(
    config: str, shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    raw = folder_of(shared_data, "adult")

    summary = run(config, raw, tmp_path)

    assert summary["metrics"]["test"]["rows"] == 15_060
    assert summary["blessed"] is True
    prepared = AdultSource().prepare(raw, tmp_path / "again")
    columns = pq.read_table(prepared.directory / "test").to_pydict()
    label = np.array(columns.pop("over_50k"))
    tensors = {name: tf.constant(np.array(v)) for name, v in columns.items()}
    probability = served(summary["published"], "predict_raw", **tensors)["probability"]
    # `adult.names`: C4.5 15.54 %, C4.5-auto 14.46 %, NBTree 14.10 %.
    assert np.mean((probability > 0.5) != (label == 1)) <= 0.145


def examples(table: pa.Table) -> tf.Tensor:
    """Serialized tf.Examples of the rows; a null is an absent feature."""
    rows = []
    for row in table.to_pylist():
        example = tf.train.Example()
        for name, value in row.items():
            feature = example.features.feature[name]
            if isinstance(value, int):
                feature.int64_list.value.append(value)
            elif value is not None:
                feature.bytes_list.value.append(value.encode())
        rows.append(example.SerializeToString())
    return tf.constant(rows)


@pytest.mark.timeout(1200)
def test_numbers_with_gaps_go_through_the_whole_dag(
    shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    raw = folder_of(shared_data, "criteo_8k")
    prepared = Criteo8kSource().prepare(raw, tmp_path / "again")
    train, test = (pq.read_table(prepared.directory / s) for s in ("train", "test"))

    summary = run("criteo_8k_deepfm.yaml", raw, tmp_path / "out")

    assert summary["metrics"]["test"]["rows"] == 391
    assert summary["blessed"] is True
    plans = sorted((tmp_path / "out").rglob("discretization_plan.json"))
    assert plans
    plan = DiscretizationPlan.read(plans[0].parent)
    assert list(plan.fields) == [f"I{n}" for n in range(1, 14)]
    for name, field in plan.fields.items():
        assert set(field.reasons) >= {"scaling", "encoder", "missing"}
        known, seen = train[name].drop_null(), field.statistics
        assert seen.rows == train.num_rows
        assert seen.missing == pytest.approx(train[name].null_count / train.num_rows)
        assert (seen.low, seen.high) == tuple(pc.min_max(known).as_py().values())
    requests = examples(test.drop_columns(["label"]))
    found = served(summary["published"], "serving_default", examples=requests)
    probability = found["probability"]
    assert probability.shape == (391,)
    assert probability.std() > 0.02
    assert np.isfinite(probability).all()
    health = served(summary["published"], "numeric_health", examples=requests)
    for n, name in enumerate(plan.fields):
        known = test[name].drop_null()
        low, high = pc.min_max(train[name]).as_py().values()
        assert health["missing"][n] == test[name].null_count
        assert health["non_finite"][n] == 0
        assert health["below"][n] == pc.sum(pc.less(known, low)).as_py()
        assert health["above"][n] == pc.sum(pc.greater(known, high)).as_py()
