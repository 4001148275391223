"""What a process that trains trials says, line by line."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from clickwright.components.tuner import trial_runner, worker
from clickwright.components.tuner.trial_job import TrialJob
from clickwright.components.tuner.trial_outcome import TrialOutcome
from clickwright.components.tuner.trial_setting import TrialSetting
from clickwright.schemas.errors import DataError

SETTING = TrialSetting(
    model="dnn",
    model_params={},
    training={},
    spec="{}",
    inputs=(),
    item_tables={},
    digests={},
    train_files=(),
    valid_files=(),
)


class FakeRunner:
    """Reports two scores; what comes of it is the trial's number."""

    def __init__(self, setting: TrialSetting, number: int) -> None:
        assert setting == SETTING and number == 3

    def run(self, job: TrialJob, report: Any) -> TrialOutcome:
        if job.trial == "1":
            raise DataError("A file is damaged.", where="rows", fix="mend it")
        if job.trial == "2":
            raise ZeroDivisionError("nothing to divide")
        state: Any = "complete"
        for curve in ((0.5,), (0.5, 0.6)):
            if not report(curve):
                state = "pruned"
                break
        return TrialOutcome(
            trial=job.trial, values=job.values, state=state, score=curve[-1]
        )


def serve(monkeypatch: pytest.MonkeyPatch, *lines: str) -> list[dict[str, Any]]:
    monkeypatch.setattr(trial_runner, "TrialRunner", FakeRunner)
    out = io.StringIO()
    asked: Iterator[str] = iter([SETTING.model_dump_json(), *lines])
    worker.serve(asked, out, 3)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def job(trial: str) -> str:
    return TrialJob(trial=trial, values={"model.l2": 0.1}, epochs=2).model_dump_json()


def test_scores_wait_for_an_answer_before_the_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = serve(monkeypatch, job("0"), "true", "true", job("4"), "false")
    assert said[:2] == [{"curve": [0.5]}, {"curve": [0.5, 0.6]}]
    assert said[2]["outcome"]["state"] == "complete"
    assert said[2]["outcome"]["values"] == {"model.l2": 0.1}
    assert said[3] == {"curve": [0.5]}
    assert said[4]["outcome"]["state"] == "pruned"


def test_errors_are_told_and_the_next_trial_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = serve(monkeypatch, job("1"), job("2"), job("0"), "true", "true")
    error = {"what": "A file is damaged.", "where": "rows", "fix": "mend it"}
    assert said[0] == {"error": {"kind": "DataError", **error}}
    lines = said[1]["traceback"].strip().splitlines()
    assert lines[-1] == "ZeroDivisionError: nothing to divide"
    assert said[-1]["outcome"]["trial"] == "0"


def test_a_process_ends_when_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert serve(monkeypatch, job("0")) == [{"curve": [0.5]}]
