"""CoLLM's MovieLens-1M: published rows become a click log and a list of films."""

import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from clickwright.schemas.collm_ml1m.source import CollmMl1mSource
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.file_source import RawFile
from clickwright.schemas.metadata import schema_text

Row = tuple[int, int, int, int, list[int]]
SPLITS: dict[str, list[Row]] = {
    "train": [(1, 3, 1, 10, [0]), (1, 5, 0, 11, [0, 3]), (2, 3, 1, 9, [0, 4, 5])],
    "valid": [(1, 4, 1, 20, [0, 3])],
    "test": [(2, 9, 0, 30, [0, 4, 5, 3]), (3, 3, 1, 31, [0])],
}


def write(path: pathlib.Path, rows: list[Row], **changed: Any) -> None:
    users, items, labels, times, histories = zip(*rows, strict=True)
    titles = [["" if i == 0 else f"Film {i}" for i in h] for h in histories]
    columns = {
        "uid": users,
        "iid": items,
        "label": labels,
        "timestamp": times,
        "his": histories,
        "his_title": titles,
        "title": [f"Film {i}" for i in items],
        "flag": [0.0] * len(rows),
        **changed,
    }
    kept = {name: values for name, values in columns.items() if values is not None}
    pq.write_table(pa.table(kept), path)


@pytest.fixture
def raw(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for split, rows in SPLITS.items():
        write(folder / f"{split}.parquet", rows)
    layout = tuple(
        RawFile(f"{split}.parquet", len(rows), None) for split, rows in SPLITS.items()
    )
    monkeypatch.setattr(CollmMl1mSource, "layouts", (layout,))
    return folder


def test_rows_become_clicks_with_histories_of_films_alone(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = CollmMl1mSource().prepare(raw, tmp_path / "out")

    assert prepared.rows == {"train": 3, "valid": 1, "test": 2}
    for split, rows in SPLITS.items():
        table = pq.read_table(prepared.directory / split)
        assert table.to_pylist() == [
            {
                "click": label,
                "timestamp": time,
                "user": user,
                "history": [i for i in history if i],
                "item": item,
            }
            for user, item, label, time, history in rows
        ]
        assert set(table.column_names) == set(CollmMl1mSource.spec().columns())


def test_films_of_ratings_and_histories_have_their_titles_once(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = CollmMl1mSource().prepare(raw, tmp_path / "out")

    # Film 9 is in the test split alone, film 4 in a history before it is rated.
    films = pq.read_table(prepared.directory / "items.parquet").to_pylist()
    assert films == [{"item": i, "title": f"Film {i}"} for i in (3, 4, 5, 9)]


def test_the_rows_of_a_parquet_file_are_counted_and_not_its_lines(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    write(raw / "valid.parquet", SPLITS["train"][:2])

    with pytest.raises(DataError) as caught:
        CollmMl1mSource().prepare(raw, tmp_path / "out")

    assert caught.value.what == "The file has 2 rows; expected: 1."
    assert caught.value.where == str(raw / "valid.parquet")


def test_what_is_no_parquet_is_refused(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (raw / "test.parquet").write_bytes(b"\x80\x04pickled\n")

    with pytest.raises(DataError, match="cannot be read as Parquet") as caught:
        CollmMl1mSource().prepare(raw, tmp_path / "out")

    assert caught.value.where == str(raw / "test.parquet")


@pytest.mark.parametrize(
    "changed", [{"his": None}, {"label": ["yes", "no", "yes"]}, {"uid": [0.5, 1.5, 2]}]
)
def test_other_columns_are_refused(
    raw: pathlib.Path, tmp_path: pathlib.Path, changed: dict[str, Any]
) -> None:
    write(raw / "train.parquet", SPLITS["train"], **changed)

    with pytest.raises(DataError, match="The columns are not uid, iid") as caught:
        CollmMl1mSource().prepare(raw, tmp_path / "out")

    assert caught.value.where == str(raw / "train.parquet")


def test_there_is_nothing_to_fetch_it_from_and_a_folder_will_do(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ConfigError, match="no public address"):
        CollmMl1mSource.fetch(tmp_path / "target")
    CollmMl1mSource.fetch(tmp_path / "target", str(raw))
    got = CollmMl1mSource().prepare(tmp_path / "target", tmp_path / "out")
    assert got.rows == {"train": 3, "valid": 1, "test": 2}


def test_the_schema_is_that_of_the_spec() -> None:
    schema = (CollmMl1mSource.folder() / "schema.pbtxt").read_text()
    assert schema == schema_text(CollmMl1mSource.spec())


def test_the_real_files_are_prepared_whole(
    shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    raw = shared_data / "collm_ml1m"
    if not raw.is_dir():
        pytest.skip(f"the files are not at {raw}")
    prepared = CollmMl1mSource().prepare(raw, tmp_path)

    assert prepared.rows == {"train": 33_891, "valid": 10_401, "test": 7_331}
    films = pq.read_table(prepared.directory / "items.parquet")
    assert films["item"].to_pylist() == sorted(set(films["item"].to_pylist()))
    assert {"item": 1, "title": "Shawshank Redemption, The (1994)"} in films.to_pylist()
    last = 0
    for split, share in (("train", 0.537), ("valid", 0.528), ("test", 0.545)):
        table = pq.read_table(prepared.directory / split)
        assert pc.mean(table["click"]).as_py() == pytest.approx(share, abs=5e-4)
        assert pc.min(table["timestamp"]).as_py() > last
        last = pc.max(table["timestamp"]).as_py()
        histories = pc.list_flatten(table["history"])
        assert pc.min(histories).as_py() > 0
        everyone = pa.concat_arrays([*histories.chunks, *table["item"].chunks])
        assert pc.all(pc.is_in(everyone, films["item"].combine_chunks())).as_py()
    train = pq.read_table(prepared.directory / "train")
    assert len(pc.unique(train["user"])) == 740
