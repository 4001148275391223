"""A server of Kubeflow Pipelines 2 as far as the tests need it."""

import json
from typing import Any

import kfp_server_api
from fake_service import Answer, Asked, FakeService

API = "/apis/v2beta1"


class FakeKubeflow(FakeService):
    """A server for one user, or for many.

    Attributes:
        multi_user: whether experiments belong to namespaces.
        namespaces: those there are, where it is for many.
        token: the token that it asks for; None for none.
        refusals: answers for the next calls, before any other.
        runs: what a run looks like at each look at it; the last one stays.
        experiments: id of each experiment, by namespace and name.
        schedules: the recurring runs there are, by id.
    """

    def __init__(self) -> None:
        super().__init__()
        self.multi_user = False
        self.namespaces = {"ads"}
        self.token: str | None = None
        self.refusals: list[Answer] = []
        self.runs: list[dict[str, Any]] = [{"state": "SUCCEEDED"}]
        self.experiments: dict[tuple[str, str], str] = {}
        self.schedules: dict[str, Any] = {}

    def answer(self, asked: Asked) -> Answer:
        if self.token and asked.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal(401, "Request header error: there is no user identity.")
        if self.refusals:
            return self.refusals.pop(0)
        kind, _, name = asked.path.removeprefix(f"{API}/").partition("/")
        match asked.method, kind:
            case "GET", "healthz":
                return Answer({"multi_user": self.multi_user})
            case "GET", "experiments":
                namespace = asked.query.get("namespace", "")
                if self.multi_user and namespace not in self.namespaces:
                    return refusal(404, f"Namespace not found: {namespace!r}")
                key = namespace, wanted(asked)
                found = [self.experiments[key]] if key in self.experiments else []
                return Answer({"experiments": [{"experiment_id": i} for i in found]})
            case "POST", "experiments":
                namespace = asked.body.get("namespace", "")
                if namespace and not self.multi_user:
                    return refusal(400, "In single-user mode, namespace must be empty.")
                made = f"experiment-{len(self.experiments) + 1}"
                self.experiments[namespace, asked.body["display_name"]] = made
                return Answer({"experiment_id": made})
            case "POST", "runs":
                check(asked.body, kfp_server_api.V2beta1Run)
                return Answer({"run_id": "run-1", "state": "PENDING"})
            case "GET", "runs":
                run = self.runs.pop(0) if len(self.runs) > 1 else self.runs[0]
                return Answer({"run_id": name} | run)
            case "POST", "recurringruns":
                check(asked.body, kfp_server_api.V2beta1RecurringRun)
                if len(asked.body["trigger"]["cron_schedule"]["cron"].split()) != 6:
                    return refusal(400, "Invalid input error: cron is not supported.")
                made = f"schedule-{len(self.schedules) + 1}"
                self.schedules[made] = asked.body
                return Answer({"recurring_run_id": made, "status": "ENABLED"})
            case "GET", "recurringruns":
                return Answer(
                    {
                        "recurringRuns": [
                            {"recurring_run_id": name, "status": "ENABLED"}
                            for name, body in self.schedules.items()
                            if body["display_name"] == wanted(asked)
                            and body["experiment_id"] == asked.query["experiment_id"]
                        ]
                    }
                )
            case "DELETE", "recurringruns":
                del self.schedules[name]
                return Answer({})
        return refusal(404, "Not Found")


def wanted(asked: Asked) -> str:
    """The name that a list is filtered by."""
    (predicate,) = json.loads(asked.query["filter"])["predicates"]
    assert predicate["key"] == "display_name"
    return str(predicate["stringValue"])


def check(body: dict[str, Any], model: Any) -> None:
    """Holds a body against the API's own model."""
    known = set(model.attribute_map.values())
    assert set(body) <= known, set(body) - known


def refusal(code: int, message: str) -> Answer:
    """A refusal as Kubeflow words it."""
    return Answer({"error": message, "code": code, "message": message}, code)
