"""`clickwright predict`: rows of a file in, scores out."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_model import FakeModel, serve
from tiny_shop import Command

ROWS: dict[str, list[Any]] = {
    "click": [0, 1],
    "user": [7, 8],
    "history": [["a", "b"], []],
    "ages": [[5, 6], []],
    "item": ["x", "y"],
    "price": [1.5, 2.5],
}
ITEMS = {"item": ["x", "y"], "price": [1.0, 2.0]}
USER = {"user": 7, "history": ["a"], "ages": [5]}


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def address(model: FakeModel) -> Iterator[str]:
    server, found = serve(model)
    yield found
    server.stop(None).wait()


@pytest.fixture
def rows(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(ROWS), path)
    return path


def test_scores_are_printed_one_object_a_row(
    rows: pathlib.Path, address: str, command: Command
) -> None:
    code, out, shown = command("predict", rows, "-m", "shop", "--server", address)

    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines == [{"probability": 0.25}, {"probability": 0.5}]
    assert "2 rows" in shown


def test_rows_and_scores_are_written_together(
    rows: pathlib.Path,
    address: str,
    model: FakeModel,
    command: Command,
    tmp_path: pathlib.Path,
) -> None:
    model.outputs = {"probability": [0.25]}
    target = tmp_path / "new" / "scores.parquet"

    code, out, _ = command(
        *("predict", rows, "-m", "shop", "--server", address),
        *("--batch-size", "1", "--out", target),
    )

    assert (code, out) == (0, "")
    want = {**ROWS, "probability": [0.25, 0.25]}
    assert pq.read_table(target).to_pydict() == want
    assert [p.name for p in target.parent.iterdir()] == [target.name]
    assert len(model.requests) == 2


def test_candidates_of_a_file_are_ranked_for_the_user_of_another(
    address: str, model: FakeModel, command: Command, tmp_path: pathlib.Path
) -> None:
    user, items = tmp_path / "user.jsonl", tmp_path / "items.jsonl"
    user.write_text(json.dumps(USER))
    items.write_text("\n".join(json.dumps(row) for row in pa.table(ITEMS).to_pylist()))

    code, out, _ = command(
        *("predict", items, "-m", "shop", "--server", address),
        *("--signature", "rank", "--user", user),
    )

    assert code == 0
    assert len(out.splitlines()) == 2
    assert model.inputs["item"].tolist() == [b"x", b"y"]
    assert model.inputs["user"].tolist() == [7]


def test_lists_of_items_are_printed_in_their_row(
    rows: pathlib.Path, address: str, model: FakeModel, command: Command
) -> None:
    model.outputs = {"items": [["x", "ü"]] * 2, "scores": [[2.0, 1.0]] * 2}

    _, out, _ = command(
        *("predict", rows, "-m", "shop", "--server", address, "--signature", "top_k")
    )

    assert json.loads(out.splitlines()[0]) == {"items": ["x", "ü"], "scores": [2, 1]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.parquet", "no parquet", "The rows cannot be read"),
        ("rows.jsonl", '{"user": 1', "The rows cannot be read"),
        ("rows.jsonl", "[1, 2]", "a line is not an object"),
        ("rows.jsonl", '{"user": 1}', "lack the column"),
        ("absent.jsonl", None, "The rows cannot be read"),
    ],
)
def test_rows_that_cannot_be_scored_are_an_error(
    name: str,
    content: str | None,
    message: str,
    address: str,
    command: Command,
    tmp_path: pathlib.Path,
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)

    code, out, shown = command(
        *("predict", tmp_path / name, "-m", "shop", "--server", address)
    )

    assert (code, out) == (1, "")
    assert message in shown


def test_nothing_is_written_when_the_server_fails(
    rows: pathlib.Path,
    address: str,
    model: FakeModel,
    command: Command,
    tmp_path: pathlib.Path,
) -> None:
    import grpc

    model.failures = [grpc.StatusCode.INTERNAL]
    target = tmp_path / "new" / "scores.parquet"

    code, _, shown = command(
        *("predict", rows, "-m", "shop", "--server", address, "--out", target)
    )

    assert code == 1
    assert "INTERNAL: as it was told" in shown
    assert list(target.parent.iterdir()) == []


def test_a_user_belongs_to_rank_alone(
    rows: pathlib.Path, address: str, command: Command
) -> None:
    code, _, shown = command(
        *("predict", rows, "-m", "shop", "--server", address, "--user", rows)
    )

    assert code == 1
    assert "--signature rank --user FILE" in shown
