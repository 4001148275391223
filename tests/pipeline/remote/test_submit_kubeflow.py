"""Compiled pipelines handed to Kubeflow, by kfp's own client, and what it answers."""

import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cloud_environment import forget_logins
from compiled_shop import ROOT, TASKS, compiled_shop
from fake_kubeflow import API, FakeKubeflow, refusal
from fake_service import Answer
from tiny_shop import Command

from clickwright.pipeline.remote import kubeflow as kubeflow_module
from clickwright.pipeline.remote import submit as submit_module

NIGHTLY = {"cron": "0 3 * * *", "timezone": "UTC", "max_concurrent": 2}
Write = Callable[..., pathlib.Path]


@pytest.fixture
def kubeflow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> Iterator[FakeKubeflow]:
    """A Kubeflow of this machine, which asks for no login."""
    fake = FakeKubeflow()
    with fake.running():
        forget_logins(monkeypatch, tmp_path)
        monkeypatch.setattr(submit_module, "POLL_SECONDS", 0.0)
        monkeypatch.setattr(kubeflow_module, "PAUSE_SECONDS", 0.0)
        yield fake


@pytest.fixture
def write(kubeflow: FakeKubeflow, tmp_path: pathlib.Path) -> Write:
    """Writes the compiled pipeline; fields of its submission may be changed."""

    def _write(**changes: Any) -> pathlib.Path:
        place = {
            "endpoint": kubeflow.url,
            "namespace": "kubeflow",
            "experiment": "shops",
            "service_account": "pipeline-runner",
        }
        return compiled_shop(tmp_path, "kubeflow", **(place | changes))

    return _write


def test_a_run_is_created_in_its_experiment_with_its_parameters(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    path = write()

    done = command("submit", str(path), "--param", "span=12")

    assert done.code == 0
    assert done.out == f"Run: {kubeflow.url}/#/runs/details/run-1\n"
    (asked,) = kubeflow.calls("POST", "/runs")
    body = asked.body
    assert body["experiment_id"] == kubeflow.experiments["", "shops"]
    assert body["display_name"].startswith("tiny_shop 2")
    values = {"data": "gs://shop-bucket/logs", "span": "12"}
    assert body["runtime_config"] == {"pipeline_root": ROOT, "parameters": values}
    assert body["service_account"] == "pipeline-runner"
    assert body["pipeline_spec"] == json.loads(path.read_text())["pipelineSpec"]


def test_an_experiment_that_is_there_is_used_again(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    path = write()

    command("submit", str(path))
    command("submit", str(path))

    assert len(kubeflow.calls("POST", "/experiments")) == 1
    assert len(kubeflow.calls("POST", "/runs")) == 2


def test_a_server_for_many_users_gets_the_namespace(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    kubeflow.multi_user = True

    done = command("submit", str(write(namespace="ads")))

    assert done.code == 0
    assert list(kubeflow.experiments) == [("ads", "shops")]


def test_a_dry_run_prints_the_very_call_and_sends_nothing(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    path = write()
    done = command("submit", str(path), "--dry-run")
    assert kubeflow.asked == []

    command("submit", str(path))

    shown = json.loads(done.out)
    (asked,) = kubeflow.calls("POST", "/runs")
    assert shown["method"] == "POST"
    assert shown["url"] == f"{kubeflow.url}{asked.path}"
    # What only the server and the clock know.
    assert shown["body"].pop("experiment_id") == "(id of the experiment `shops`)"
    del asked.body["experiment_id"], asked.body["display_name"]
    assert shown["body"].pop("display_name").startswith("tiny_shop 2")
    assert shown["body"] == asked.body


def test_a_schedule_counts_from_seconds(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    done = command("submit", str(write(schedule=NIGHTLY)), "--schedule")

    assert done.code == 0
    assert done.out == f"Schedule: {kubeflow.url}/#/recurringrun/details/schedule-1\n"
    assert done.err == ""
    (body,) = kubeflow.schedules.values()
    assert body["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert body["max_concurrency"] == "2"
    assert body["mode"] == "ENABLE"
    assert body["runtime_config"]["parameters"]["span"] == "latest"
    assert kubeflow.calls("POST", "/runs") == []


def test_a_schedule_in_another_time_zone_comes_with_a_note(
    write: Write, command: Command
) -> None:
    berlin = NIGHTLY | {"timezone": "Europe/Berlin"}

    done = command("submit", str(write(schedule=berlin)), "--schedule")

    assert done.code == 0
    assert "Note: Kubeflow starts it by its own clock: Europe/Berlin" in done.err


def test_a_second_schedule_is_refused_unless_it_replaces_the_first(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    path = write(schedule=NIGHTLY)
    command("submit", str(path), "--schedule")
    others = {"display_name": "tiny_shop", "experiment_id": "experiment-of-others"}
    kubeflow.schedules["of-others"] = others

    again = command("submit", str(path), "--schedule")
    assert again.code == 1
    assert "would run twice" in again.err
    replaced = command("submit", str(path), "--schedule", "--replace")

    assert replaced.code == 0
    assert set(kubeflow.schedules) == {"of-others", "schedule-3"}


def task(name: str, state: str, message: str = "") -> dict[str, Any]:
    return {"display_name": name, "state": state, "error": {"message": message}}


def test_waiting_outlasts_a_server_that_is_away_for_a_moment(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    first, second = TASKS
    kubeflow.runs = [
        {
            "state": "RUNNING",
            "run_details": {
                "task_details": [
                    task("root", "RUNNING"),
                    task(f"{first}-driver", "SUCCEEDED"),
                    task(first, "RUNNING"),
                ]
            },
        },
        {
            "state": "SUCCEEDED",
            "run_details": {
                "task_details": [task(first, "SKIPPED"), task(second, "SUCCEEDED")]
            },
        },
    ]
    answers = kubeflow.answer

    def away_once(asked: Any) -> Answer:
        if asked.path == f"{API}/runs/run-1" and len(kubeflow.calls("GET", "-1")) == 2:
            return refusal(503, "upstream connect error")
        return answers(asked)

    kubeflow.answer = away_once  # type: ignore[method-assign]

    done = command("submit", str(write()), "--wait")

    assert done.code == 0
    assert len(kubeflow.calls("GET", "/runs/run-1")) == 3
    assert "2 of 2 tasks" in done.err


def test_a_run_that_fails_names_the_task_and_what_it_said(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    first, second = TASKS
    kubeflow.runs = [
        {
            "state": "FAILED",
            "run_details": {
                "task_details": [
                    task(first, "SUCCEEDED"),
                    task(second, "FAILED", "OOMKilled (exit code 137)"),
                ]
            },
        }
    ]

    done = command("submit", str(write()), "--wait")

    assert done.code == 1
    assert "`Trainer` failed: OOMKilled (exit code 137)" in done.err
    assert f"{kubeflow.url}/#/runs/details/run-1" in done.err


@pytest.mark.parametrize(
    ("state", "said"),
    [("CANCELED", "The run was cancelled."), ("FAILED", "The run failed.")],
)
def test_a_run_that_ends_without_a_word_is_an_error_too(
    kubeflow: FakeKubeflow, write: Write, command: Command, state: str, said: str
) -> None:
    kubeflow.runs = [{"state": state}]

    done = command("submit", str(write()), "--wait")

    assert done.code == 1
    assert said in done.err


def test_an_image_that_a_task_cannot_pull_is_said_to_be_missing(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    said = 'ImagePullBackOff: Back-off pulling image "shop/clickwright:0.1.0"'
    kubeflow.runs = [
        {
            "state": "FAILED",
            "run_details": {"task_details": [task(TASKS[0], "FAILED", said)]},
        }
    ]

    done = command("submit", str(write()), "--wait")

    assert done.code == 1
    assert "clickwright:0.1.0 cannot be found" in done.err


def test_a_token_comes_from_the_file_that_the_environment_names(
    kubeflow: FakeKubeflow,
    write: Write,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> None:
    kubeflow.token = "a-token"
    file = tmp_path / "token"
    file.write_text("a-token\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(file))

    assert command("submit", str(write())).code == 0

    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "nothing"))
    done = command("submit", str(write()))
    assert done.code == 1
    assert "The file with the token is not there" in done.err


def test_no_credentials_is_an_error_that_says_how_to_get_some(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    kubeflow.token = "a-token"

    done = command("submit", str(write()))

    assert done.code == 1
    assert "asks for other credentials" in done.err
    assert "set KF_PIPELINES_SA_TOKEN_PATH" in done.err
    assert kubeflow.calls("POST") == []


def test_the_login_page_of_a_proxy_is_not_taken_for_an_answer(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    kubeflow.refusals = [Answer("<html>Log in to Dex</html>")]

    done = command("submit", str(write()))

    assert done.code == 1
    assert "a page for people answers instead of the API" in done.err
    assert kubeflow.calls("POST") == []


def test_a_namespace_that_there_is_not_is_an_error_that_names_it(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    kubeflow.multi_user = True

    done = command("submit", str(write(namespace="adz")))

    assert done.code == 1
    assert "knows no namespace `adz`" in done.err
    assert "remote.kubeflow" in done.err


def test_a_spec_that_the_server_refuses_is_an_error_in_its_words(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    path = write()
    command("submit", str(path))
    kubeflow.asked.clear()
    answers = kubeflow.answer
    said = "Invalid input error: unsupported resolver."

    def refuse(asked: Any) -> Answer:
        return refusal(400, said) if asked.method == "POST" else answers(asked)

    kubeflow.answer = refuse  # type: ignore[method-assign]

    done = command("submit", str(path))

    assert done.code == 1
    assert f"refuses the pipeline: {said}" in done.err


def test_an_address_that_nothing_answers_at_is_an_error_that_names_it(
    write: Write, command: Command
) -> None:
    done = command("submit", str(write(endpoint="http://127.0.0.1:9")))

    assert done.code == 1
    assert "Kubeflow Pipelines does not answer: [Errno 111] Connection refused." in (
        done.err
    )
    assert "Where: http://127.0.0.1:9" in done.err


def test_a_broken_server_is_an_error_that_asks_to_come_back(
    kubeflow: FakeKubeflow, write: Write, command: Command
) -> None:
    kubeflow.refusals = [refusal(500, "database is locked")]

    done = command("submit", str(write()))

    assert done.code == 1
    assert "cannot take it now: database is locked" in done.err
