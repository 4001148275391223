"""Public click logs through the whole DAG, held to published figures."""

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

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
