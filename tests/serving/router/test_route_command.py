"""`clickwright route`: its flags, and a router that is killed."""

import contextlib
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import duckdb
import grpc
import pytest
import typer.testing
import yaml
from ab_definition import definition_content
from fake_model_server import FakeModelServer, request_bytes
from running_router import FAR_AWAY, LONG_AGO, PREDICT
from server_process import free_ports

from clickwright.experiments.events.event_store import EventStore
from clickwright.pipeline import cli
from clickwright.schemas.errors import ConfigError
from clickwright.serving.router import run as program
from clickwright.serving.router.options import RouterOptions, router_options

REQUESTS = 300
GIVEN: dict[str, Any] = {
    "experiments": pathlib.Path("experiments"),
    "log": pathlib.Path("log"),
}


def started(monkeypatch: pytest.MonkeyPatch, *flags: str) -> RouterOptions:
    """The options with which the command starts its router."""
    given: list[RouterOptions] = []
    monkeypatch.setattr(program, "run", given.append)
    result = typer.testing.CliRunner().invoke(
        cli.app,
        ["route", "--experiments=experiments", "--log=log", *flags],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    return given[0]


def test_the_commands_defaults_are_those_of_the_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = started(monkeypatch)
    assert found == RouterOptions(**GIVEN)
    assert found.host == "127.0.0.1"


def test_flags_reach_the_router(monkeypatch: pytest.MonkeyPatch) -> None:
    found = started(
        monkeypatch,
        "--server=shop:9000",
        "--rest-server=shop:9001",
        "--model_server=deep=gpu:9000",
        "--model_server=wide=cpu:9000",
        "--on_log_failure=error",
        "--log_sync=always",
    )
    assert (found.server, found.rest_server) == ("shop:9000", "shop:9001")
    assert found.model_servers == {"deep": "gpu:9000", "wide": "cpu:9000"}
    assert found.on_log_failure == "error"
    assert found.log_options().sync == "always"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"server": "shop"}, "--server: "),
        ({"server": "http://shop:80"}, "must be `host:port`"),
        ({"model_server": ["deep"]}, "--model_server must be `model=host:port`"),
        ({"port": 0, "rest_api_port": 0}, "give --port or --rest_api_port"),
        ({"port": 8601}, "must differ"),
        ({"arm_timeout_share": 1.0}, "--arm_timeout_share: "),
    ],
)
def test_flags_that_break_a_rule_are_refused(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        router_options(GIVEN | flags)
    assert said in caught.value.what


@contextlib.contextmanager
def router_process(
    folder: pathlib.Path, server: FakeModelServer, port: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A router in a process of its own."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "clickwright.pipeline.cli", "route"),
            f"--experiments={folder / 'experiments'}",
            f"--log={folder / 'log'}",
            f"--server={server.grpc}",
            f"--port={port}",
            "--rest_api_port=0",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_killed_router_has_one_exposure_for_each_answer_that_it_gave(
    model_servers: FakeModelServer, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "experiments").mkdir()
    content = definition_content(start=LONG_AGO, end=FAR_AWAY)
    (tmp_path / "experiments" / "ab.yaml").write_text(yaml.safe_dump(content))
    (port,) = free_ports(1)
    answered: list[str] = []
    for ends_by in (signal.SIGKILL, signal.SIGTERM):
        with (
            router_process(tmp_path, model_servers, port) as process,
            grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            grpc.channel_ready_future(channel).result(60)
            predict = channel.unary_unary(PREDICT)
            calls = []
            for number in range(REQUESTS):
                ids = [("x-unit-id", f"u{number % 50}")]
                ids.append(("x-request-id", f"{ends_by.name}-{number}"))
                calls.append(predict.future(request_bytes(), 30, ids))
                if number == REQUESTS // 2:
                    calls[0].result()
                    process.send_signal(ends_by)
            for number, call in enumerate(calls):
                with contextlib.suppress(grpc.RpcError):
                    call.result()
                    answered.append(f"{ends_by.name}-{number}")
            process.wait(30)
    assert 0 < len(answered) <= 2 * REQUESTS
    with duckdb.connect() as connection:
        rows, repeated = EventStore(tmp_path / "log").relation_and_repeats(connection)
        logged = [row for (row,) in rows.project("request_id").fetchall()]
    assert repeated == 0
    assert set(answered) <= set(logged)
    assert len(set(logged)) == len(logged)
