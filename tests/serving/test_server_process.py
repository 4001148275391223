"""A model server in a process of its own, and kept requests sent to it."""

import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from clickwright.schemas.errors import DataError, MachineError
from clickwright.schemas.serving_files import GOLDEN_PATH
from clickwright.serving.grpc_scorer import GrpcScorer
from clickwright.serving.rest_scorer import RestScorer
from clickwright.serving.scorer import Scorer
from clickwright.serving.server_process import (
    PROGRAM_VARIABLE,
    ServerProcess,
    server_command,
)
from clickwright.serving.skew import skew

_PATIENCE = 60.0


def program(folder: pathlib.Path, body: str) -> tuple[str, ...]:
    """A program in place of a model server; it leaves its process id in `pid`."""
    path = folder / "program.py"
    text = f"import os, pathlib\npathlib.Path({str(folder / 'pid')!r}).write_text("
    path.write_text(f"{text}str(os.getpid()))\n{textwrap.dedent(body)}")
    return (sys.executable, str(path))


def ended(pid: int) -> bool:
    until = time.monotonic() + _PATIENCE
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not psutil.pid_exists(pid)


def test_a_server_answers_golden_requests_over_grpc_and_rest(
    serving_root: pathlib.Path,
) -> None:
    golden = serving_root / "tiny" / "1" / GOLDEN_PATH

    with ServerProcess({"tiny": serving_root / "tiny"}) as server:
        with GrpcScorer(server.grpc, "tiny") as over_grpc:
            ways: dict[str, Scorer] = {
                "gRPC": over_grpc,
                "REST": RestScorer(server.rest, "tiny"),
            }
            report = skew(golden, ways)
            with GrpcScorer(server.grpc, "absent") as other:
                ways_to_nothing: dict[str, Scorer] = {
                    "gRPC": other,
                    "REST": RestScorer(server.rest, "absent"),
                }
                refused = skew(golden, ways_to_nothing)
        used = server.memory()

    assert report.failures(1e-6, ("serving_default", "predict_raw", "rank")) == ()
    assert len(report.skews) == 6
    assert "NOT_FOUND" in refused.skews[0].problem
    assert "HTTP 404" in refused.skews[1].problem
    assert used > 50e6


def test_a_model_that_cannot_be_loaded_is_said_with_the_servers_words(
    serving_root: pathlib.Path,
) -> None:
    (serving_root / "tiny" / "1" / "saved_model.pb").write_bytes(b"no graph")

    with pytest.raises(DataError, match=r"saved_model\.pb|SavedModel|parse"):
        ServerProcess({"tiny": serving_root / "tiny"}).__enter__()


def test_a_server_that_ends_at_once_leaves_its_last_words(
    tmp_path: pathlib.Path,
) -> None:
    command = program(tmp_path, "print('unknown flag'); raise SystemExit(3)")

    with pytest.raises(DataError, match="ended with code 3: unknown flag"):
        ServerProcess({"tiny": tmp_path}, command=command).__enter__()


def test_a_server_that_never_answers_is_given_up_and_ended(
    tmp_path: pathlib.Path,
) -> None:
    command = program(tmp_path, "import time; time.sleep(600)")
    server = ServerProcess({"tiny": tmp_path}, ready_seconds=3.0, command=command)

    with pytest.raises(DataError, match="cannot be asked after 3 s"):
        server.__enter__()

    assert ended(int((tmp_path / "pid").read_text()))


def test_a_server_ends_with_the_process_that_started_it_even_if_that_is_killed(
    tmp_path: pathlib.Path,
) -> None:
    command = program(tmp_path, "import time; time.sleep(600)")
    script = f"""
        import pathlib
        from clickwright.serving.server_process import ServerProcess
        ServerProcess({{"m": pathlib.Path("/")}}, command={command!r}).__enter__()
    """
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    until = time.monotonic() + _PATIENCE
    while not (tmp_path / "pid").exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)
    pid = int((tmp_path / "pid").read_text())

    owner.send_signal(signal.SIGKILL)
    owner.wait()

    assert ended(pid)


def test_the_environment_names_the_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv(PROGRAM_VARIABLE, str(tmp_path / "server"))

    assert server_command() == (str(tmp_path / "server"),)
    with pytest.raises(MachineError, match="There is no such program") as error:
        ServerProcess({"tiny": tmp_path}).__enter__()
    assert error.value.where == PROGRAM_VARIABLE


def test_without_another_server_ours_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROGRAM_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")

    assert server_command()[-1] == "serve"
    assert ServerProcess({}).program == "clickwright serve"
