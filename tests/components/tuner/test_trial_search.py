"""The search: which trials it asks for, when it stops, and what it says."""

import json
import logging
import pathlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from clickwright.components.tuner.keras_space import to_keras
from clickwright.components.tuner.oracles import make_oracle
from clickwright.components.tuner.params import TunerParams
from clickwright.components.tuner.pruner import MedianPruner
from clickwright.components.tuner.reporting_log import Report
from clickwright.components.tuner.space import search_space
from clickwright.components.tuner.trial_job import TrialJob
from clickwright.components.tuner.trial_outcome import TrialOutcome
from clickwright.components.tuner.trial_search import TrialSearch
from clickwright.schemas.errors import ConfigError, DataError, MachineError

GIVEN = {"embedding_dim": 16, "dropout": 0.5}
ONLY = ("model.dropout", "model.embedding_dim", "training.learning_rate")


def curve_of(job: TrialJob) -> tuple[float, ...]:
    """Scores that rise with the epochs; best without dropout."""
    worth = 0.8 - job.values["model.dropout"] / 4
    return tuple(worth - 0.1 / (epoch + 1) for epoch in range(job.epochs))


class FakeRunner:
    """Trains nothing; its scores are known."""

    def __init__(self, curve: Callable[[TrialJob], Any] = curve_of) -> None:
        self.jobs: list[TrialJob] = []
        self.curve = curve
        self.closed = 0

    def run(self, job: TrialJob, report: Report) -> TrialOutcome:
        self.jobs.append(job)
        curve = self.curve(job)
        common: dict[str, Any] = {
            "trial": job.trial,
            "values": job.values,
            "seconds": 1.0,
        }
        if curve is None:
            return TrialOutcome(state="diverged", message="not finite", **common)
        told: tuple[float, ...] = ()
        for value in curve:
            told = (*told, value)
            if not report(told):
                return TrialOutcome(
                    state="pruned",
                    score=value,
                    curve=told,
                    epochs=len(told),
                    **common,
                )
        return TrialOutcome(
            state="complete", score=told[-1], curve=told, epochs=len(told), **common
        )

    def close(self) -> None:
        self.closed += 1


def make_search(
    folder: pathlib.Path, runners: Sequence[Any], **fields: Any
) -> TrialSearch:
    params = TunerParams(**{"only": ONLY, "epochs": 4, **fields})
    space = search_space("deepfm", GIVEN, {}, params)
    direction = "min" if params.objective == "logloss" else "max"
    oracle = make_oracle(
        params,
        to_keras(space),
        lambda values: True,
        direction=direction,
        seed=3,
        epochs=params.epochs,
    )
    return TrialSearch(
        oracle,
        space,
        params,
        runners,
        model="deepfm",
        objective=params.objective or "auc",
        epochs=params.epochs,
        folder=folder / "search",
    )


@pytest.mark.parametrize("algorithm", ["random", "bayesian"])
def test_the_best_trial_is_found_and_the_first_is_as_configured(
    tmp_path: pathlib.Path, algorithm: str
) -> None:
    runner = FakeRunner()
    search = make_search(tmp_path, [runner], trials=9, algorithm=algorithm, prune=False)
    search.search()
    result = search.result()
    assert len(runner.jobs) == len(result.trials) == 9
    assert runner.jobs[0].values == result.configured
    assert result.configured["model.dropout"] == 0.5
    tried = [job.values for job in runner.jobs]
    assert len({json.dumps(values, sort_keys=True) for values in tried}) == 9
    least = min(tried, key=lambda values: values["model.dropout"])
    assert result.best_trial.values == least
    assert result.best_trial.score == max(t.score or 0.0 for t in result.trials)
    assert next(iter(result.importance)) == "model.dropout"
    assert sum(result.importance.values()) == pytest.approx(1.0)
    assert result.importance["model.dropout"] > 0.8
    best = search.get_best_hyperparameters()[0].get_config()["values"]
    assert best["model.embedding_dim"] == least["model.embedding_dim"]
    assert runner.closed == 1


def test_trials_that_are_behind_end_early(tmp_path: pathlib.Path) -> None:
    runner = FakeRunner()
    search = make_search(tmp_path, [runner], trials=12, algorithm="random")
    search.search()
    trials = search.result().trials
    pruned = [t for t in trials if t.state == "pruned"]
    assert pruned and all(t.epochs < 4 for t in pruned)
    assert all(t.state == "complete" for t in trials[:4])
    best = min(trials, key=lambda t: t.values["model.dropout"])
    assert search.result().best_trial == best
    assert best.state == "complete"


def test_the_median_rule_compares_the_best_with_the_others_means() -> None:
    for sign, direction in ((1.0, "max"), (-1.0, "min")):
        pruner = MedianPruner(direction)
        for last in (0.5, 0.6, 0.7, 0.8):
            assert pruner.goes_on([sign * 0.0, sign * 0.0])  # too few to compare with
            pruner.ended([sign * 0.4, sign * last])
        # Means after two: .45, .5, .55, .6; their median is .525.
        assert pruner.goes_on([sign * 0.0])
        assert pruner.goes_on([sign * 0.53, sign * 0.1])
        assert not pruner.goes_on([sign * 0.52, sign * 0.1])
        # A trial that ended earlier counts with all that it has.
        assert pruner.goes_on([sign * 0.0, sign * 0.1, sign * 0.53])


def test_hyperband_goes_on_with_the_best_of_many_short_trials(
    tmp_path: pathlib.Path,
) -> None:
    class Keeping(FakeRunner):
        """Notes in its state which trials it has gone through."""

        def run(self, job: TrialJob, report: Report) -> TrialOutcome:
            assert job.checkpoint is not None
            folder = pathlib.Path(job.checkpoint)
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "went").open("a") as file:
                file.write(f"{job.trial} {job.epochs}\n")
            return super().run(job, report)

    runner = Keeping()
    search = make_search(tmp_path, [runner], trials=20, algorithm="hyperband", epochs=9)
    search.search()
    assert runner.jobs[0].values == search.result().configured
    short = [job for job in runner.jobs if job.epochs == 1]
    went = {
        job.trial: pathlib.Path(job.checkpoint or "", "went").read_text().split("\n")
        for job in runner.jobs
    }
    # The best of the short ones got three epochs, the best of those all nine.
    best = min(short, key=lambda job: job.values["model.dropout"])
    chain = next(lines for lines in went.values() if len(lines) == 4)
    assert [line.split()[1] for line in chain[:-1]] == ["1", "3", "9"]
    first = next(job for job in runner.jobs if job.trial == chain[0].split()[0])
    assert first.values == best.values
    full = [job for job in runner.jobs if job.epochs == 9]
    best = min(full, key=lambda job: job.values["model.dropout"])
    assert search.result().best_trial.values == best.values
    assert len(runner.jobs) == 20


def test_a_score_may_be_the_less_the_better(tmp_path: pathlib.Path) -> None:
    runner = FakeRunner(lambda job: (job.values["model.dropout"],))
    search = make_search(
        tmp_path, [runner], trials=6, algorithm="random", objective="logloss"
    )
    search.search()
    scores = [trial.score for trial in search.result().trials]
    assert search.result().best_trial.score == min(s for s in scores if s is not None)


def test_a_killed_search_asks_for_no_trial_twice(tmp_path: pathlib.Path) -> None:
    class Killed(BaseException):
        pass

    whole = FakeRunner()
    make_search(tmp_path / "whole", [whole], trials=8, algorithm="random").search()

    def killed(job: TrialJob) -> Any:
        if job.trial == "5":
            raise Killed
        return curve_of(job)

    first, then = FakeRunner(killed), FakeRunner()
    with pytest.raises(Killed):
        make_search(tmp_path, [first], trials=8, algorithm="random").search()
    outcomes = tmp_path / "search" / "outcomes.jsonl"
    outcomes.write_text(outcomes.read_text() + '{"trial": "7", "val')  # cut off
    search = make_search(tmp_path, [then], trials=8, algorithm="random")
    search.search()
    assert [job.trial for job in then.jobs] == ["5", "6", "7"]
    together = [*first.jobs[:5], *then.jobs]
    assert [job.values for job in together] == [job.values for job in whole.jobs]
    assert len(search.result().trials) == 8
    search.discard()
    assert not (tmp_path / "search").exists()


def failing(*trials: str) -> FakeRunner:
    def curve(job: TrialJob) -> Any:
        if job.trial in trials:
            raise ZeroDivisionError(f"nothing to divide in {job.trial}")
        return curve_of(job)

    return FakeRunner(curve)


def test_the_first_trial_that_fails_is_told_with_its_values_and_why(
    tmp_path: pathlib.Path,
) -> None:
    runner = failing("2", "3", "4")
    search = make_search(tmp_path, [runner], trials=9, algorithm="random")
    with pytest.raises(ConfigError) as caught:
        search.search()
    values = runner.jobs[2].values
    assert caught.value.what == (
        "Trial 3 failed: ZeroDivisionError: nothing to divide in 2"
    )
    assert f"trial 3 (model.embedding_dim: {values['model.embedding_dim']}" in (
        caught.value.where
    )
    assert len(runner.jobs) == 5
    # Once it is mended, the search goes on where it stopped.
    then = FakeRunner()
    again = make_search(tmp_path, [then], trials=9, algorithm="random")
    again.search()
    assert [job.trial for job in then.jobs] == ["4", "5", "6", "7", "8"]
    states = [trial.state for trial in again.result().trials]
    assert states.count("failed") == 2


def test_a_configuration_that_fails_as_it_stands_ends_the_search(
    tmp_path: pathlib.Path,
) -> None:
    runner = failing("0")
    with pytest.raises(ConfigError) as caught:
        make_search(tmp_path, [runner], trials=9).search()
    assert "nothing to divide in 0" in caught.value.what
    assert caught.value.where == "tuner, trial 1 (the configuration as it stands)"
    assert len(runner.jobs) == 1


def test_single_failures_are_noted_and_passed_over(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "clickwright.progress")
    search = make_search(
        tmp_path, [failing("1", "2", "4", "5")], trials=9, algorithm="random"
    )
    search.search()
    assert len(search.result().trials) == 9
    told = [getattr(record, "detail", "") for record in caplog.records]
    assert "trial 2 failed: ZeroDivisionError: nothing to divide in 1" in told
    assert "9 trials, " in told[-1] and "4 failed; best auc" in told[-1]


def test_bad_rows_end_the_search_at_once(tmp_path: pathlib.Path) -> None:
    def curve(job: TrialJob) -> Any:
        raise DataError("A file is damaged.", where="rows")

    runner = FakeRunner(curve)
    with pytest.raises(DataError, match="damaged"):
        make_search(tmp_path, [runner], trials=5).search()
    assert len(runner.jobs) == 1


def test_trainings_that_diverge_have_no_score(tmp_path: pathlib.Path) -> None:
    def curve(job: TrialJob) -> Any:
        return None if job.values["model.dropout"] > 0.3 else curve_of(job)

    search = make_search(tmp_path, [FakeRunner(curve)], trials=7, algorithm="bayesian")
    search.search()
    result = search.result()
    for trial in result.trials:
        assert (trial.score is None) == (trial.values["model.dropout"] > 0.3)
        assert (trial.state == "diverged") == (trial.score is None)
    assert result.as_configured.score is None
    with pytest.raises(ConfigError, match=r"None of 3 trials.*not finite"):
        make_search(tmp_path / "all", [FakeRunner(lambda job: None)], trials=3).search()


def test_several_runners_share_the_trials(tmp_path: pathlib.Path) -> None:
    together = threading.Barrier(3, timeout=60)

    def curve(job: TrialJob) -> Any:
        if int(job.trial) < 3:
            together.wait()  # all three train at the same time
        return curve_of(job)

    runners = [FakeRunner(curve) for _ in range(3)]
    alone = FakeRunner()
    make_search(tmp_path / "alone", [alone], trials=9, algorithm="random").search()
    search = make_search(
        tmp_path, runners, trials=9, algorithm="random", prune=False, parallel=3
    )
    search.search()
    jobs = sorted((job for r in runners for job in r.jobs), key=lambda j: j.trial)
    assert [job.values for job in jobs] == [job.values for job in alone.jobs]
    assert all(runner.jobs and runner.closed for runner in runners)


@pytest.mark.parametrize("where", ["training", "values"])
def test_an_error_of_one_runner_stops_the_others(
    tmp_path: pathlib.Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def curve(job: TrialJob) -> Any:
        if where == "training":
            raise MachineError("No space is left on the disk.", where="rows")
        return curve_of(job)

    runners = [FakeRunner(curve) for _ in range(2)]
    search = make_search(tmp_path, runners, trials=50, parallel=2, algorithm="random")
    if where == "values":

        def refuse(trial_id: str) -> Any:
            raise MachineError("No space is left on the disk.", where="space")

        monkeypatch.setattr(search.oracle, "populate_space", refuse)
    with pytest.raises(MachineError, match="No space"):
        search.search()
    assert sum(len(runner.jobs) for runner in runners) <= 2
