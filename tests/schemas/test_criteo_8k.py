"""Criteo_8k: tab separated files of users' own, checked and typed."""

import hashlib
import pathlib

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from clickwright.schemas.criteo_8k.source import Criteo8kSource
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.file_source import RawFile

COUNTS = [f"I{n}" for n in range(1, 14)]
HASHES = [f"C{n}" for n in range(1, 27)]
NAMES = ("train.csv", "dev.csv", "test.csv")


def toy_rows(rows: int) -> list[dict[str, int | str | None]]:
    """Rows with a quote in a hash, numbers below zero, and values that are absent."""
    return [
        {
            "label": row % 2,
            **{n: None if (row + c) % 5 == 0 else c - 2 for c, n in enumerate(COUNTS)},
            **{
                n: None if (row + c) % 7 == 0 else f'"{row:04x}{c:02x}'
                for c, n in enumerate(HASHES)
            },
        }
        for row in range(rows)
    ]


def toy_file(name: str, rows: int) -> tuple[RawFile, bytes]:
    lines = (
        "\t".join("" if value is None else str(value) for value in row.values())
        for row in toy_rows(rows)
    )
    content = "".join(f"{line}\n" for line in lines).encode()
    return RawFile(name, rows, hashlib.md5(content).hexdigest(), False), content


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """Raw files of 9, 3 and 2 rows, and the checksums that belong to them."""
    folder = tmp_path / "raw" / "criteo_8k"
    folder.mkdir(parents=True)
    layout = []
    for name, count in zip(NAMES, (9, 3, 2), strict=True):
        file, content = toy_file(name, count)
        (folder / name).write_bytes(content)
        layout.append(file)
    monkeypatch.setattr(Criteo8kSource, "layouts", (tuple(layout),))
    return tmp_path / "raw"


def test_every_split_becomes_parquet_in_the_columns_of_the_spec(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = Criteo8kSource().prepare(raw, tmp_path / "out")

    assert prepared.rows == {"train": 9, "valid": 3, "test": 2}
    for split, count in prepared.rows.items():
        table = pq.read_table(prepared.directory / split)
        assert table.column_names == ["label", *COUNTS, *HASHES]
        assert table.column_names == list(Criteo8kSource.spec().columns())
        assert table.schema.types == [pa.int64()] * 14 + [pa.string()] * 26
        assert table.to_pylist() == toy_rows(count)


def test_there_is_no_address_and_the_command_says_what_to_give(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ConfigError, match="no public address") as caught:
        Criteo8kSource.fetch(tmp_path / "target")

    assert "train.csv, dev.csv, test.csv" in caught.value.fix
    assert "`clickwright data get criteo_8k --mirror FOLDER`" in caught.value.fix
    assert not (tmp_path / "target").exists()


def test_the_files_come_from_a_folder(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for number, mirror in enumerate((raw, raw / "criteo_8k")):
        target = tmp_path / f"target-{number}"
        Criteo8kSource.fetch(target, str(mirror))
        Criteo8kSource.fetch(target)  # whole already: nothing is asked for

        found = {p.name for p in (target / "criteo_8k").iterdir()}
        assert found == set(NAMES)
        assert Criteo8kSource().fingerprint(target) == Criteo8kSource().fingerprint(raw)


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_file_is_named_with_the_ways_to_get_it(
    raw: pathlib.Path, tmp_path: pathlib.Path, name: str
) -> None:
    (raw / "criteo_8k" / name).unlink()

    with pytest.raises(DataError) as caught:
        Criteo8kSource().prepare(raw, tmp_path / "out")

    assert caught.value.where == str(raw / "criteo_8k" / name)
    assert "`--data`" in caught.value.fix
    assert "--mirror FOLDER" in caught.value.fix


@pytest.mark.parametrize("name", NAMES)
def test_one_changed_byte_is_refused(
    raw: pathlib.Path, tmp_path: pathlib.Path, name: str
) -> None:
    path = raw / "criteo_8k" / name
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))

    with pytest.raises(DataError, match="checksum is wrong") as caught:
        Criteo8kSource().prepare(raw, tmp_path / "out")

    assert caught.value.where == str(path)


def test_the_real_files_have_a_fifth_of_their_counts_missing(
    shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = shared_data / "criteo_8k"
    if not folder.is_dir():
        pytest.skip(f"the files of Criteo_8k are not at {folder}")
    prepared = Criteo8kSource().prepare(folder, tmp_path)

    assert prepared.rows == {"train": 7_200, "valid": 409, "test": 391}
    tables = {s: pq.read_table(prepared.directory / s) for s in prepared.splits}
    clicks = {s: pc.sum(table["label"]).as_py() for s, table in tables.items()}
    assert clicks == {"train": 1_549, "valid": 93, "test": 86}
    train = tables["train"]
    missing = sum(train[name].null_count for name in COUNTS) / (13 * train.num_rows)
    assert missing == pytest.approx(0.21, abs=0.005)
    assert train["I2"].null_count == 0
    assert pc.min(train["I2"]).as_py() == -2
    hashes = pa.concat_arrays([c for n in HASHES for c in train[n].chunks])
    assert set(pc.utf8_length(hashes.drop_null()).to_pylist()) == {8}
