"""A compiled pipeline on Kubeflow Pipelines."""

import contextlib
import datetime
import functools
import io
import json
import os
import pathlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from clickwright.pipeline.remote.compiled import Compiled, Value, submission_path
from clickwright.pipeline.remote.image_registry import is_pull_problem, no_image
from clickwright.pipeline.remote.network_error import reason
from clickwright.pipeline.remote.remote_call import RemoteCall
from clickwright.pipeline.remote.remote_run import RemoteRun
from clickwright.pipeline.remote.run_state import Phase, RunState
from clickwright.pipeline.remote.submission import PIPELINE_ROOT, Submission
from clickwright.schemas.errors import ClickwrightError, ConfigError, MachineError

TIMEOUT_SECONDS = 60
PATIENCE = 5
"""How often a run's state is asked for where the server does not answer."""
PAUSE_SECONDS = 2.0
"""Between two of these, at first; twice as long each time."""

_API = "/apis/v2beta1"
_PHASES: dict[str, Phase] = {
    "SUCCEEDED": "succeeded",
    "SKIPPED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "cancelled",
}
_Answer = TypeVar("_Answer")


class Kubeflow:
    """Runs a compiled pipeline on a server of Kubeflow Pipelines.

    It speaks to the server through kfp's own client. Credentials come from where kfp
    takes them: `KF_PIPELINES_SA_TOKEN_PATH` or the pod's projected token,
    `KF_PIPELINES_IAP_OAUTH2_CLIENT_ID` and its companions, or a cookie in
    `~/.config/kfp/context.json`.

    Args:
        compiled: the pipeline.
        submission: where and how it is to run.

    Raises:
        ConfigError: the submission names no server.
    """

    def __init__(self, compiled: Compiled, submission: Submission) -> None:
        self._compiled = compiled
        self._submission = submission
        self._where = str(submission_path(compiled.path))
        if submission.endpoint is None:
            raise ConfigError(
                "Kubeflow Pipelines needs the address of its server.",
                where=self._where,
                fix="give `endpoint` under `remote.kubeflow`, and compile again",
            )
        self._endpoint = submission.endpoint.rstrip("/")
        self._experiment = submission.experiment or "Default"

    def call(self, values: Mapping[str, Value], *, scheduled: bool) -> RemoteCall:
        """Writes the request for a run, or for a recurring run."""
        name, submission = self._compiled.name, self._submission
        body: dict[str, Any] = {
            # Known only to the server.
            "experiment_id": f"(id of the experiment `{self._experiment}`)",
            "pipeline_spec": self._compiled.spec,
            "runtime_config": {
                "pipeline_root": values.get(PIPELINE_ROOT, submission.pipeline_root),
                "parameters": {
                    name: value
                    for name, value in values.items()
                    if name != PIPELINE_ROOT
                },
            },
        }
        if submission.service_account is not None:
            body["service_account"] = submission.service_account
        base = self._endpoint + _API
        if scheduled and submission.schedule is not None:
            schedule = submission.schedule
            body |= {
                "display_name": name,
                # Its cron begins with the seconds, and knows no time zone.
                "trigger": {"cron_schedule": {"cron": f"0 {schedule.cron}"}},
                "max_concurrency": str(schedule.max_concurrent),
                "mode": "ENABLE",
                "no_catchup": True,
            }
            note = (
                f"Kubeflow starts it by its own clock: {schedule.timezone} counts only "
                "if CRON_SCHEDULE_TIMEZONE of ml-pipeline-scheduledworkflow says so "
                "(default UTC)."
                if schedule.timezone != "UTC"
                else ""
            )
            return RemoteCall(f"{base}/recurringruns", body, name, True, note)
        run = f"{name} {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S}"
        return RemoteCall(
            f"{base}/runs", body | {"display_name": run}, run, scheduled=False
        )

    def start(self, call: RemoteCall) -> RemoteRun:
        """Creates the run, or the recurring run, in the experiment."""
        import kfp_server_api

        with self._answers():
            body = call.body | {"experiment_id": self._experiment_id()}
            if call.scheduled:
                made = self._client.recurring_runs
                schedule = made.recurring_run_service_create_recurring_run(
                    recurring_run=kfp_server_api.V2beta1RecurringRun(**body),
                    _request_timeout=TIMEOUT_SECONDS,
                )
                return self._page("recurringrun", schedule.recurring_run_id)
            run = self._client.runs.run_service_create_run(
                run=kfp_server_api.V2beta1Run(**body),
                _request_timeout=TIMEOUT_SECONDS,
            )
        return self._page("runs", run.run_id)

    def schedules(self) -> list[RemoteRun]:
        """The enabled recurring runs with the pipeline's name, in the experiment."""
        wanted = [
            {
                "operation": "EQUALS",
                "key": "display_name",
                "stringValue": self._compiled.name,
            }
        ]
        with self._answers():
            found = self._client.list_recurring_runs(
                experiment_id=self._experiment_id(),
                filter=json.dumps({"predicates": wanted}),
                page_size=100,
            )
        return [
            self._page("recurringrun", schedule.recurring_run_id)
            for schedule in found.recurring_runs or []
            if schedule.status == "ENABLED"
        ]

    def remove_schedule(self, schedule: RemoteRun) -> None:
        """Deletes a recurring run."""
        with self._answers():
            self._client.delete_recurring_run(schedule.name)

    def state(self, run: RemoteRun) -> RunState:
        """Reads a run."""
        with self._answers():
            found = self._patiently(
                lambda: self._client.runs.run_service_get_run(
                    run_id=run.name, _request_timeout=TIMEOUT_SECONDS
                )
            )
        known = self._compiled.spec["root"]["dag"]["tasks"]
        details = [
            task
            for task in (found.run_details and found.run_details.task_details) or []
            if task.display_name in known
        ]
        problems = [
            f"`{task.display_name}` failed: {task.error.message if task.error else ''}"
            for task in details
            if task.state == "FAILED"
        ]
        return RunState(
            phase=_PHASES.get(found.state, "running"),
            tasks={
                task.display_name: _PHASES.get(task.state, "running")
                for task in details
                if task.state != "PENDING"
            },
            problem=next(iter(problems), found.error.message if found.error else ""),
        )

    def _page(self, kind: str, name: str) -> RemoteRun:
        pages = os.environ.get("KF_PIPELINES_UI_ENDPOINT") or self._endpoint
        return RemoteRun(name, f"{pages.rstrip('/')}/#/{kind}/details/{name}")

    @functools.cached_property
    def _client(self) -> Any:
        from kfp import client as kfp_client

        from clickwright.pipeline.remote.kubeflow_client import KubeflowClient

        token = os.environ.get(kfp_client.KF_PIPELINES_SA_TOKEN_ENV)
        has_token = token or os.path.exists(kfp_client.KF_PIPELINES_SA_TOKEN_PATH)
        if token and not pathlib.Path(token).is_file():
            raise MachineError(
                f"The file with the token is not there: {token}.",
                where=kfp_client.KF_PIPELINES_SA_TOKEN_ENV,
                fix="name a file that holds a service account's token",
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # speaks of servers before 2
            return KubeflowClient(
                host=self._endpoint,
                credentials=kfp_client.ServiceAccountTokenVolumeCredentials()
                if has_token
                else None,
            )

    def _experiment_id(self) -> str:
        """Id of the experiment, which is made where there is none."""
        # Servers for one user refuse a namespace, those for many ask for one.
        many = self._client.get_kfp_healthz().multi_user
        with contextlib.redirect_stdout(io.StringIO()):  # it prints an address
            experiment = self._client.create_experiment(
                self._experiment, namespace=self._submission.namespace if many else None
            )
        return str(experiment.experiment_id)

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        """Asks again where the server is away for a moment."""
        import kfp_server_api
        import urllib3

        for pause in range(PATIENCE):
            try:
                return ask()
            except urllib3.exceptions.HTTPError:
                pass
            except kfp_server_api.ApiException as error:
                if error.status < 500:
                    raise
            time.sleep(PAUSE_SECONDS * 2**pause)
        return ask()

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        """Says in our words what the client says in its own."""
        import kfp_server_api
        import urllib3

        try:
            yield
        except ClickwrightError:
            raise
        except kfp_server_api.ApiException as error:
            raise self._told(error) from error
        except urllib3.exceptions.HTTPError as error:
            raise MachineError(
                f"Kubeflow Pipelines does not answer: {reason(error)}.",
                where=self._endpoint,
                fix="check the address and the network (in a cluster's own network, "
                "`kubectl port-forward svc/ml-pipeline-ui 8080:80`), then submit again",
            ) from error
        except json.JSONDecodeError as error:
            # A proxy that wants a login sends its page, with a status of 200.
            raise _no_login("a page for people answers instead of the API") from error

    def _told(self, error: Any) -> ClickwrightError:
        """What to tell of an answer that is a refusal."""
        said = _message(error)
        if error.status in (401, 403):
            return _no_login(said)
        if is_pull_problem(said):
            return no_image(self._submission.image, said)
        if error.status == 404:
            return ConfigError(
                f"Kubeflow Pipelines 2 is not there, or knows no namespace "
                f"`{self._submission.namespace}`: {said}",
                where=f"{self._where}: endpoint, namespace",
                fix="check both under `remote.kubeflow` and compile again",
            )
        if error.status == 429 or error.status >= 500:
            return MachineError(
                f"Kubeflow Pipelines cannot take it now: {said}",
                where=self._endpoint,
                fix="look at the log of ml-pipeline, then submit again",
            )
        return ConfigError(
            f"Kubeflow Pipelines refuses the pipeline: {said}",
            where=str(self._compiled.path),
            fix="mend what it names in the run's `remote` section and compile again",
        )


def _no_login(said: str) -> MachineError:
    return MachineError(
        f"Kubeflow Pipelines asks for other credentials than the environment holds: "
        f"{said.rstrip('.')}.",
        where="KF_PIPELINES_SA_TOKEN_PATH",
        fix="set KF_PIPELINES_SA_TOKEN_PATH to a file with a service account's token, "
        "or KF_PIPELINES_IAP_OAUTH2_CLIENT_ID behind Google's proxy",
    )


def _message(error: Any) -> str:
    """What the server says, else the reason of its status."""
    try:
        content = json.loads(error.body)
        said = content.get("message") or content["error"]
    except (TypeError, ValueError, KeyError, AttributeError):
        said = error.reason or str(error.status)
    return " ".join(str(said).split())
