"""A model server without models, and routers in front of it or of a real one."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_model_server import FakeModelServer, LoopThread
from running_router import RunningRouter
from server_process import RunningServer


@pytest.fixture(scope="session")
def loop_thread() -> Iterator[LoopThread]:
    loop = LoopThread()
    yield loop
    loop.close()


@pytest.fixture
def model_servers(loop_thread: LoopThread) -> Iterator[FakeModelServer]:
    server = FakeModelServer()
    loop_thread.run(server.start())
    yield server
    loop_thread.run(server.stop())


@pytest.fixture
def routed(
    loop_thread: LoopThread, model_servers: FakeModelServer, tmp_path: pathlib.Path
) -> Iterator[Callable[..., RunningRouter]]:
    """Starts routers, which the test's end stops."""
    started: list[RunningRouter] = []

    def start(**changes: Any) -> RunningRouter:
        router = RunningRouter(loop_thread, model_servers, tmp_path, **changes)
        started.append(router)
        return router

    yield start
    for router in started:
        router.stop()


@pytest.fixture
def router(
    model_server: RunningServer, loop_thread: LoopThread, tmp_path: pathlib.Path
) -> Iterator[RunningRouter]:
    """Two versions of `tiny`, the arms of an experiment."""
    place = FakeModelServer()
    place.grpc = model_server.grpc_address
    place.rest = model_server.rest_url.removeprefix("http://")
    targets = {"control": "stable", "treatment": "canary"}
    started = RunningRouter(
        loop_thread,
        place,
        tmp_path,
        model="tiny",
        arms={
            name: {"weight": 0.5, "target": {"model": "tiny", "label": label}}
            for name, label in targets.items()
        },
        unit_source={"input": "user_id"},
    )
    yield started
    started.stop()
