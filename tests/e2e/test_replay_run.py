"""The marketplace as compiled for Kubeflow, replayed from an installed wheel."""

import json
import os
import pathlib
import subprocess
from typing import Any

import pytest
import yaml
from installed_wheel import install_wheel

from clickwright.components.evaluation.result import read_evaluation
from clickwright.pipeline.remote.replay.history import History
from clickwright.schemas.manifest import verify

# Some twenty processes, each of which loads TFX.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(3600)]
CONFIG: dict[str, Any] = {
    "name": "marketplace",
    "data": {"dataset": "marketplace", "options": {"impressions": 20_000}},
    "model": {"name": "deepfm"},
    "training": {"epochs": 2, "batch_size": 256, "learning_rate": 0.01},
    "evaluation": {"thresholds": {"auc": {"min": 0.52, "max_drop": 0.3}}},
}
REMOTE: dict[str, Any] = {
    "publish": {"directory": "gs://bucket/serving"},
    "remote": {
        "image": "registry.example/clickwright:0.1.0",
        "pipeline_root": "gs://bucket/pipelines",
        "kubeflow": {"endpoint": "http://localhost:8080"},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("replay")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return install_wheel(tmp_path_factory.mktemp("installed"))


def clickwright(programs: pathlib.Path, *words: object, cwd: pathlib.Path) -> str:
    """Runs the installed command far from the checkout."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    run = subprocess.run(
        [programs / "clickwright", *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def summary(programs: pathlib.Path, folder: pathlib.Path) -> dict[str, Any]:
    """What TFX's LocalDagRunner gives."""
    path = folder / "local.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return dict(
        json.loads(clickwright(programs, "run", "-c", path, "--json", cwd=folder))
    )


@pytest.fixture(scope="module")
def root(programs: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Folder of the replay."""
    path, spec = folder / "remote.yaml", folder / "spec" / "marketplace.json"
    path.write_text(yaml.safe_dump(CONFIG | REMOTE))
    compiled = ("compile", "--target", "kubeflow", "-c", path, "-o", spec)
    clickwright(programs, *compiled, cwd=folder)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    root = elsewhere / "replayed"
    replay = ("replay", spec, "--root", root, "--jobs", 2)
    clickwright(programs, *replay, cwd=elsewhere)
    assert [path.name for path in elsewhere.iterdir()] == ["replayed"]
    return root


def test_every_task_ran_from_the_wheel(
    root: pathlib.Path, programs: pathlib.Path
) -> None:
    history = History(root)
    run = history.last_run()
    assert run is not None and run.state == "complete"
    for name in ("SourceGen", "Trainer", "ModelEvaluator", "LedgerWriter"):
        execution = history.latest(run.id, name)
        assert execution is not None and execution.state == "complete"
    site = programs.parent / "lib"
    location = subprocess.run(
        [
            programs / "python",
            "-c",
            "import clickwright.pipeline as p; print(p.__file__)",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    assert location.stdout.startswith(str(site))


def test_metrics_are_those_of_the_local_runner(
    root: pathlib.Path, summary: dict[str, Any]
) -> None:
    history = History(root)
    run = history.last_run()
    assert run is not None
    execution = history.latest(run.id, "ModelEvaluator")
    assert execution is not None
    [artifact] = execution.artifacts["evaluation"]
    uri = artifact["uri"].replace("gs://", f"{root}/gcs/")
    evaluation = read_evaluation(uri)

    assert evaluation.blessed and summary["blessed"]
    for split, metrics in summary["metrics"].items():
        for name, value in metrics.items():
            replayed = evaluation.splits[split].overall[name]
            assert replayed == pytest.approx(value, abs=1e-6), (split, name)


def test_the_model_is_published_and_in_the_ledger(root: pathlib.Path) -> None:
    bucket = root / "gcs" / "bucket"
    versions = [p for p in (bucket / "serving" / "marketplace").iterdir() if p.is_dir()]

    assert len(versions) == 1
    verify(versions[0])
    assert any((bucket / "pipelines" / "ledger" / "marketplace").iterdir())
