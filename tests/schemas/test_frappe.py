"""Frappe_x1: the published files, checked and typed."""

import hashlib
import pathlib

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from clickwright.schemas.errors import DataError
from clickwright.schemas.file_source import RawFile
from clickwright.schemas.frappe.source import FrappeSource

COLUMNS = "label,user,item,daytime,weekday,isweekend,homework,cost,weather,country,city"
NAMES = ("train.csv", "valid.csv", "test.csv")


def toy_file(name: str, rows: int) -> tuple[RawFile, bytes]:
    lines = [",".join(str(r * 11 + c) for c in range(11)) for r in range(rows)]
    content = "\n".join([COLUMNS, *lines, ""]).encode()
    return RawFile(name, rows, hashlib.md5(content).hexdigest()), content


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """Raw files of 5, 3 and 2 rows, and the checksums that belong to them."""
    folder = tmp_path / "raw" / "frappe_x1"
    folder.mkdir(parents=True)
    layout = []
    for name, count in zip(NAMES, (5, 3, 2), strict=True):
        file, content = toy_file(name, count)
        (folder / name).write_bytes(content)
        layout.append(file)
    redrawn, _ = toy_file("train_redrawn_negatives.csv", 4)
    monkeypatch.setattr(
        FrappeSource, "layouts", (tuple(layout), (redrawn, *layout[1:]))
    )
    return tmp_path / "raw"


def test_every_split_becomes_parquet_in_the_columns_of_the_spec(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = FrappeSource().prepare(raw, tmp_path / "out")

    assert prepared.rows == {"train": 5, "valid": 3, "test": 2}
    assert prepared.details == {"train_file": "train.csv"}
    spec = FrappeSource.spec()
    for split, count in prepared.rows.items():
        table = pq.read_table(prepared.directory / split)
        assert table.column_names == list(spec.columns())
        assert set(table.schema.types) == {pa.int64()}
        assert table.to_pydict() == {
            name: [row * 11 + c for row in range(count)]
            for c, name in enumerate(COLUMNS.split(","))
        }


def test_the_files_may_lie_in_the_folder_itself(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    nested = FrappeSource().prepare(raw, tmp_path / "out")
    direct = FrappeSource().prepare(raw / "frappe_x1", tmp_path / "out")

    assert direct == nested


def test_the_redrawn_training_file_stands_in_for_the_published_one(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    _, content = toy_file("train_redrawn_negatives.csv", 4)
    published = FrappeSource().prepare(raw, tmp_path / "out")
    (raw / "frappe_x1" / "train_redrawn_negatives.csv").write_bytes(content)
    assert FrappeSource().prepare(raw, tmp_path / "out") == published

    (raw / "frappe_x1" / "train.csv").unlink()
    redrawn = FrappeSource().prepare(raw, tmp_path / "out")

    assert redrawn.rows == {"train": 4, "valid": 3, "test": 2}
    assert redrawn.details == {"train_file": "train_redrawn_negatives.csv"}
    assert redrawn.fingerprint != published.fingerprint


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_file_is_named_with_the_ways_to_get_it(
    raw: pathlib.Path, tmp_path: pathlib.Path, name: str
) -> None:
    (raw / "frappe_x1" / name).unlink()

    with pytest.raises(DataError) as caught:
        FrappeSource().prepare(raw, tmp_path / "out")

    assert caught.value.where == str(raw / "frappe_x1" / name)
    assert "`--data`" in caught.value.fix
    assert "`clickwright data get frappe`" in caught.value.fix
    assert not (tmp_path / "out").exists()


def test_a_folder_of_other_things_is_refused(tmp_path: pathlib.Path) -> None:
    for folder in (None, tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="`clickwright data get frappe`"):
            FrappeSource().prepare(folder, tmp_path / "out")


def test_one_changed_byte_is_refused(raw: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = raw / "frappe_x1" / "valid.csv"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"11", b"12", 1))
    received = hashlib.md5(path.read_bytes()).hexdigest()

    with pytest.raises(DataError) as caught:
        FrappeSource().prepare(raw, tmp_path / "out")

    assert caught.value.where == str(path)
    assert received in caught.value.what
    assert hashlib.md5(content).hexdigest() in caught.value.what


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"", 0),
        (COLUMNS.encode(), 0),
        (COLUMNS.encode() + b"\n1,2", 1),
        (COLUMNS.encode() + b"\n" + b"1\n" * 3, 3),
    ],
)
def test_a_file_of_another_length_is_refused(
    raw: pathlib.Path, tmp_path: pathlib.Path, content: bytes, rows: int
) -> None:
    path = raw / "frappe_x1" / "test.csv"
    path.write_bytes(content)

    with pytest.raises(DataError) as caught:
        FrappeSource().prepare(raw, tmp_path / "out")

    assert caught.value.where == str(path)
    assert caught.value.what == f"The file has {rows} rows; expected: 2."


def test_the_real_files_are_prepared_whole(
    shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = FrappeSource().prepare(shared_data / "frappe", tmp_path)

    assert prepared.rows == {"train": 202_027, "valid": 57_722, "test": 28_860}
    ids = set()
    for split in prepared.splits:
        table = pq.read_table(prepared.directory / split)
        assert set(pc.unique(table["label"]).to_pylist()) == {0, 1}
        for name in table.column_names[1:]:
            ids |= set(pc.unique(table[name]).to_pylist())
    assert len(ids) == 5_382
    train = pq.read_table(prepared.directory / "train")
    assert pc.sum(train["label"]).as_py() == 67_604
