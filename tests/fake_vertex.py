"""Vertex AI's pipelines and schedules as far as the tests need them, by REST."""

import re
from typing import Any

from fake_service import Answer, Asked, FakeService
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

PROJECT, REGION = "shop-project", "europe-west4"
PARENT = f"projects/{PROJECT}/locations/{REGION}"


class FakeVertex(FakeService):
    """One project in one region.

    What it takes is held against the API's own messages, so that a field that the
    service does not know is a refusal here too.

    Attributes:
        refusal: the error that any call gets, as the service words errors.
        jobs: what a job looks like at each look at it; the last one stays.
        schedules: names of the schedules there are, with the body of each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refusal: dict[str, Any] | None = None
        self.jobs: list[dict[str, Any]] = [{"state": "PIPELINE_STATE_SUCCEEDED"}]
        self.schedules: dict[str, Any] = {}

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/token":
            return Answer({"access_token": "a-token", "expires_in": 3600})
        if not asked.headers.get("Authorization", "").startswith("Bearer "):
            return error(401, "UNAUTHENTICATED", "Request had invalid credentials.")
        if self.refusal is not None:
            return Answer({"error": self.refusal}, self.refusal["code"])
        place, _, rest = asked.path.removeprefix("/v1/").partition(f"{PARENT}/")
        if place:
            return error(
                403,
                "PERMISSION_DENIED",
                "Permission 'aiplatform.pipelineJobs.create' denied on resource "
                f"'//aiplatform.googleapis.com{asked.path}' (or it may not exist).",
            )
        kind, _, name = rest.partition("/")
        if kind == "pipelineJobs":
            return self._job(asked, name)
        return self._schedule(asked, name)

    def _job(self, asked: Asked, name: str) -> Answer:
        if asked.method == "GET":
            job = self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]
            return Answer({"name": f"{PARENT}/pipelineJobs/{name}"} | job)
        json_format.ParseDict(asked.body, types.PipelineJob.pb(types.PipelineJob()))
        name = asked.query["pipelineJobId"]
        if not re.fullmatch("[a-z][-a-z0-9]{0,127}", name):
            return error(400, "INVALID_ARGUMENT", f"Invalid id: {name}")
        made = {"name": f"{PARENT}/pipelineJobs/{name}"}
        return Answer(made | {"state": "PIPELINE_STATE_PENDING"})

    def _schedule(self, asked: Asked, name: str) -> Answer:
        if asked.method == "POST":
            json_format.ParseDict(asked.body, types.Schedule.pb(types.Schedule()))
            made = f"{PARENT}/schedules/{len(self.schedules) + 1}"
            self.schedules[made] = asked.body
            return Answer({"name": made, "state": "ACTIVE"})
        if asked.method == "DELETE":
            del self.schedules[f"{PARENT}/schedules/{name}"]
            nothing = {"@type": "type.googleapis.com/google.protobuf.Empty"}
            done = {"done": True, "response": nothing}
            return Answer({"name": f"{PARENT}/operations/1"} | done)
        (wanted,) = re.findall('display_name="([^"]*)"', asked.query["filter"])
        return Answer(
            {
                "schedules": [
                    {"name": name}
                    for name, body in self.schedules.items()
                    if body["displayName"] == wanted
                ]
            }
        )


def error(code: int, status: str, message: str, **info: Any) -> Answer:
    """A refusal as Google's services word it; `info` as google.rpc.ErrorInfo."""
    content: dict[str, Any] = {"code": code, "status": status, "message": message}
    if info:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        content["details"] = [{"@type": kind, "domain": "googleapis.com"} | info]
    return Answer({"error": content}, code)
