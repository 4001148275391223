"""The client: columns in, scores out, and what happens when the server is not well."""

import asyncio
import concurrent.futures
import copy
import socket
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from fake_model import COLUMNS, FakeModel, serve, signature

from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.missing_values import MISSING_INT64
from clickwright.serving.client import AsyncClient, Client, RequestError

ROWS: dict[str, Any] = {
    "user": [7, None],
    "history": [["a", "b"], None],
    "ages": [[5, 6], []],
    "item": ["x", None],
    "price": [1.5, None],
}
WANT: dict[str, list[Any]] = {
    "user": [7, MISSING_INT64],
    "history": [[b"a", b"b"], [b"", b""]],
    "ages": [[5, 6], [MISSING_INT64, MISSING_INT64]],
    "item": [b"x", b""],
    "price": [1.5, float("nan")],
}


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def address(model: FakeModel) -> Iterator[str]:
    server, found = serve(model)
    yield found
    server.stop(None).wait()


Ask = Callable[..., Any]


@pytest.fixture(params=["blocking", "asyncio"])
def ask(request: pytest.FixtureRequest, address: str) -> Ask:
    """Calls one method of a client of either kind."""

    def blocking(method: str, *args: Any, options: Any = None, **kwargs: Any) -> Any:
        with Client(address, "shop", **(options or {})) as client:
            return getattr(client, method)(*args, **kwargs)

    def awaited(method: str, *args: Any, options: Any = None, **kwargs: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient(address, "shop", **(options or {})) as client:
                return await getattr(client, method)(*args, **kwargs)

        return asyncio.run(call())

    return blocking if request.param == "blocking" else awaited


def assert_sent(model: FakeModel, want: dict[str, list[Any]]) -> None:
    sent = model.inputs
    assert set(sent) == set(want)
    for name, values in want.items():
        assert sent[name].dtype == COLUMNS[name][0].as_numpy_dtype
        np.testing.assert_array_equal(sent[name], np.array(values, sent[name].dtype))


def test_rows_are_scored_by_the_signature_of_the_client(
    ask: Ask, model: FakeModel
) -> None:
    scores = ask("predict", ROWS)

    np.testing.assert_array_equal(scores, np.array([0.25, 0.5], np.float32))
    assert scores.dtype == np.float32
    assert_sent(model, WANT)
    spec = model.requests[0].model_spec
    assert (spec.name, spec.signature_name) == ("shop", "predict_raw")
    assert spec.WhichOneof("version_choice") is None


@pytest.mark.parametrize(
    "make",
    [
        pd.DataFrame,
        pa.table,
        lambda rows: pa.record_batch(pa.table(rows).to_batches()[0]),
        lambda rows: pa.concat_tables([pa.table(rows)[:1], pa.table(rows)[1:]]),
        lambda rows: pa.table(rows).set_column(
            3, "item", pa.array(rows["item"]).dictionary_encode()
        ),
        lambda rows: pa.table(rows).set_column(
            1,
            "history",
            pa.array(rows["history"], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        ),
        lambda rows: {**rows, "unread": [1, 2, 3]},
    ],
    ids=[
        "pandas",
        "table",
        "batch",
        "chunks",
        "dictionary",
        "lists of a dictionary",
        "more columns",
    ],
)
def test_rows_may_come_in_any_form(
    make: Callable[[Any], Any], address: str, model: FakeModel
) -> None:
    with Client(address, "shop") as client:
        client.predict(make(ROWS))

    assert_sent(model, WANT)


def test_arrays_go_as_they_are(address: str, model: FakeModel) -> None:
    rows = {
        "user": np.array([1, 2], np.int32),
        "history": np.array([["a", "b"], ["c", "d"]]),
        "ages": np.array([[1, 2], [3, 4]]),
        "item": np.array(["x", "y"]),
        "price": np.array([1, 2]),
    }
    with Client(address, "shop") as client:
        client.predict(rows)

    assert_sent(
        model,
        {
            "user": [1, 2],
            "history": [[b"a", b"b"], [b"c", b"d"]],
            "ages": [[1, 2], [3, 4]],
            "item": [b"x", b"y"],
            "price": [1.0, 2.0],
        },
    )


@pytest.mark.parametrize(
    "user",
    [
        {"user": 7, "history": ["a", "b"], "ages": [5]},
        {"user": [7], "history": [["a", "b"]], "ages": np.array([[5]])},
        pd.DataFrame({"user": [7], "history": [["a", "b"]], "ages": [[5]]}, index=[9]),
        pa.table({"user": [7], "history": [["a", "b"]], "ages": [[5]]}),
    ],
    ids=["values", "columns", "pandas", "arrow"],
)
def test_candidates_are_ranked_for_one_user(
    user: Any, ask: Ask, model: FakeModel
) -> None:
    ask("rank", user, {"item": ["x", "y", "z"], "price": [1.0, 2.0, 3.0]})

    assert model.requests[-1].model_spec.signature_name == "rank"
    assert_sent(
        model,
        {
            "user": [7],
            "history": [[b"a", b"b"]],
            "ages": [[5]],
            "item": [b"x", b"y", b"z"],
            "price": [1.0, 2.0, 3.0],
        },
    )


def test_a_user_may_have_no_history(address: str, model: FakeModel) -> None:
    with Client(address, "shop") as client:
        client.rank(
            {"user": np.array(7), "history": [], "ages": None},
            {"item": ["x"], "price": [1.0]},
        )

    assert model.inputs["history"].tolist() == [[b""]]
    assert model.inputs["ages"].tolist() == [[MISSING_INT64]]


def test_items_are_found_as_text(ask: Ask, model: FakeModel) -> None:
    model.outputs = {"items": [["x", "ü"]], "scores": [[2.0, 1.0]]}

    found = ask("top_k", {name: values[:1] for name, values in ROWS.items()})

    assert found["items"].tolist() == [["x", "ü"]]
    assert found["scores"].tolist() == [[2.0, 1.0]]
    assert model.requests[-1].model_spec.signature_name == "top_k"


def test_only_the_outputs_asked_for_come_back(ask: Ask, model: FakeModel) -> None:
    ask("predict", ROWS, outputs=["probability"])

    assert list(model.requests[-1].output_filter) == ["probability"]


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [({"version": 3}, "version", 3), ({"label": "stable"}, "version_label", "stable")],
)
def test_a_version_is_asked_for_by_number_or_label(
    options: dict[str, Any], field: str, value: Any, ask: Ask, model: FakeModel
) -> None:
    ask("predict", ROWS, options=options)

    spec = model.requests[-1].model_spec
    assert spec.WhichOneof("version_choice") == field
    assert getattr(getattr(spec, field), "value", getattr(spec, field)) == value


def test_version_and_label_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="version 3 and label `stable`"):
        Client("127.0.0.1:1", "shop", version=3, label="stable")


def test_states_and_signatures_are_told(ask: Ask) -> None:
    states = ask("status")

    assert [(s.version, s.state) for s in states] == [(1, 30), (2, 20)]
    assert set(ask("metadata")) == {"predict_raw", "rank", "top_k"}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("user", ["7", "8"], "column `user`: It must hold numbers that fit int64"),
        ("user", [1.5, 2.0], "column `user`: It must hold numbers that fit int64"),
        ("user", [2**63, 0], "column `user`"),
        ("item", [1, 2], "column `item`: It must hold texts"),
        ("ages", [1, 2], "column `ages`: It must hold lists of numbers"),
        ("history", ["a", "b"], "column `history`: It must hold lists of texts"),
        ("price", [[1.0], [2.0]], "column `price`"),
        ("user", [1, 2, 3], "as many rows.*'user': 3"),
    ],
)
def test_a_column_that_does_not_fit_is_refused_by_name(
    column: str, value: Any, message: str, address: str, model: FakeModel
) -> None:
    with (
        Client(address, "shop") as client,
        pytest.raises(DataError, match=message),
    ):
        client.predict({**ROWS, column: value})
    assert model.requests == []


def test_an_absent_column_is_named_with_what_it_may_be(ask: Ask) -> None:
    rows = {"users" if name == "user" else name: x for name, x in ROWS.items()}

    with pytest.raises(DataError, match="lack the column `user`.*mean `users`"):
        ask("predict", rows)


def test_a_column_is_looked_for_on_its_own_side(address: str) -> None:
    with (
        Client(address, "shop") as client,
        pytest.raises(DataError, match="candidates lack the column `price`"),
    ):
        client.rank({**ROWS, "price": 1.0}, {"item": ["x"]})


def test_two_users_cannot_be_ranked_for(address: str) -> None:
    with (
        Client(address, "shop") as client,
        pytest.raises(DataError, match="one row of the user"),
    ):
        client.rank(ROWS, {"item": ["x"], "price": [1.0]})


def test_no_table_is_refused(address: str) -> None:
    with (
        Client(address, "shop") as client,
        pytest.raises(DataError, match="Received: list"),
    ):
        client.predict([1, 2])


def test_an_unknown_signature_is_refused_with_those_there_are(ask: Ask) -> None:
    with pytest.raises(DataError, match="mean `predict_raw`.*'rank'"):
        ask("predict", ROWS, signature="predict_row")


def test_what_was_unavailable_is_tried_again(ask: Ask, model: FakeModel) -> None:
    model.failures = [grpc.StatusCode.UNAVAILABLE] * 2

    assert ask("predict", ROWS).shape == (2,)
    assert len(model.requests) == 3


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ],
)
def test_nothing_else_is_tried_again(
    code: grpc.StatusCode, ask: Ask, model: FakeModel
) -> None:
    model.failures = [code]

    with pytest.raises(RequestError, match=f"{code.name}: as it was told") as caught:
        ask("predict", ROWS)
    assert caught.value.code == code
    assert "model `shop`" in caught.value.where
    assert len(model.requests) == 1


def test_a_copied_error_keeps_its_code() -> None:
    error = RequestError("no", where="there", code=grpc.StatusCode.NOT_FOUND)

    again = copy.copy(error)  # as pickling does

    assert (str(again), again.code) == ("there: no", grpc.StatusCode.NOT_FOUND)


def test_a_server_that_starts_anew_is_waited_for(model: FakeModel) -> None:
    server, address = serve(model)
    with Client(address, "shop") as client:
        client.predict(ROWS)
        server.stop(None).wait()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.predict, ROWS)
            server, _ = serve(model, address)
            assert answer.result().shape == (2,)
    server.stop(None).wait()


def test_no_server_is_an_error_that_names_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with (
            Client(address, "shop") as client,
            pytest.raises(RequestError, match=address) as caught,
        ):
            client.predict(ROWS)
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert "start the server" in caught.value.fix


def test_a_request_ends_at_its_deadline(ask: Ask, model: FakeModel) -> None:
    model.may_answer.clear()
    with pytest.raises(RequestError) as caught:
        ask("predict", ROWS, options={"timeout": 1.0})
    model.may_answer.set()
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


def test_answers_may_be_larger_than_the_limit_of_grpc(
    ask: Ask, model: FakeModel
) -> None:
    model.outputs = {"probability": np.zeros(5 << 20, np.int8)}

    assert ask("predict", ROWS).size == 5 << 20
    with pytest.raises(RequestError) as caught:
        ask("predict", ROWS, options={"max_message_bytes": 1 << 20})
    assert caught.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_signatures_are_asked_for_once_and_again_after_a_refusal(
    address: str, model: FakeModel
) -> None:
    with Client(address, "shop") as client:
        client.predict(ROWS)
        client.predict(ROWS)
        assert model.asked_for_signatures == 1
        model.failures = [grpc.StatusCode.INVALID_ARGUMENT]
        with pytest.raises(RequestError):
            client.predict(ROWS)
        client.predict(ROWS)
    assert model.asked_for_signatures == 2


def test_examples_go_as_bytes() -> None:
    from clickwright.serving.client.columns import dense

    info = signature().inputs["item"]
    example = tf.train.Example().SerializeToString() + b"\xff"

    assert dense("examples", [example], info).tolist() == [example]
