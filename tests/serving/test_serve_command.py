"""`clickwright serve`: TF Serving's flags, and what is refused before a model loads."""

import pathlib
import socket
from typing import Any

import pytest
import typer.testing

from clickwright.pipeline import cli
from clickwright.schemas.errors import ClickwrightError, ConfigError, MachineError
from clickwright.serving.server import run as program
from clickwright.serving.server.monitoring_config import prometheus_path
from clickwright.serving.server.options import ServerOptions, server_options

ROOT = pathlib.Path("/models/shop")


def started(monkeypatch: pytest.MonkeyPatch, *flags: str) -> ServerOptions:
    """The options with which the command starts its server."""
    given: list[ServerOptions] = []
    monkeypatch.setattr(program, "run", given.append)
    result = typer.testing.CliRunner().invoke(
        cli.app, ["serve", *flags], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return given[0]


def test_the_defaults_are_the_options_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = started(monkeypatch, f"--model_base_path={ROOT}")
    assert found == ServerOptions(model_base_path=ROOT)
    assert found.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("flag", "batches"),
    [
        ("--enable_batching", True),
        ("--enable_batching=true", True),
        ("--enable_batching=1", True),
        ("--enable_batching=false", False),
        ("--noenable_batching", False),
    ],
)
def test_a_switch_may_take_a_value(
    monkeypatch: pytest.MonkeyPatch, flag: str, batches: bool
) -> None:
    found = started(monkeypatch, f"--model_base_path={ROOT}", flag)
    assert found.enable_batching is batches


def test_flags_of_tf_serving_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    found = started(
        monkeypatch,
        "--port=1",
        "--rest_api_port",
        "2",
        "--model_config_file=models.config",
        "--model_config_file_poll_wait_seconds=1",
        "--enable_model_warmup=false",
        "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.lb_policy_name=x",
    )
    assert (found.port, found.rest_api_port) == (1, 2)
    assert found.model_config_file == pathlib.Path("models.config")
    assert found.model_config_file_poll_wait_seconds == 1
    assert not found.enable_model_warmup
    assert found.channel_arguments() == [
        ("grpc.max_connection_age_ms", 2000),
        ("grpc.lb_policy_name", "x"),
    ]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({}, "give --model_config_file, or --model_base_path"),
        ({"model_base_path": ROOT, "port": 0}, "give --port or --grpc_socket_path"),
        ({"model_base_path": ROOT, "port": 8501}, "must differ"),
        (
            {"model_base_path": ROOT, "batching_parameters_file": ROOT},
            "--batching_parameters_file needs --enable_batching",
        ),
        ({"model_base_path": ROOT, "max_candidates": 0}, "--max_candidates: "),
    ],
)
def test_flags_that_do_not_go_together_are_refused(flags: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        server_options(flags)
    assert said in caught.value.what


@pytest.mark.parametrize("flag", ["port", "rest_api_port"])
def test_a_port_that_is_taken_is_named_at_once(flag: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ports = {"port": 0, "rest_api_port": 0, "grpc_socket_path": "/x", flag: port}
        with pytest.raises(MachineError) as caught:
            program.run(ServerOptions(model_base_path=ROOT, **ports))
    assert f"127.0.0.1:{port} is taken" in caught.value.what
    assert caught.value.where == f"--{flag}"


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(MachineError, match="192.0.2.1:8500"):
        program.run(ServerOptions(model_base_path=ROOT, host="192.0.2.1"))


def test_a_config_file_that_cannot_be_read_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ClickwrightError, match="models.config"):
        program.run(ServerOptions(model_config_file=tmp_path / "models.config"))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ('prometheus_config { enable: true path: "/m" }', "/m"),
        ('prometheus_config { path: "/m" }', ""),
    ],
)
def test_the_monitoring_config_says_where_the_metrics_are(
    tmp_path: pathlib.Path, text: str, path: str
) -> None:
    (tmp_path / "monitoring.config").write_text(text)
    assert prometheus_path(tmp_path / "monitoring.config") == path


@pytest.mark.parametrize("text", ["nonsense", 'prometheus_config { path: "m" }'])
def test_a_monitoring_config_that_cannot_be_used_is_refused(
    tmp_path: pathlib.Path, text: str
) -> None:
    (tmp_path / "monitoring.config").write_text(text)
    with pytest.raises(ConfigError, match="prometheus_config"):
        prometheus_path(tmp_path / "monitoring.config")
