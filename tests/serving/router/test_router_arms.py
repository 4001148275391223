"""Which arm answers, and what is recorded of it."""

import asyncio
import collections
import datetime
from collections.abc import Callable

import grpc
import pytest
from ab_definition import arms
from fake_model_server import FakeModelServer, LoopThread, request_bytes
from running_router import RunningRouter

from clickwright.experiments.assignment import assign
from clickwright.experiments.experiment_book import ExperimentBook
from clickwright.serving.router import messages

Routed = Callable[..., RunningRouter]
NOW = datetime.datetime(2026, 11, 2, tzinfo=datetime.UTC)
SECOND_CHANCE = 1


def units_of(router: RunningRouter) -> dict[str, str]:
    """One unit of each arm."""
    (experiment,) = ExperimentBook(router.experiments).experiments.values()
    found: dict[str, str] = {}
    for number in range(200):
        variant = assign(experiment, f"u{number}", NOW).variant
        if variant is not None:
            found.setdefault(variant, f"u{number}")
    return found


def test_a_unit_always_gets_its_arm_and_each_answer_leaves_one_exposure(
    routed: Routed,
) -> None:
    router = routed()
    (experiment,) = ExperimentBook(router.experiments).experiments.values()
    units = [f"u{number}" for number in range(20)] * 2
    ids = []
    for unit in units:
        answer = messages.PredictAnswer.FromString(router.ask(unit))
        variant = str(assign(experiment, unit, NOW).variant)
        assert (
            answer.model_spec.version.value == {"control": 1, "treatment": 2}[variant]
        )
        assert router.trailers["x-experiment"] == "crosses"
        assert router.trailers["x-variant"] == variant
        ids.append(router.trailers["x-request-id"])
    rows = router.exposures()
    assert [row["request_id"] for row in rows] == ids
    assert len(set(ids)) == len(units)
    for unit, row in zip(units, rows, strict=True):
        assignment = assign(experiment, unit, NOW)
        assert row["unit"] == unit
        assert row["variant"] == assignment.variant
        assert row["bucket"] == assignment.bucket
        assert row["propensity"] == 0.5
        assert row["version"] == {"control": 1, "treatment": 2}[row["variant"]]
        assert (
            row["label"] == {"control": "stable", "treatment": "canary"}[row["variant"]]
        )
        assert row["scores"] == [0.5, 0.25]
        assert row["candidates"] == 2
        assert row["latency_ms"] > 0
        assert row["failure"] is None
        assert not row["override"]


@pytest.mark.parametrize("sync", ["always", "never"])
def test_each_way_to_sync_the_log_keeps_the_exposure(routed: Routed, sync: str) -> None:
    router = routed(options={"log_sync": sync})
    router.ask("u1")
    assert len(router.exposures()) == 1


def test_the_inputs_reach_the_server_as_they_came(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    output_filter = b"\x1a\x0bprobability"
    raw = request_bytes(item_id=[3, 1, 2], city=["Köln", "Ulm", ""]) + output_filter
    router = routed()
    router.ask(units_of(router)["treatment"], raw)
    (asked,) = model_servers.asked
    assert asked.raw.endswith(output_filter)
    sent, came = (messages.PredictInputs.FromString(x) for x in (raw, asked.raw))
    assert came.inputs == sent.inputs
    assert messages.Request.FromString(asked.raw).model_spec.version_label == "canary"


def test_ids_and_attributes_of_the_caller_are_kept(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed()
    router.ask(
        "u1",
        metadata=[
            ("x-request-id", "req-7"),
            ("x-attributes", "device=phone, segment=new"),
            ("traceparent", "00-1-2-01"),
            ("x-secret", "s"),
        ],
    )
    assert router.trailers["x-request-id"] == "req-7"
    (row,) = router.exposures()
    assert row["request_id"] == "req-7"
    assert dict(row["attributes"]) == {"device": "phone", "segment": "new"}
    (asked,) = model_servers.asked
    assert asked.metadata["x-request-id"] == "req-7"
    assert asked.metadata["traceparent"] == "00-1-2-01"
    assert not {"x-secret", "x-unit-id"} & set(asked.metadata)


@pytest.mark.parametrize("label", ["", "stable"])
def test_who_asks_for_no_version_or_for_controls_takes_part(
    routed: Routed, label: str
) -> None:
    router = routed()
    unit = units_of(router)["treatment"]
    answer = messages.PredictAnswer.FromString(router.ask(unit, request_bytes(label)))
    assert answer.model_spec.version.value == 2
    assert len(router.exposures()) == 1


def test_who_asks_for_another_version_or_model_gets_it_without_exposure(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed()
    router.ask("u1", request_bytes("canary"))
    router.ask("u1", request_bytes(model="other"))
    assert [asked.version for asked in model_servers.asked] == [2, 3]
    assert "x-experiment" not in router.trailers
    assert router.exposures() == []


def test_units_outside_the_ramp_get_control_without_exposure(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(ramp=[{"at": "2020-01-01T00:00:00Z", "share": 0.0}])
    router.ask("u1")
    assert model_servers.asked_of("Predict") == [1]
    assert router.exposures() == []
    assert router.metrics()['unassigned_total{reason="not taken"}'] == 1


def test_an_override_is_answered_by_its_arm_and_marked(routed: Routed) -> None:
    router = routed(overrides={"qa": "treatment"})
    router.ask("qa")
    (row,) = router.exposures()
    assert row["override"]
    assert (row["variant"], row["version"]) == ("treatment", 2)


def test_the_arms_of_two_experiments_in_a_layer_share_the_model(
    routed: Routed,
) -> None:
    router = routed(layer={"name": "feed", "buckets": [0, 5000]})
    router.define(
        "second.yaml", id="second", layer={"name": "feed", "buckets": [5000, 10000]}
    )
    router.until(lambda: "second" in seen(router))
    counts = collections.Counter(row["experiment"] for row in router.exposures())
    assert set(counts) == {"crosses", "second"}
    by_unit = collections.defaultdict(set)
    for row in router.exposures():
        by_unit[row["unit"]].add(row["experiment"])
    assert all(len(found) == 1 for found in by_unit.values())


def seen(router: RunningRouter) -> set[str]:
    """The experiments that a few units are in now."""
    found = set()
    for number in range(10):
        router.ask(f"u{number}")
        found.add(router.trailers.get("x-experiment", ""))
    return found


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.INTERNAL,
    ],
)
def test_control_answers_when_an_arm_fails(
    routed: Routed, model_servers: FakeModelServer, code: grpc.StatusCode
) -> None:
    router = routed()
    unit = units_of(router)["treatment"]
    model_servers.versions[2].error = code
    answer = messages.PredictAnswer.FromString(router.ask(unit))
    assert answer.model_spec.version.value == 1
    (row,) = router.exposures()
    assert (row["variant"], row["version"], row["label"]) == ("treatment", 1, "stable")
    assert (row["failed_variant"], row["failure"]) == ("treatment", code.name)
    labels = f'code="{code.name}",experiment="crosses",variant="treatment"'
    assert router.metrics()[f"arm_requests_total{{{labels}}}"] == 1


def test_control_answers_within_the_deadline_when_an_arm_takes_too_long(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(options={"arm_timeout_share": 0.05})
    model_servers.versions[2].held = asyncio.Event()
    router.ask(units_of(router)["treatment"], timeout=10)
    (row,) = router.exposures()
    assert row["failure"] == "DEADLINE_EXCEEDED"
    assert row["version"] == 1
    treatment, control = model_servers.asked
    assert treatment.left is not None and treatment.left < 1
    assert control.left is not None and control.left < 10


def test_an_arm_whose_version_is_not_there_fails_like_any_other(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed()
    del model_servers.versions[2]
    router.ask(units_of(router)["treatment"])
    (row,) = router.exposures()
    assert row["failure"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("code", "asked"),
    [(grpc.StatusCode.UNAVAILABLE, [1, 1]), (grpc.StatusCode.INVALID_ARGUMENT, [1])],
)
def test_control_has_a_second_chance_where_the_failure_may_pass(
    routed: Routed,
    model_servers: FakeModelServer,
    code: grpc.StatusCode,
    asked: list[int],
) -> None:
    router = routed()
    model_servers.versions[1].error = code
    assert router.refused(units_of(router)["control"]) == code
    assert model_servers.asked_of("Predict") == asked
    assert router.exposures() == []


def test_the_second_chance_of_control_is_recorded_as_its_error(
    routed: Routed, model_servers: FakeModelServer, loop_thread: LoopThread
) -> None:
    router = routed(options={"arm_timeout_share": 0.02})
    unit = units_of(router)["control"]
    model_servers.versions[1].held = asyncio.Event()

    async def let_go() -> None:
        while len(model_servers.asked) <= SECOND_CHANCE:
            await asyncio.sleep(0.01)
        held = model_servers.versions[1].held
        assert held is not None
        held.set()

    release = loop_thread.start(let_go())
    router.ask(unit, timeout=10)
    release.result(10)
    (row,) = router.exposures()
    assert (row["variant"], row["failed_variant"]) == ("control", "control")


def test_a_request_that_nobody_answers_leaves_no_exposure(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed()
    for behaviour in model_servers.versions.values():
        behaviour.error = grpc.StatusCode.UNAVAILABLE
    unit = units_of(router)["treatment"]
    assert router.refused(unit) == grpc.StatusCode.UNAVAILABLE
    assert "x-request-id" in router.trailers
    assert router.exposures() == []


def test_the_shortest_deadline_counts(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(options={"max_timeout_in_ms": 2000})
    router.ask("u1", request_bytes(model="other"), timeout=60)
    router.ask("u1", request_bytes(model="other"), timeout=1)
    cap, own = (asked.left for asked in model_servers.asked)
    assert cap is not None and own is not None
    assert own < 1.5 < cap < 2.5  # gRPC rounds up


def test_the_other_calls_of_the_service_are_routed_too(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed()
    unit = units_of(router)["treatment"]
    tasks = messages.MultiInferenceRequest()
    for _ in range(2):
        tasks.tasks.add().model_spec.name = "ctr"
    for method in ("Classify", "Regress", "MultiInference"):
        raw = tasks.SerializeToString() if method == "MultiInference" else None
        router.ask(unit, raw, path=f"/tensorflow.serving.PredictionService/{method}")
        assert model_servers.asked_of(method) == [2]
    rows = router.exposures()
    assert [row["version"] for row in rows] == [2, 2, 2]
    assert [row["candidates"] for row in rows] == [2, 2, 0]
    assert [row["scores"] for row in rows] == [None, [0.5, 0.25], None]
    sent = messages.MultiInferenceRequest.FromString(model_servers.asked[-1].raw)
    assert [task.model_spec.version_label for task in sent.tasks] == ["canary"] * 2


def test_questions_about_the_model_go_to_control(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(
        arms=arms(control=0.5, treatment=0.5)
        | {"control": {"weight": 0.5, "target": {"model": "lr", "label": "stable"}}}
    )
    router.ask(path="/tensorflow.serving.PredictionService/GetModelMetadata")
    router.ask(path="/tensorflow.serving.ModelService/GetModelStatus")
    metadata, status = model_servers.asked
    assert (metadata.model, metadata.version) == ("lr", 1)
    assert status.model == "lr"
    assert not messages.Request.FromString(status.raw).model_spec.version_label
    assert router.exposures() == []


def test_arms_may_have_servers_of_their_own(
    routed: Routed, model_servers: FakeModelServer, loop_thread: LoopThread
) -> None:
    other = FakeModelServer()
    loop_thread.run(other.start())
    targets = {"control": {"model": "ctr"}, "treatment": {"model": "deep"}}
    router = routed(
        options={"model_servers": {"deep": other.grpc}},
        arms={name: {"weight": 0.5, "target": x} for name, x in targets.items()},
    )
    for unit in units_of(router).values():
        router.ask(unit)
    assert [asked.model for asked in model_servers.asked] == ["ctr"]
    assert [asked.model for asked in other.asked] == ["deep"]
    loop_thread.run(other.stop())
    router.ask(units_of(router)["treatment"])
    assert router.exposures()[-1]["failure"] == "UNAVAILABLE"


def test_a_shadow_gets_a_copy_and_control_answers(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(
        arms=_shadowed(),
        shadow={"arm": "treatment"},
        options={"shadow_wait_in_ms": 20_000.0},
    )
    model_servers.versions[2].scores = (0.5, 0.75)
    answer = messages.PredictAnswer.FromString(router.ask("u1"))
    assert answer.model_spec.version.value == 1
    (row,) = router.exposures()
    assert (row["variant"], row["version"], row["shadow_version"]) == ("control", 1, 2)
    assert row["shadow_difference"] == 0.5
    assert sorted(model_servers.asked_of("Predict")) == [1, 2]


@pytest.mark.parametrize("fails", [True, False])
def test_a_shadow_that_is_slow_or_fails_holds_no_answer_up(
    routed: Routed, model_servers: FakeModelServer, fails: bool
) -> None:
    router = routed(arms=_shadowed(), shadow={"arm": "treatment"})
    if fails:
        model_servers.versions[2].error = grpc.StatusCode.INTERNAL
    else:
        model_servers.versions[2].held = asyncio.Event()
    router.ask("u1")
    (row,) = router.exposures()
    assert row["version"] == 1
    assert row["shadow_version"] is None
    assert row["failure"] is None


def test_a_share_of_the_requests_is_shadowed(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(
        arms=_shadowed(),
        shadow={"arm": "treatment", "share": 0.3},
        options={"shadow_wait_in_ms": 20_000.0},
    )
    for number in range(100):
        router.ask("u1", metadata=[("x-request-id", f"r{number}")])
    copies = model_servers.asked_of("Predict").count(2)
    assert 15 <= copies <= 45
    assert sum(row["shadow_version"] == 2 for row in router.exposures()) == copies


def _shadowed() -> dict[str, object]:
    targets = {"control": (1.0, "stable"), "treatment": (0.0, "canary")}
    return {
        name: {"weight": weight, "target": {"model": "ctr", "label": label}}
        for name, (weight, label) in targets.items()
    }
