"""Several trainings that differ in their seed."""

import json
import pathlib
import statistics
from typing import Any

import keras
import numpy as np
import pytest
from training_rows import build, make_params, make_rows, make_trainer, without_clock

from clickwright.models.training.checkpoint import Checkpoint, State
from clickwright.models.training.repeat import SeedRuns, train_seeds
from clickwright.models.training.trainer import Trainer

TRAIN, VALID = make_rows(600, 0), make_rows(300, 1)


def weights(model: keras.Model) -> list[np.ndarray[Any, Any]]:
    return [np.array(v) for v in model.variables]


def same(one: keras.Model, other: keras.Model) -> None:
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[SeedRuns, pathlib.Path]:
    folder = tmp_path_factory.mktemp("logs")
    params = make_params(seed=4, seeds=3, epochs=2)
    return train_seeds(build, params, TRAIN, VALID, log_directory=folder), folder


def test_each_seed_trains_as_it_would_alone(
    runs: tuple[SeedRuns, pathlib.Path],
) -> None:
    found, _ = runs
    assert [run.seed for run in found.runs] == [4, 5, 6]
    trainer = make_trainer(seed=5, epochs=2)
    assert without_clock(trainer.train(TRAIN, VALID)) == without_clock(
        found.runs[1].records
    )
    assert len({run.metrics["valid_auc"] for run in found.runs}) == 3


def test_the_model_with_the_best_validation_is_kept(
    runs: tuple[SeedRuns, pathlib.Path],
) -> None:
    found, _ = runs
    aucs = {run.seed: run.metrics["valid_auc"] for run in found.runs}
    best = max(aucs, key=lambda seed: aucs[seed])
    assert found.best.seed == best
    alone = make_trainer(seed=best, epochs=2)
    alone.train(TRAIN, VALID)
    same(found.model, alone.model)


def test_the_summary_holds_every_record_with_mean_and_deviation(
    runs: tuple[SeedRuns, pathlib.Path],
) -> None:
    found, folder = runs
    summary = json.loads((folder / "training_summary.json").read_text())
    assert summary["exported_seed"] == found.best.seed
    for name in ("valid_auc", "valid_logloss"):
        column = [seed["metrics"][name] for seed in summary["seeds"]]
        assert summary["mean"][name] == pytest.approx(statistics.fmean(column))
        assert summary["deviation"][name] == pytest.approx(statistics.stdev(column))
    for seed, run in zip(summary["seeds"], found.runs, strict=True):
        best = seed["records"][seed["best_epoch"] - 1]
        assert best["valid_auc"] == run.metrics["valid_auc"]
        own = folder / f"seed-{run.seed}" / "training_log.jsonl"
        lines = own.read_text().splitlines()
        assert [json.loads(line) for line in lines] == seed["records"]
    top = (folder / "training_log.jsonl").read_text()
    best_log = folder / f"seed-{found.best.seed}" / "training_log.jsonl"
    assert top == best_log.read_text()


def test_a_single_seed_has_no_deviation_and_one_folder(tmp_path: pathlib.Path) -> None:
    params = make_params(epochs=1)
    measured = train_seeds(
        build,
        params,
        TRAIN,
        VALID,
        log_directory=tmp_path,
        measure=lambda trainer: {"rows": float(len(trainer.predict(VALID)[0]))},
    )
    assert measured.deviation == {
        "valid_auc": None,
        "valid_logloss": None,
        "rows": None,
    }
    assert measured.mean["rows"] == 300.0
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_repeated_trainings_go_on_where_they_were_killed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_params(seeds=3, epochs=2, checkpoint_steps=4)
    wanted = train_seeds(build, params, TRAIN, VALID)

    class Killed(BaseException):
        pass

    save, epoch = Checkpoint.save, Trainer._epoch

    def killing(checkpoint: Checkpoint, state: State) -> None:
        save(checkpoint, state)
        if checkpoint.directory.name == "seed-1" and state.part.steps == 8:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", killing)
        with pytest.raises(Killed):
            train_seeds(build, params, TRAIN, VALID, checkpoints=tmp_path)
    begun = []

    def watched(self: Any, train: Any, number: int, part: Any, *rest: Any) -> Any:
        begun.append((self._params.seed, number, part.steps))
        return epoch(self, train, number, part, *rest)

    monkeypatch.setattr(Trainer, "_epoch", watched)
    found = train_seeds(build, params, TRAIN, VALID, checkpoints=tmp_path)
    assert begun == [(1, 1, 8), (1, 2, 0), (2, 1, 0), (2, 2, 0)]
    for one, other in zip(found.runs, wanted.runs, strict=True):
        assert without_clock(one.records) == without_clock(other.records)
    assert found.best.seed == wanted.best.seed
    same(found.model, wanted.model)
