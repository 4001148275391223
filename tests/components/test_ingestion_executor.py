import logging
import pathlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from ingestion_log import (
    IN_PROCESS,
    TWO_PROCESSES,
    expected,
    ingest,
    log,
    rows_of,
    shards,
    spec,
    write,
)
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from clickwright.components.ingestion import parquet_log
from clickwright.schemas.spec import SPLITS

ROWS = {"train": 1000, "valid": 150, "test": 250}


@pytest.fixture
def tables() -> dict[str, pa.Table]:
    return {split: log(rows, seed=rows) for split, rows in ROWS.items()}


@pytest.mark.parametrize(
    ("file_format", "suffix"),
    [
        ("parquet", ".parquet"),
        ("csv", ".csv"),
        ("csv", ".csv.gz"),
        ("tfrecord", ".tfrecord"),
        ("tfrecord", ".tfrecord.gz"),
    ],
)
def test_every_format_gives_the_rows_of_the_table(
    tmp_path: pathlib.Path,
    tables: dict[str, pa.Table],
    file_format: str,
    suffix: str,
) -> None:
    for split, table in tables.items():
        if file_format == "csv":  # has no way to tell an empty list from none
            table = _empty_for_null(table)
        tables[split] = table
        half = table.num_rows // 2
        write(table.slice(0, half), tmp_path / "log" / split / f"part-0{suffix}")
        write(table.slice(half), tmp_path / "log" / split / f"part-1{suffix}")
        (tmp_path / "log" / split / "_SUCCESS").touch()

    artifact = ingest(tmp_path / "log", tmp_path / "out", spec(), file_format)

    for split, table in tables.items():
        assert rows_of(artifact, split, spec()) == expected(table, spec())


def test_the_artifact_says_what_it_holds(
    tmp_path: pathlib.Path, tables: dict[str, pa.Table]
) -> None:
    for split, table in tables.items():
        write(table, tmp_path / "log" / split / "part-0.parquet")

    artifact = ingest(tmp_path / "log", tmp_path / "out", spec())

    assert artifact_utils.decode_split_names(artifact.split_names) == list(SPLITS)
    for split, rows in ROWS.items():
        assert artifact.get_int_custom_property(f"rows_{split}") == rows
    payload = examples_utils.get_payload_format(artifact)
    assert payload == example_gen_pb2.FORMAT_TF_EXAMPLE
    assert examples_utils.get_file_format(artifact) == "tfrecords_gzip"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "Split-test",
        "Split-train",
        "Split-valid",
    ]


def test_a_null_is_an_absent_feature_to_tensorflow(tmp_path: pathlib.Path) -> None:
    table = pa.table(
        {
            "click": [0, 1],
            "order": pa.array([None, 1]),
            "user": [7, 8],
            "item": ["a", None],
            "price": pa.array([None, 2.5], pa.float32()),
            "tags": [["x"], []],
            "history": pa.array([None, [1]], pa.list_(pa.int64())),
            "history_item": pa.array([None, ["b"]], pa.list_(pa.string())),
            "time": [1, 2],
        }
    )
    for split in SPLITS:
        write(table, tmp_path / "log" / split / "part-0.parquet")

    artifact = ingest(tmp_path / "log", tmp_path / "out", spec())

    dataset = tf.data.TFRecordDataset(
        [str(p) for p in shards(artifact, "train")], "GZIP"
    )
    parsed = tf.io.parse_example(
        next(iter(dataset.batch(2))),
        {
            "order": tf.io.FixedLenFeature([], tf.int64, default_value=-1),
            "item": tf.io.FixedLenFeature([], tf.string, default_value="?"),
            "price": tf.io.FixedLenFeature([], tf.float32, default_value=-1.0),
            "history": tf.io.RaggedFeature(tf.int64),
        },
    )
    assert parsed["order"].numpy().tolist() == [-1, 1]
    assert parsed["item"].numpy().tolist() == [b"a", b"?"]
    assert parsed["price"].numpy().tolist() == [-1.0, 2.5]
    assert parsed["history"].to_list() == [[], [1]]


def test_an_optional_feature_may_lack_its_column(
    tmp_path: pathlib.Path, tables: dict[str, pa.Table]
) -> None:
    for split, table in tables.items():
        lacking = table.drop_columns(["item", "history", "history_item"])
        write(lacking, tmp_path / "log" / split / "part-0.parquet")

    artifact = ingest(tmp_path / "log", tmp_path / "out", spec())

    for row in rows_of(artifact, "train", spec()):
        assert row["item"] is None
        assert row["history"] is None


def test_casts_that_keep_every_value_are_made(tmp_path: pathlib.Path) -> None:
    table = log(40)
    stored = table
    for name, values in {
        "click": table["click"].cast(pa.bool_()),
        "order": table["order"].cast(pa.float64()),  # as pandas keeps gaps
        "user": table["time"].cast(pa.uint32()),
        "item": table["item"].dictionary_encode(),
        "price": table["price"].cast(pa.float64()),
        "tags": table["tags"].cast(pa.large_list(pa.large_string())),
        "history": table["history"].cast(pa.list_(pa.int8())),
        "time": table["time"].cast(pa.int32()),
    }.items():
        stored = stored.set_column(stored.column_names.index(name), name, values)
    table = table.set_column(table.column_names.index("user"), "user", table["time"])
    for split in SPLITS:
        write(stored, tmp_path / "log" / split / "part-0.parquet")

    artifact = ingest(tmp_path / "log", tmp_path / "out", spec())

    assert rows_of(artifact, "train", spec()) == expected(table, spec())


def test_nan_is_a_missing_value(tmp_path: pathlib.Path) -> None:
    table = log(4).set_column(5, "price", pa.array([1.0, float("nan"), None, 2.0]))
    for split in SPLITS:
        write(table, tmp_path / "log" / split / "part-0.parquet")

    artifact = ingest(tmp_path / "log", tmp_path / "out", spec())

    prices = [row["price"] for row in rows_of(artifact, "train", spec())]
    assert prices == [1.0, None, None, 2.0]


def test_shares_of_time_cut_at_the_documented_rows(tmp_path: pathlib.Path) -> None:
    table = log(997)
    write(table.slice(0, 400), tmp_path / "log/all/part-0.parquet")
    write(table.slice(400), tmp_path / "log/all/part-1.parquet")
    rule = spec(split={"kind": "time", "valid": 0.15, "test": 0.2})

    artifact = ingest(tmp_path / "log", tmp_path / "out", rule, folders=("all",))

    times = sorted(table["time"].to_pylist())
    valid_from, test_from = times[int(0.65 * 997)], times[int(0.8 * 997)]
    whole = expected(table, rule)
    assert rows_of(artifact, "train", rule) == [
        row for row in whole if row["time"] < valid_from
    ]
    assert rows_of(artifact, "valid", rule) == [
        row for row in whole if valid_from <= row["time"] < test_from
    ]
    assert rows_of(artifact, "test", rule) == [
        row for row in whole if row["time"] >= test_from
    ]


@pytest.mark.parametrize(
    ("file_format", "suffix"), [("csv", ".csv.gz"), ("tfrecord", ".tfrecord")]
)
def test_times_of_the_splits_are_found_in_every_format(
    tmp_path: pathlib.Path, file_format: str, suffix: str
) -> None:
    table = _empty_for_null(log(200))
    write(table, tmp_path / f"log/all/part-0{suffix}")
    rule = spec(split={"kind": "time", "valid": 0.15, "test": 0.2})

    artifact = ingest(tmp_path / "log", tmp_path / "out", rule, file_format, ("all",))

    test_from = sorted(table["time"].to_pylist())[160]
    assert [row["time"] for row in rows_of(artifact, "test", rule)] == [
        time for time in table["time"].to_pylist() if time >= test_from
    ]


def test_given_times_cut_where_they_say(tmp_path: pathlib.Path) -> None:
    table = log(300)
    write(table, tmp_path / "log/all/part-0.parquet")
    times = table["time"].to_pylist()
    cuts = {"valid_from": 10**9 + 100, "test_from": 10**9 + 120}
    rule = spec(split={"kind": "time", **cuts})

    artifact = ingest(tmp_path / "log", tmp_path / "out", rule, folders=("all",))

    counts = {
        "train": sum(time < cuts["valid_from"] for time in times),
        "valid": sum(cuts["valid_from"] <= time < cuts["test_from"] for time in times),
        "test": sum(time >= cuts["test_from"] for time in times),
    }
    for split in SPLITS:
        assert artifact.get_int_custom_property(f"rows_{split}") == counts[split]


def test_a_hash_keeps_the_rows_of_a_key_together(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(1)
    users = rng.integers(0, 100, 600)
    items = [f"i{item}" for item in rng.integers(0, 3, 600)]
    table = log(600)
    for name, values in (("user", users), ("item", items)):
        index = table.column_names.index(name)
        table = table.set_column(index, name, pa.array(values))
    write(table, tmp_path / "log/all/part-0.parquet")
    key = {"key": ["user", "item"], "valid": 0.2, "test": 0.3, "salt": "s"}
    rule = spec(split={"kind": "hash", **key})

    artifact = ingest(tmp_path / "log", tmp_path / "out", rule, folders=("all",))

    # The documented hash, a key at a time.
    share = {}
    for user, item in set(zip(users, items, strict=True)):
        frame = pd.DataFrame({"salt": ["s"], "user": [user], "item": [item]})
        share[user, item] = (
            int(pd.util.hash_pandas_object(frame, index=False)[0]) / 2**64
        )
    for split, low, high in (
        ("train", 0.0, 0.5),
        ("valid", 0.5, 0.7),
        ("test", 0.7, 1.0),
    ):
        kept = [
            row
            for row in expected(table, rule)
            if low <= share[row["user"], row["item"]] < high
        ]
        assert rows_of(artifact, split, rule) == kept
        assert len(kept) == pytest.approx(600 * (high - low), rel=0.3)


def test_two_processes_write_the_same_shards(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_log, "_UNIT_ROWS", 200)  # planned in this process
    write(log(1000), tmp_path / "log/all/part-0.parquet")
    write(log(500, seed=1), tmp_path / "log/all/part-1.parquet")
    rule = spec(split={"kind": "hash", "key": ["user"], "valid": 0.2, "test": 0.2})

    one = ingest(
        tmp_path / "log", tmp_path / "one", rule, folders=("all",), beam=IN_PROCESS
    )
    two = ingest(
        tmp_path / "log", tmp_path / "two", rule, folders=("all",), beam=TWO_PROCESSES
    )

    for split in SPLITS:
        names = [path.name for path in shards(one, split)]
        assert names == [f"data_tfrecord-{i:05d}-of-00008.gz" for i in range(8)]
        assert names == [path.name for path in shards(two, split)]
        assert rows_of(one, split, rule) == rows_of(two, split, rule)


def test_progress_counts_up_to_all_rows(
    tmp_path: pathlib.Path,
    tables: dict[str, pa.Table],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for split, table in tables.items():
        write(table, tmp_path / "log" / split / "part-0.parquet")

    with caplog.at_level(logging.INFO, "clickwright.progress"):
        ingest(tmp_path / "log", tmp_path / "out", spec())

    last = caplog.records[-1].__dict__
    assert (last["rows"], last["total"]) == (1400, 1400)


def test_only_the_columns_of_the_spec_are_read(
    tmp_path: pathlib.Path,
    tables: dict[str, pa.Table],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for split, table in tables.items():
        write(table, tmp_path / "log" / split / "part-0.parquet")
    asked: set[str] = set()
    iter_batches: Callable[..., object] = pq.ParquetFile.iter_batches

    def spy(
        file: pq.ParquetFile, size: int, groups: object, names: list[str]
    ) -> object:
        asked.update(names)
        return iter_batches(file, size, groups, names)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
    ingest(tmp_path / "log", tmp_path / "out", spec())

    assert asked == set(spec().columns())


def _empty_for_null(table: pa.Table) -> pa.Table:
    """The table with empty lists where lists are null."""
    rows = table.to_pylist()
    for row in rows:
        row["history"] = row["history"] or []
        row["history_item"] = row["history_item"] or []
    return pa.Table.from_pylist(rows, table.schema)
