"""Beauty and toys: sequences, of which the last two items are held back."""

import hashlib
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clickwright.schemas.beauty.source import BeautySource
from clickwright.schemas.errors import DataError
from clickwright.schemas.file_source import RawFile
from clickwright.schemas.leave_one_out_source import LeaveOneOutSource, leave_one_out
from clickwright.schemas.metadata import schema_text
from clickwright.schemas.toys.source import ToysSource

SEQUENCES = {1: [1, 2, 3, 4, 5], 2: [5, 9, 2, 7, 1, 6, 3], 7: [8, 4, 2, 6]}
ATTRIBUTES = {"10": [3], "2": [1, 2], "1": [2]}


def lay(
    raw: pathlib.Path, source: type[LeaveOneOutSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.mkdir(parents=True)
    lines = [" ".join(map(str, [u, *items])) for u, items in SEQUENCES.items()]
    contents = {
        source.sequences.name: "\n".join([*lines, ""]).encode(),
        source.attributes.name: json.dumps(ATTRIBUTES).encode(),
    }
    files = []
    for (name, content), rows in zip(contents.items(), (3, 1), strict=True):
        (raw / name).write_bytes(content)
        files.append(RawFile(name, rows, hashlib.md5(content).hexdigest(), False))
    monkeypatch.setattr(source, "layouts", (tuple(files),))


@pytest.mark.parametrize("source", [BeautySource, ToysSource])
def test_the_last_two_items_of_each_user_are_held_back(
    source: type[LeaveOneOutSource],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lay(tmp_path / "raw", source, monkeypatch)

    prepared = source().prepare(tmp_path / "raw", tmp_path / "out")

    assert prepared.rows == {"train": 3, "valid": 3, "test": 3}
    for n, split in enumerate(("test", "valid", "train"), start=1):
        table = pq.read_table(prepared.directory / split)
        assert set(table.column_names) == set(source.spec().columns())
        assert table.schema.field("history").type == pa.list_(pa.int64())
        assert table.to_pylist() == [
            {
                "next": 1,
                "user": user,
                "history": [item - 1 for item in items[:-n]],
                "item": items[-n] - 1,
            }
            for user, items in SEQUENCES.items()
        ]
    items = pq.read_table(prepared.directory / "items.parquet")
    assert items.to_pylist() == [
        {"item": int(item) - 1, "attribute": ATTRIBUTES[item]}
        for item in ("1", "2", "10")
    ]


@pytest.mark.parametrize("source", [BeautySource, ToysSource])
def test_the_schema_is_that_of_the_spec(source: type[LeaveOneOutSource]) -> None:
    schema = (source.folder() / "schema.pbtxt").read_text()
    assert schema == schema_text(source.spec())
    assert source.spec().features["item"].vocabulary.size > 11_000  # type: ignore


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 1 2 x 4 5\n", "no number"),
        ("1 1  2 3 4\n", "one space each"),
        ("1 0 2 3 4\n", "start at 1. Received: 0"),
        ("1 1 2 3 4\n2 1 2 3\n", "must have 4 items. Received: 3"),
    ],
)
def test_lines_that_are_no_sequences_are_refused(
    text: str, said: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "sequences.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as error:
        leave_one_out(path)
    assert error.value.where == str(path)


def test_files_are_fetched_one_by_one_where_there_is_no_archive(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path / "public", BeautySource, monkeypatch)
    asked: list[str] = []

    def download(url: str, path: pathlib.Path, md5: str | None) -> None:
        asked.append(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((tmp_path / "public" / url.rpartition("/")[2]).read_bytes())

    monkeypatch.setattr("clickwright.schemas.file_source.download", download)

    BeautySource.fetch(tmp_path / "raw")

    assert [url.rpartition("/")[2] for url in asked] == [
        "Beauty.txt",
        "Beauty_item2attributes.json",
    ]
    assert all(url.startswith("https://raw.githubusercontent.com/") for url in asked)
    assert BeautySource().raw_fingerprint(tmp_path / "raw")
