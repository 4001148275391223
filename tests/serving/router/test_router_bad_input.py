"""Requests that break a rule: refused, and never in the log."""

import asyncio
import datetime
import logging
import pathlib
import socket
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from ab_definition import definition_content
from fake_model_server import FakeModelServer, LoopThread, request_bytes
from running_router import FAR_AWAY, LONG_AGO, RunningRouter

from clickwright.experiments.hashing import pseudonym
from clickwright.schemas.errors import ClickwrightError, ConfigError
from clickwright.serving.router.clock import Clock

Routed = Callable[..., RunningRouter]
INVALID = grpc.StatusCode.INVALID_ARGUMENT
FROM_INPUT = {"unit_source": {"input": "user_id"}}


def test_a_request_without_unit_gets_control_and_no_exposure(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed()
    router.ask(None)
    assert model_servers.asked_of("Predict") == [1]
    assert router.exposures() == []
    assert router.metrics()['unassigned_total{reason="no unit"}'] == 1


@pytest.mark.parametrize("source", [{}, FROM_INPUT])
def test_a_request_without_unit_is_refused_where_the_experiment_says_so(
    routed: Routed, model_servers: FakeModelServer, source: dict[str, Any]
) -> None:
    router = routed(missing_unit="error", **source)
    assert router.refused(None) == INVALID
    assert model_servers.asked == []


@pytest.mark.parametrize(
    ("values", "unit"), [(["ann", "ann"], "ann"), ([7, 7, 7], "7"), ([-1], "-1")]
)
def test_a_unit_may_stand_among_the_inputs(
    routed: Routed, values: list[Any], unit: str
) -> None:
    router = routed(**FROM_INPUT)
    router.ask(None, request_bytes(user_id=values, item=[1]))
    assert [row["unit"] for row in router.exposures()] == [unit]


@pytest.mark.parametrize(
    "values",
    [["ann", "bob"], [1, 2], ["ann\r\nx-variant: treatment"], ["\x00"], [" "], [""]],
)
def test_inputs_that_are_no_one_unit_are_refused(
    routed: Routed, model_servers: FakeModelServer, values: list[Any]
) -> None:
    router = routed(**FROM_INPUT)
    assert router.refused(None, request_bytes(user_id=values)) == INVALID
    assert model_servers.asked == []


@pytest.mark.parametrize(
    "metadata",
    [
        [("x-unit-id", "u" * 257)],
        [("x-unit-id", "ann"), ("x-unit-id", "bob")],
        [("x-request-id", "a b")],
        [("x-request-id", "r" * 129)],
        [("x-request-id", 'r"}')],
        [("x-attributes", "device")],
        [("x-attributes", "device=phone,device=tablet")],
        [("x-attributes", "Device=phone")],
        [("x-attributes", ",".join(f"a{n}=1" for n in range(17)))],
        [("x-attributes", f"device={'p' * 65}")],
    ],
)
def test_headers_that_break_a_rule_are_refused(
    routed: Routed,
    model_servers: FakeModelServer,
    metadata: list[tuple[str, str]],
) -> None:
    router = routed()
    named = {name for name, _ in metadata}
    unit = None if "x-unit-id" in named else "u1"
    assert router.refused(unit, metadata=metadata) == INVALID
    assert model_servers.asked == []


@pytest.mark.parametrize(
    "line",
    [
        b"X-Unit-Id: ann\r x-variant: treatment",
        b"X-Unit-Id: ann\x00bob",
        b"X-Unit-Id: ann\x7f",
        b"X-Unit-Id: \xff\xfe",
        b"X-Unit-Id: ann\r\nX-Unit-Id: bob",
    ],
)
def test_a_header_cannot_be_smuggled_in_with_a_unit(
    routed: Routed, model_servers: FakeModelServer, line: bytes
) -> None:
    router = routed()
    host, _, port = router.url.removeprefix("http://").partition(":")
    body = b'{"instances": [1]}'
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(
            b"POST /v1/models/ctr:predict HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.split()[1] == b"400"
    assert b"treatment" not in answer.partition(b"\r\n\r\n")[0]
    assert router.exposures() == []


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\xff", b"\x0a\x05ab"])
def test_bytes_that_are_no_request_are_refused(
    routed: Routed, model_servers: FakeModelServer, raw: bytes
) -> None:
    router = routed()
    assert router.refused("u1", raw) == INVALID
    assert model_servers.asked == []


def test_requests_that_are_too_large_are_refused(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(options={"max_message_bytes": 10_000})
    large = request_bytes(item=list(range(2_000)))
    assert router.refused("u1", large) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert router.post("u1", json={"instances": [0] * 10_000}).status_code == 413
    assert model_servers.asked == []


def test_more_requests_than_may_be_under_way_are_refused_at_once(
    routed: Routed, model_servers: FakeModelServer, loop_thread: LoopThread
) -> None:
    router = routed(options={"max_in_flight": 1})
    held = model_servers.versions[3].held = asyncio.Event()
    other = request_bytes(model="other")

    async def both() -> list[Any]:
        first = asyncio.create_task(asyncio.to_thread(router.ask, "u1", other))
        while not model_servers.asked:
            await asyncio.sleep(0.01)
        second = await asyncio.to_thread(router.refused, "u2", other)
        held.set()
        return [second, await first]

    code, answer = loop_thread.run(both())
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert answer


def test_a_request_that_goes_round_in_a_circle_ends(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(options={"max_hops": 2})
    router.ask("u1")
    assert model_servers.asked[0].metadata["x-router-hops"] == "1"
    passed = [("x-router-hops", "2")]
    code = router.refused("u1", metadata=passed)
    assert code == grpc.StatusCode.FAILED_PRECONDITION


def test_clients_cannot_change_what_is_served(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed()
    path = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
    assert router.refused("u1", b"", path=path) == grpc.StatusCode.UNIMPLEMENTED
    assert model_servers.asked == []


@pytest.mark.parametrize("policy", ["control", "error"])
def test_a_log_that_is_full_gives_control_or_an_error_and_counts_the_loss(
    routed: Routed, model_servers: FakeModelServer, policy: str
) -> None:
    router = routed(options={"log_max_bytes": 1, "on_log_failure": policy})
    units = [f"u{number}" for number in range(8)]
    for unit in units:
        if policy == "error":
            assert router.refused(unit) == grpc.StatusCode.UNAVAILABLE
        else:
            router.ask(unit)
            assert model_servers.asked[-1].version == 1
            assert "x-experiment" not in router.trailers
    assert 2 in model_servers.asked_of("Predict")
    assert router.exposures() == []
    assert router.lost() == {"crosses": len(units)}


def test_a_clock_that_is_set_back_makes_no_exposure_older_than_the_one_before() -> None:
    wall, steady, warned = [1000.0], [5.0], []
    clock = Clock(lambda: warned.append(1), lambda: wall[0], lambda: steady[0])
    times = []
    for later, seconds in ((0.0, 0.0), (1.0, 1.0), (-3600.0, 1.0), (1.0, 1.0)):
        wall[0] += later
        steady[0] += seconds
        times.append(clock.now())
    assert [time.timestamp() for time in times] == [1000.0, 1001.0, 1002.0, 1003.0]
    assert warned == [1]
    wall[0] = 2000.0  # it has caught up
    assert clock.now().timestamp() == 2000.0
    assert clock.now().tzinfo == datetime.UTC


def test_with_privacy_no_unit_is_in_the_log_nor_in_what_is_said(
    routed: Routed,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("SHOP_SECRET", "s3cret")
    with caplog.at_level(logging.DEBUG, "clickwright"):
        router = routed(privacy={"hash_units": True, "secret_env": "SHOP_SECRET"})
        router.ask("ann@example.org")
        router.refused("ann@example.org" * 20)
        (row,) = router.exposures()
        assert row["unit"] == pseudonym("ann@example.org", b"s3cret")
        router.stop()
    said = caplog.text.encode()
    kept = b"".join(x.read_bytes() for x in router.log.rglob("*") if x.is_file())
    for text in (b"ann@example.org", b"s3cret"):
        assert text not in said + kept


def test_privacy_without_its_secret_is_refused_at_the_start(
    routed: Routed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    with pytest.raises(ConfigError, match="SHOP_SECRET is not set"):
        routed(privacy={"hash_units": True, "secret_env": "SHOP_SECRET"})


def test_an_experiment_that_comes_without_its_secret_is_answered_by_control(
    routed: Routed, model_servers: FakeModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    router = routed(ramp=[{"at": LONG_AGO, "share": 0.0}])
    router.define(privacy={"hash_units": True, "secret_env": "SHOP_SECRET"})
    found = 'unassigned_total{reason="no secret"}'
    router.until(lambda: bool(router.ask("u1")) and found in router.metrics())
    assert set(model_servers.asked_of("Predict")) == {1}
    assert router.exposures() == []


def test_experiments_are_read_again_and_bad_ones_change_nothing(
    routed: Routed, model_servers: FakeModelServer
) -> None:
    router = routed(ramp=[{"at": LONG_AGO, "share": 0.0}])
    router.ask("u1")
    assert router.exposures() == []
    router.define(ramp=[{"at": LONG_AGO, "share": 1.0}])
    router.until(lambda: bool(router.ask("u1")) and bool(router.exposures()))
    (router.experiments / "crosses.yaml").write_text("id: [")
    router.until(lambda: router.metrics()["config_error"] == 1)
    count = len(router.exposures())
    router.ask("u1")
    assert len(router.exposures()) == count + 1
    router.define(ramp=[{"at": LONG_AGO, "share": 1.0}])
    router.until(lambda: router.metrics()["config_error"] == 0)


def test_weights_that_change_while_it_runs_are_refused(routed: Routed) -> None:
    router = routed()
    router.ask("u1")
    before = router.exposures()[0]["variant"]
    arms = definition_content()["arms"]
    swapped = dict(zip(arms, ({"weight": 0.1}, {"weight": 0.9}), strict=True))
    router.define(arms={name: arms[name] | swapped[name] for name in arms})
    router.until(lambda: router.metrics()["config_error"] == 1)
    router.ask("u1")
    assert {row["variant"] for row in router.exposures()} == {before}


def test_experiments_that_break_a_rule_are_refused_at_the_start(
    routed: Routed,
) -> None:
    with pytest.raises(ClickwrightError, match="must sum to 1"):
        routed(arms=definition_content()["arms"] | {"third": _third()})


def _third() -> dict[str, Any]:
    return {"weight": 0.5, "target": {"model": "ctr"}}


def test_a_second_router_cannot_write_the_same_log(
    routed: Routed, tmp_path: pathlib.Path
) -> None:
    routed(start=LONG_AGO, end=FAR_AWAY)
    with pytest.raises(ConfigError, match="Another process writes this log"):
        routed()
