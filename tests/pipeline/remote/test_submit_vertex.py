"""Compiled pipelines handed to Vertex AI, by its own client, and what it answers."""

import json
import os
import pathlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cloud_environment import ACCOUNT, forget_logins, write_service_account
from compiled_shop import ROOT, TASKS, compiled_shop
from fake_service import Answer, Asked
from fake_vertex import PARENT, PROJECT, REGION, FakeVertex, error
from google.auth import jwt
from tiny_shop import Command

from clickwright.pipeline.remote import submit as submit_module
from clickwright.pipeline.remote.vertex import ENDPOINT_VARIABLE

RUNNER = "runner@shop-project.iam.gserviceaccount.com"
NIGHTLY = {"cron": "0 3 * * *", "timezone": "Europe/Berlin", "max_concurrent": 1}
Write = Callable[..., pathlib.Path]


@pytest.fixture
def vertex(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> Iterator[FakeVertex]:
    """A Vertex AI of this machine, and a login for it in the environment."""
    fake = FakeVertex()
    with fake.running():
        forget_logins(monkeypatch, tmp_path)
        account = write_service_account(tmp_path, f"{fake.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        monkeypatch.setenv(ENDPOINT_VARIABLE, fake.url)
        monkeypatch.setattr(submit_module, "POLL_SECONDS", 0.0)
        yield fake


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    """Writes the compiled pipeline; fields of its submission may be changed."""

    def _write(**changes: Any) -> pathlib.Path:
        place = {"project": PROJECT, "region": REGION, "service_account": RUNNER}
        return compiled_shop(tmp_path, "vertex", **(place | changes))

    return _write


def test_a_run_is_created_with_its_parameters_labels_and_account(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    path = write()

    done = command("submit", str(path), "--param", "span=12")

    assert done.code == 0
    (asked,) = vertex.calls("POST")
    assert asked.path == f"/v1/{PARENT}/pipelineJobs"
    run = asked.query["pipelineJobId"]
    assert run.startswith("tiny-shop-")
    assert f"/pipelines/runs/{run}?project={PROJECT}" in done.out
    body = asked.body
    assert body["runtimeConfig"]["gcsOutputDirectory"] == ROOT
    values = {"data": "gs://shop-bucket/logs", "span": "12"}
    assert body["runtimeConfig"]["parameterValues"] == values
    assert body["labels"] == {"team": "ads"}
    assert body["serviceAccount"] == RUNNER
    assert body["pipelineSpec"] == json.loads(path.read_text())["pipelineSpec"]


def test_the_call_carries_the_login_of_the_environment(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    command("submit", str(write()))

    token = vertex.calls("POST")[0].headers["Authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, verify=False)["iss"] == ACCOUNT


def test_a_dry_run_prints_the_very_call_and_sends_nothing(
    vertex: FakeVertex, write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write()
    with monkeypatch.context() as without:
        without.delenv("GOOGLE_APPLICATION_CREDENTIALS")
        done = command("submit", str(path), "--dry-run")
    assert vertex.asked == []

    command("submit", str(path))

    shown = json.loads(done.out)
    (asked,) = vertex.calls("POST")
    assert shown["method"] == "POST"
    assert shown["url"].startswith(f"{vertex.url}{asked.path}?pipelineJobId=tiny-shop-")
    assert shown["body"] == asked.body


def test_without_another_address_calls_go_to_the_region(
    write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)

    done = command("submit", str(write()), "--dry-run")

    url = json.loads(done.out)["url"]
    assert url.startswith(f"https://{REGION}-aiplatform.googleapis.com/v1/{PARENT}/")


def test_a_schedule_starts_runs_in_its_time_zone(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    done = command("submit", str(write(schedule=NIGHTLY)), "--schedule")

    assert done.code == 0
    assert "/pipelines/schedules/1" in done.out
    (body,) = vertex.schedules.values()
    assert body["cron"] == "TZ=Europe/Berlin 0 3 * * *"
    assert body["maxConcurrentRunCount"] == "1"
    request = body["createPipelineJobRequest"]
    assert request["parent"] == PARENT
    assert request["pipelineJob"]["serviceAccount"] == RUNNER
    assert request["pipelineJob"]["runtimeConfig"]["parameterValues"]["span"] == (
        "latest"
    )
    assert vertex.calls("POST", "/pipelineJobs") == []


def test_a_second_schedule_is_refused_unless_it_replaces_the_first(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    path = write(schedule=NIGHTLY)
    command("submit", str(path), "--schedule")
    vertex.schedules["of-others"] = {"displayName": "another_shop"}

    again = command("submit", str(path), "--schedule")
    assert again.code == 1
    assert "would run twice" in again.err
    assert "--replace" in again.err
    replaced = command("submit", str(path), "--schedule", "--replace")

    assert replaced.code == 0
    assert set(vertex.schedules) == {"of-others", f"{PARENT}/schedules/3"}


def task(name: str, state: str, message: str = "") -> dict[str, Any]:
    return {"taskName": name, "state": state, "error": {"message": message}}


def test_waiting_ends_with_the_run(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    first, second = TASKS
    vertex.jobs = [
        {
            "state": "PIPELINE_STATE_RUNNING",
            "jobDetail": {"taskDetails": [task(first, "RUNNING")]},
        },
        {
            "state": "PIPELINE_STATE_SUCCEEDED",
            "jobDetail": {
                "taskDetails": [
                    task("tiny_shop", "SUCCEEDED"),
                    task(first, "SKIPPED"),
                    task(second, "SUCCEEDED"),
                ]
            },
        },
    ]

    done = command("submit", str(write()), "--wait")

    assert done.code == 0
    assert len(vertex.calls("GET")) == 2
    assert "2 of 2 tasks" in done.err


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as a terminal has it: what runs in the background may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_run_that_is_no_longer_waited_for_goes_on(
    vertex: FakeVertex, write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit_module, "POLL_SECONDS", 60.0)
    vertex.jobs = [{"state": "PIPELINE_STATE_RUNNING"}]
    answers = vertex.answer

    def interrupt(asked: Asked) -> Answer:
        if asked.method == "GET":
            os.kill(os.getpid(), signal.SIGINT)
        return answers(asked)

    vertex.answer = interrupt  # type: ignore[method-assign]

    done = command("submit", str(write()), "--wait")

    assert done.code == 130
    assert "No longer waited for, but it goes on: https://console.cloud" in done.err
    assert "Run it again" not in done.err


def test_a_run_that_fails_names_the_task_and_what_it_said(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    first, second = TASKS
    vertex.jobs = [
        {
            "state": "PIPELINE_STATE_FAILED",
            "error": {"message": "The DAG failed."},
            "jobDetail": {
                "taskDetails": [
                    task(first, "SUCCEEDED"),
                    task(second, "FAILED", "The replica exited with 137."),
                ]
            },
        }
    ]

    done = command("submit", str(write()), "--wait")

    assert done.code == 1
    assert "`Trainer` failed: The replica exited with 137." in done.err
    assert "console.cloud.google.com" in done.err


def test_an_image_that_a_task_cannot_pull_is_said_to_be_missing(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    said = "Failed to pull image: manifest unknown."
    vertex.jobs = [
        {
            "state": "PIPELINE_STATE_FAILED",
            "jobDetail": {"taskDetails": [task(TASKS[0], "FAILED", said)]},
        }
    ]

    done = command("submit", str(write()), "--wait")

    assert done.code == 1
    assert "clickwright:0.1.0 cannot be found" in done.err
    assert "docker push" in done.err


def test_no_credentials_is_an_error_that_says_how_to_get_some(
    vertex: FakeVertex, write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")

    done = command("submit", str(write()))

    assert done.code == 1
    assert "No Google credentials can be used" in done.err
    assert "gcloud auth application-default login" in done.err
    assert vertex.asked == []


def test_credentials_that_google_refuses_are_an_error(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    vertex.refusal = error(
        401, "UNAUTHENTICATED", "Request had invalid authentication credentials."
    ).content["error"]

    done = command("submit", str(write()))

    assert done.code == 1
    assert "Google refuses the credentials: Request had invalid" in done.err


def test_a_wrong_project_is_an_error_that_names_it(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    done = command("submit", str(write(project="shop-projekt")))

    assert done.code == 1
    assert "project `shop-projekt`" in done.err
    assert "aiplatform.pipelineJobs.create" in done.err
    assert "remote.vertex" in done.err


def test_an_api_that_is_not_enabled_is_an_error_with_the_command_that_enables_it(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    vertex.refusal = error(
        403,
        "PERMISSION_DENIED",
        "Vertex AI API has not been used in project 1 before or it is disabled.",
        reason="SERVICE_DISABLED",
    ).content["error"]

    done = command("submit", str(write()))

    assert done.code == 1
    assert (
        f"gcloud services enable aiplatform.googleapis.com --project {PROJECT}"
    ) in done.err


def test_a_region_that_there_is_not_is_an_error_before_any_call(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    done = command("submit", str(write(region="europe-west44")))

    assert done.code == 1
    assert "Vertex AI has no region `europe-west44`. Did you mean `europe-west4`?" in (
        done.err
    )
    assert vertex.asked == []


def test_a_wrong_region_is_an_error_that_names_it(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    done = command("submit", str(write(region="europe-west1")))

    assert done.code == 1
    assert "region `europe-west1`" in done.err


def test_a_spec_that_the_service_refuses_is_an_error_in_its_words(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    vertex.refusal = error(
        400, "INVALID_ARGUMENT", "Machine type n1-mega-8 is not supported."
    ).content["error"]

    done = command("submit", str(write()))

    assert done.code == 1
    assert "refuses the pipeline: Machine type n1-mega-8 is not supported." in done.err


def test_a_busy_service_is_an_error_that_asks_to_come_back(
    vertex: FakeVertex, write: Write, command: Command
) -> None:
    vertex.refusal = error(
        429, "RESOURCE_EXHAUSTED", "Quota exceeded for pipeline jobs."
    ).content["error"]

    done = command("submit", str(write()))

    assert done.code == 1
    assert "cannot take it now: Quota exceeded" in done.err


def test_a_service_that_does_not_answer_is_an_error_that_names_its_address(
    vertex: FakeVertex, write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:9")

    done = command("submit", str(write()))

    assert done.code == 1
    assert "Vertex AI does not answer: [Errno 111] Connection refused." in (done.err)
    assert "Where: http://127.0.0.1:9" in done.err
