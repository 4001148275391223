"""The client and a model server understand each other."""

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest
from server_process import RunningServer
from tiny_served_model import K, answers, examples, ranking, rows

from clickwright.serving.client import AsyncClient, Client, RequestError

ROWS = rows(4)
TABLE = pd.DataFrame(
    {
        name: [x.decode() if isinstance(x, bytes) else x for x in values.tolist()]
        for name, values in ROWS.items()
    }
)


@pytest.fixture
def client(model_server: RunningServer) -> Iterator[Client]:
    with Client(model_server.grpc_address, "tiny", timeout=60) as made:
        yield made


def test_a_data_frame_gets_the_scores_of_the_latest_version(client: Client) -> None:
    np.testing.assert_allclose(client.predict(TABLE), answers(ROWS, 3), atol=1e-6)


def test_examples_get_the_same_scores(client: Client) -> None:
    scores = client.predict({"examples": examples(ROWS)}, signature="serving_default")

    np.testing.assert_allclose(scores, answers(ROWS, 3), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "version"), [({"label": "stable"}, 1), ({"version": 2}, 2)]
)
def test_labels_and_numbers_name_their_version(
    options: dict[str, Any], version: int, model_server: RunningServer
) -> None:
    address = model_server.grpc_address
    with Client(address, "tiny", timeout=60, **options) as client:
        scores = client.predict(TABLE)

    np.testing.assert_allclose(scores, answers(ROWS, version), atol=1e-6)


def test_candidates_are_ranked(client: Client) -> None:
    columns = ranking(7)
    user = {"user_id": "user 3", "history": columns["history"][0]}
    columns["user_id"] = np.array([b"user 3"], object)

    scores = client.rank(user, columns)

    np.testing.assert_allclose(scores, answers(columns, 3), atol=1e-6)


def test_several_outputs_come_by_name(client: Client) -> None:
    found = client.top_k(TABLE)

    assert isinstance(found, dict)
    assert set(found) == {"item_id", "score"}
    assert found["item_id"].shape == (4, K)
    assert isinstance(found["item_id"][0, 0], str)


def test_many_may_ask_at_the_same_time(model_server: RunningServer) -> None:
    async def ask() -> list[Any]:
        address = model_server.grpc_address
        async with AsyncClient(address, "tiny", timeout=60) as client:
            return await asyncio.gather(*(client.predict(TABLE) for _ in range(32)))

    for scores in asyncio.run(ask()):
        np.testing.assert_allclose(scores, answers(ROWS, 3), atol=1e-6)


def test_the_states_of_all_versions_are_told(client: Client) -> None:
    assert [state.version for state in client.status()] == [1, 2, 3]


def test_what_the_model_refuses_is_the_callers_error(client: Client) -> None:
    with pytest.raises(RequestError, match="the model refuses the row") as caught:
        client.predict(TABLE, signature="fails")
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT


def test_a_model_that_is_not_served_is_not_found(model_server: RunningServer) -> None:
    with (
        Client(model_server.grpc_address, "other", timeout=60) as client,
        pytest.raises(RequestError) as caught,
    ):
        client.predict(TABLE)
    assert caught.value.code == grpc.StatusCode.NOT_FOUND
