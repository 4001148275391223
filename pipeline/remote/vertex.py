"""A compiled pipeline on Vertex AI."""

import contextlib
import datetime
import functools
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from clickwright.pipeline.remote.compiled import Compiled, Value, submission_path
from clickwright.pipeline.remote.google_login import google_credentials, refused
from clickwright.pipeline.remote.image_registry import is_pull_problem, no_image
from clickwright.pipeline.remote.network_error import reason
from clickwright.pipeline.remote.remote_call import RemoteCall
from clickwright.pipeline.remote.remote_run import RemoteRun
from clickwright.pipeline.remote.run_state import Phase, RunState
from clickwright.pipeline.remote.submission import PIPELINE_ROOT, Submission
from clickwright.schemas.errors import (
    ClickwrightError,
    ConfigError,
    MachineError,
    did_you_mean,
)

ENDPOINT_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM"
"""Another address of the API, such as one of Private Service Connect; gcloud reads
the same variable."""
TIMEOUT_SECONDS = 60
PATIENCE_SECONDS = 300
"""How long reading a run's state is tried again where the service is away."""

_CONSOLE = "https://console.cloud.google.com/vertex-ai"
_JOB_PHASES: dict[str, Phase] = {
    "PIPELINE_STATE_SUCCEEDED": "succeeded",
    "PIPELINE_STATE_FAILED": "failed",
    "PIPELINE_STATE_CANCELLED": "cancelled",
}
_TASK_PHASES: dict[str, Phase] = {
    "SUCCEEDED": "succeeded",
    "SKIPPED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "NOT_TRIGGERED": "cancelled",
}


class Vertex:
    """Runs a compiled pipeline as a Vertex AI pipeline job.

    It speaks to the API by REST, through google-cloud-aiplatform's own client.
    Credentials are the application default ones.

    Args:
        compiled: the pipeline.
        submission: where and how it is to run.

    Raises:
        ConfigError: the submission names no project, or a region that Vertex AI
            has not.
    """

    def __init__(self, compiled: Compiled, submission: Submission) -> None:
        self._compiled = compiled
        self._submission = submission
        self._where = str(submission_path(compiled.path))
        project, region = submission.project, submission.region
        if project is None or region is None:
            raise ConfigError(
                "Vertex AI needs a project and a region.",
                where=self._where,
                fix="give `project` and `region` under `remote.vertex`, and compile "
                "again",
            )
        self._check_region(region)
        self._project, self._region = project, region
        self._parent = f"projects/{project}/locations/{region}"

    @property
    def endpoint(self) -> str:
        """Base address of the API."""
        given = os.environ.get(ENDPOINT_VARIABLE)
        return (given or f"https://{self._region}-aiplatform.googleapis.com").rstrip(
            "/"
        )

    def call(self, values: Mapping[str, Value], *, scheduled: bool) -> RemoteCall:
        """Writes the request for a pipeline job, or for a schedule of them."""
        name, submission = self._compiled.name, self._submission
        job: dict[str, Any] = {
            "displayName": name,
            "labels": dict(submission.labels),
            "pipelineSpec": self._compiled.spec,
            "runtimeConfig": {
                "gcsOutputDirectory": values.get(
                    PIPELINE_ROOT, submission.pipeline_root
                ),
                "parameterValues": {
                    name: value
                    for name, value in values.items()
                    if name != PIPELINE_ROOT
                },
            },
        }
        if submission.service_account is not None:
            job["serviceAccount"] = submission.service_account
        base = f"{self.endpoint}/v1/{self._parent}"
        if scheduled and submission.schedule is not None:
            schedule = submission.schedule
            body = {
                "displayName": name,
                "cron": f"TZ={schedule.timezone} {schedule.cron}",
                "maxConcurrentRunCount": str(schedule.max_concurrent),
                "createPipelineJobRequest": {
                    "parent": self._parent,
                    "pipelineJob": job,
                },
            }
            return RemoteCall(f"{base}/schedules", body, name, scheduled=True)
        # Unique, and as Vertex AI wants it: small letters, digits and hyphens.
        now = datetime.datetime.now(datetime.UTC)
        plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        run = f"{plain}-{now:%Y%m%d%H%M%S}-{uuid.uuid4().hex[:6]}"
        return RemoteCall(
            f"{base}/pipelineJobs?pipelineJobId={run}", job, run, scheduled=False
        )

    def start(self, call: RemoteCall) -> RemoteRun:
        """Creates the pipeline job, or the schedule."""
        from google.cloud.aiplatform_v1 import types
        from google.protobuf import json_format

        with self._answers():
            if call.scheduled:
                schedule = types.Schedule()
                json_format.ParseDict(call.body, types.Schedule.pb(schedule))
                made = self._schedules.create_schedule(
                    parent=self._parent, schedule=schedule, timeout=TIMEOUT_SECONDS
                )
                return self._schedule(made.name)
            job = types.PipelineJob()
            json_format.ParseDict(call.body, types.PipelineJob.pb(job))
            made = self._jobs.create_pipeline_job(
                parent=self._parent,
                pipeline_job=job,
                pipeline_job_id=call.name,
                timeout=TIMEOUT_SECONDS,
            )
        page = (
            f"{_CONSOLE}/locations/{self._region}/pipelines/runs/{call.name}"
            f"?project={self._project}"
        )
        return RemoteRun(made.name, page)

    def schedules(self) -> list[RemoteRun]:
        """The active schedules with the pipeline's name."""
        with self._answers():
            found = self._schedules.list_schedules(
                request={
                    "parent": self._parent,
                    "filter": f'display_name="{self._compiled.name}" AND '
                    'state="ACTIVE"',
                },
                timeout=TIMEOUT_SECONDS,
            )
            return [self._schedule(schedule.name) for schedule in found]

    def remove_schedule(self, schedule: RemoteRun) -> None:
        """Deletes a schedule."""
        with self._answers():
            deletion = self._schedules.delete_schedule(
                name=schedule.name, timeout=TIMEOUT_SECONDS
            )
            deletion.result(timeout=TIMEOUT_SECONDS)

    def state(self, run: RemoteRun) -> RunState:
        """Reads a pipeline job."""
        from google.api_core import retry

        with self._answers():
            job = self._jobs.get_pipeline_job(
                name=run.name,
                retry=retry.Retry(
                    predicate=lambda error: (
                        retry.if_transient_error(error) or isinstance(error, OSError)
                    ),
                    timeout=PATIENCE_SECONDS,
                ),
                timeout=TIMEOUT_SECONDS,
            )
        known = self._compiled.spec["root"]["dag"]["tasks"]
        details = [t for t in job.job_detail.task_details if t.task_name in known]
        problems = [
            f"`{task.task_name}` failed: {task.error.message}"
            for task in details
            if task.state.name == "FAILED"
        ]
        return RunState(
            phase=_JOB_PHASES.get(job.state.name, "running"),
            tasks={
                task.task_name: _TASK_PHASES.get(task.state.name, "running")
                for task in details
                if task.state.name != "PENDING"
            },
            problem=next(iter(problems), job.error.message),
        )

    def _check_region(self, region: str) -> None:
        from google.cloud.aiplatform.constants import base

        if region not in base.SUPPORTED_REGIONS:
            raise ConfigError(
                f"Vertex AI has no region `{region}`."
                f"{did_you_mean(region, base.SUPPORTED_REGIONS)}",
                where=f"{self._where}: region",
                fix="change `remote.vertex.region` and compile again; for a region "
                "newer than this client, upgrade google-cloud-aiplatform",
            )

    def _schedule(self, name: str) -> RemoteRun:
        schedule = name.rsplit("/", 1)[1]
        return RemoteRun(
            name,
            f"{_CONSOLE}/locations/{self._region}/pipelines/schedules/{schedule}"
            f"?project={self._project}",
        )

    @functools.cached_property
    def _jobs(self) -> Any:
        from google.cloud.aiplatform_v1 import PipelineServiceClient

        return self._client(PipelineServiceClient)

    @functools.cached_property
    def _schedules(self) -> Any:
        from google.cloud.aiplatform_v1 import ScheduleServiceClient

        return self._client(ScheduleServiceClient)

    def _client(self, kind: Any) -> Any:
        return kind(
            credentials=google_credentials(),
            transport="rest",
            client_options={"api_endpoint": self.endpoint},
        )

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        """Says in our words what the client says in its own."""
        from google.api_core import exceptions
        from google.auth import exceptions as login

        try:
            yield
        except ClickwrightError:
            raise
        except login.RefreshError as error:
            raise refused(error) from error
        except exceptions.GoogleAPICallError as error:
            raise self._told(error) from error
        except (exceptions.RetryError, login.GoogleAuthError, OSError) as error:
            raise MachineError(
                f"Vertex AI does not answer: {reason(error)}.",
                where=self.endpoint,
                fix="check the network, then submit again",
            ) from error

    def _told(self, error: Any) -> ClickwrightError:
        """What to tell of an answer that is a refusal."""
        # The message begins with the method and the address.
        said = " ".join(error.message.partition(": ")[2].split()) or error.message
        project = f"`{self._project}`"
        if error.code == 401:
            return refused(RuntimeError(said))
        if error.reason == "SERVICE_DISABLED":
            return ConfigError(
                f"The Vertex AI API is not enabled in the project {project}: {said}",
                where=f"{self._where}: project",
                fix="gcloud services enable aiplatform.googleapis.com --project "
                f"{self._project}",
            )
        if is_pull_problem(said):
            return no_image(self._submission.image, said)
        if error.code in (403, 404):
            return ConfigError(
                f"These credentials may not run pipelines in the project {project} "
                f"and region `{self._region}`, or there are none: {said}",
                where=f"{self._where}: project, region",
                fix="check both under `remote.vertex` and compile again, or give the "
                "account the role roles/aiplatform.user",
            )
        if error.code is None or error.code == 429 or error.code >= 500:
            return MachineError(
                f"Vertex AI cannot take it now: {said}",
                where=self.endpoint,
                fix="submit it again later",
            )
        return ConfigError(
            f"Vertex AI refuses the pipeline: {said}",
            where=str(self._compiled.path),
            fix="mend what it names in the run's `remote` section and compile again",
        )
