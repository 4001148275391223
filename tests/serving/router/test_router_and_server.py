"""A router in front of a model server with models."""

import pathlib
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import tiny_served_model
from fake_model_server import FakeModelServer, LoopThread
from running_router import RunningRouter
from server_process import RunningServer

from clickwright.serving.client import Client


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


def test_clients_change_the_address_alone(
    router: RunningRouter, model_server: RunningServer
) -> None:
    rows = tiny_served_model.ranking(5)
    for number in range(6):
        rows["user_id"] = np.array([f"user {number}".encode()], object)
        user = {name: rows[name][0] for name in tiny_served_model.USER_COLUMNS}
        items = {name: rows[name] for name in tiny_served_model.ITEM_COLUMNS}
        with Client(router.grpc, "tiny") as client:
            scores = client.rank(user, items)
        answer = httpx.post(
            f"{router.url}/v1/models/tiny:predict",
            json={
                "signature_name": "rank",
                "inputs": {
                    name: [x.decode() for x in values]
                    if name == "user_id"
                    else values.tolist()
                    for name, values in rows.items()
                },
            },
            timeout=30,
            trust_env=False,
        )
        over_grpc, over_http = router.exposures()[-2:]
        want = tiny_served_model.answers(rows, over_grpc["version"])
        np.testing.assert_allclose(scores, want, atol=1e-5)
        np.testing.assert_allclose(over_grpc["scores"], scores)
        np.testing.assert_allclose(answer.json()["outputs"], scores, atol=1e-5)
        assert over_http["variant"] == over_grpc["variant"]
        assert over_http["version"] == over_grpc["version"]
        assert over_http["unit"] == f"user {number}"
    assert {row["version"] for row in router.exposures()} == {1, 2}
