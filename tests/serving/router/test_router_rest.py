"""The router over HTTP, its health, and how it stops."""

import asyncio
import time
from collections.abc import Callable

import grpc
import pytest
from fake_model_server import FakeModelServer, LoopThread
from grpc_health.v1 import health_pb2, health_pb2_grpc
from running_router import RunningRouter

Routed = Callable[..., RunningRouter]


def test_a_rest_request_is_answered_by_the_version_that_its_exposure_names(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed()
    model_servers.versions[2].scores = (0.125, 0.75)
    answers = {}
    for unit in (f"u{number}" for number in range(8)):
        answer = router.post(unit)
        assert answer.headers["x-experiment"] == "crosses"
        answers[answer.headers["x-request-id"]] = answer
    rows = router.exposures()
    assert {row["request_id"] for row in rows} == set(answers)
    assert {row["version"] for row in rows} == {1, 2}
    for row in rows:
        answer = answers[row["request_id"]]
        assert answer.headers["x-variant"] == row["variant"]
        assert answer.json() == {"predictions": row["scores"]}
        assert len(row["scores"]) == row["candidates"] == 2
    paths = {x.method for x in model_servers.asked if x.method.startswith("REST")}
    assert paths == {f"REST /v1/models/ctr/versions/{n}:predict" for n in (1, 2)}


def test_a_unit_gets_the_same_arm_over_both_protocols(routed: Routed) -> None:
    router = routed()
    for number in range(10):
        router.ask(f"u{number}")
        answer = router.post(f"u{number}")
        assert answer.headers["x-variant"] == router.trailers["x-variant"]


def test_a_rest_body_may_hold_the_unit(routed: Routed) -> None:
    router = routed(unit_source={"input": "user_id"})
    ann, seven = {"user_id": "ann"}, {"user_id": [7], "item": 1}
    router.post(None, json={"instances": [ann, ann]})
    router.post(None, json={"inputs": {"user_id": [7, 7]}})
    router.post(None, json={"instances": [seven]})
    router.post(None, json={"instances": [{"user_id": {"b64": "YW5u"}}]})
    assert [row["unit"] for row in router.exposures()] == ["ann", "7", "7", "ann"]
    two = router.post(None, json={"instances": [ann, {"user_id": "bob"}]})
    assert two.status_code == 400
    assert router.post(None, content=b"{").status_code == 400


def test_a_label_that_moves_is_followed(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(overrides={"qa": "treatment"})
    router.post("qa")
    del model_servers.versions[2]  # unloaded before anybody asks for it again
    model_servers.labels["canary"] = 3
    assert router.post("qa").status_code == 200
    first, second = router.exposures()
    assert (first["version"], second["version"]) == (2, 3)
    assert second["failure"] is None


def test_control_answers_over_http_when_an_arm_fails(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(overrides={"qa": "treatment"})
    router.post("qa")
    model_servers.versions[2].error = grpc.StatusCode.UNAVAILABLE
    assert router.post("qa").status_code == 200
    row = router.exposures()[-1]
    assert (row["version"], row["failure"]) == (1, "UNAVAILABLE")


def test_errors_have_tf_servings_shape_and_the_requests_id(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed()
    for behaviour in model_servers.versions.values():
        behaviour.error = grpc.StatusCode.UNAVAILABLE
    refused = router.post("u1", headers={"x-request-id": "r1"})
    assert refused.status_code == 503
    assert "error" in refused.json()
    assert refused.headers["x-request-id"] == "r1"
    assert router.post("u1", "/v1/models/ctr:rank").status_code == 400
    assert router.get("/v1/models").status_code == 400
    assert router.exposures() == []


def test_what_no_experiment_takes_is_sent_on_as_it_came(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed()
    for path in ("/v1/models/other:predict", "/v1/models/ctr/labels/canary:predict"):
        assert router.post("u1", path).status_code == 200
    assert router.get("/v1/models/ctr/labels/canary/metadata").status_code == 200
    assert router.get("/v1/models/ctr/metadata").status_code == 200
    assert [asked.method for asked in model_servers.asked] == [
        "REST /v1/models/other:predict",
        "REST /v1/models/ctr/labels/canary:predict",
        "REST /v1/models/ctr/labels/canary/metadata",
        "REST /v1/models/ctr/labels/stable/metadata",
    ]
    assert router.exposures() == []


def test_health_follows_the_model_server(
    routed: Routed, model_servers: FakeModelServer, loop_thread: LoopThread
) -> None:
    router = routed()
    router.ask("u1")
    with grpc.insecure_channel(router.grpc) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        request = health_pb2.HealthCheckRequest(service="PredictionService")
        states = health_pb2.HealthCheckResponse
        router.until(lambda: check(request, timeout=5).status == states.SERVING)
        assert router.get("/healthz").status_code == 200
        loop_thread.run(model_servers.stop())
        router.refused("u1")
        router.until(lambda: router.get("/healthz").status_code == 503)
        router.until(lambda: check(request, timeout=5).status == states.NOT_SERVING)
    loop_thread.run(model_servers.start())


def test_the_metrics_tell_what_each_arm_did(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(overrides={"qa": "treatment", "qb": "control"})
    model_servers.versions[2].error = grpc.StatusCode.INTERNAL
    router.ask("qa")
    router.ask("qb")
    router.ask(None)
    found = router.metrics()
    arm = 'experiment="crosses",variant="treatment"'
    assert found[f'arm_requests_total{{code="INTERNAL",{arm}}}'] == 1
    assert found[f"fallbacks_total{{{arm}}}"] == 1
    assert found[f"exposures_total{{{arm}}}"] == 1
    assert found[f"arm_seconds_count{{{arm}}}"] == 1
    assert found['requests_total{api="Predict",code="OK"}'] == 3
    assert found["requests_in_flight"] == 0


def test_running_requests_end_before_the_router_does(
    routed: Routed, model_servers: FakeModelServer, loop_thread: LoopThread
) -> None:
    router = routed(overrides={"qa": "treatment"})
    held = model_servers.versions[2].held = asyncio.Event()

    async def stop_while_it_runs() -> bytes:
        asking = asyncio.create_task(asyncio.to_thread(router.ask, "qa"))
        while not model_servers.asked:
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(router.end())
        await asyncio.sleep(0.1)
        held.set()
        answer = await asking
        await stopping
        return answer

    assert loop_thread.run(stop_while_it_runs())
    (row,) = router.exposures()
    assert row["version"] == 2


def test_a_slow_body_does_not_hold_the_router(routed: Routed) -> None:
    router = routed(options={"max_timeout_in_ms": 200})

    def never() -> object:
        yield b"{"
        time.sleep(1.0)
        yield b"}"

    answer = router.post("u1", json=None, content=never())
    assert answer.status_code == 504


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_verbs_are_refused(
    routed: Routed, model_servers: FakeModelServer, method: str
) -> None:
    import httpx

    router = routed()
    answer = httpx.request(
        method, f"{router.url}/v1/models/ctr", trust_env=False, timeout=20
    )
    assert answer.status_code == 400
    assert model_servers.asked == []
