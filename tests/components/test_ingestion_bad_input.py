"""What is wrong with the data or the machine, and what a person is told about it."""

import gzip
import pathlib
from typing import Any

import pyarrow as pa
import pytest
import tensorflow as tf
from ingestion_log import (
    SPEC,
    TWO_PROCESSES,
    example,
    ingest,
    log,
    spec,
    write,
    write_records,
)

from clickwright.components.ingestion import parquet_log
from clickwright.schemas.errors import ClickwrightError, DataError, MachineError
from clickwright.schemas.spec import SPLITS


def refused(
    folder: pathlib.Path,
    *words: str,
    kind: type[ClickwrightError] = DataError,
    **arguments: Any,
) -> None:
    """Ingests `folder/log`; expects the words in one error, and no data left behind."""
    out = folder / "out"
    arguments.setdefault("feature_spec", spec())
    with pytest.raises(kind) as caught:
        ingest(folder / "log", out, **arguments)
    for word in (*words, "Fix: "):
        assert word in str(caught.value)
    assert not [path for path in out.rglob("*") if path.is_file()]


def lay(folder: pathlib.Path, table: pa.Table, suffix: str = ".parquet") -> None:
    """Good rows in all splits, but `table` as the second file of the training split."""
    for split in SPLITS:
        good = log(20)
        if suffix != ".parquet":
            good = good.drop_columns(["history", "history_item"])
        write(good, folder / "log" / split / f"part-0{suffix}")
    write(table, folder / "log" / "train" / f"part-1{suffix}")


def with_column(name: str, values: object, table: pa.Table | None = None) -> pa.Table:
    """Ten rows in which one column holds other values."""
    table = log(10) if table is None else table
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def test_a_missing_column_is_named_with_the_likely_one(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, _with_users())

    refused(
        tmp_path, "train/part-1.parquet", "`user` is missing", "Did you mean `users`?"
    )


@pytest.mark.parametrize(
    ("file_format", "suffix"), [("csv", ".csv"), ("tfrecord", ".tfrecord")]
)
def test_a_missing_column_is_named_in_other_formats(
    tmp_path: pathlib.Path, file_format: str, suffix: str
) -> None:
    lay(tmp_path, _with_users(), suffix)

    refused(
        tmp_path,
        f"train/part-1{suffix}",
        "`user` is missing",
        "Did you mean `users`?",
        file_format=file_format,
    )


def test_a_column_that_is_there_twice_is_refused(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, log(10), ".csv")
    text = b"click,time,user,tags,user\n1,5,2,a,3\n"
    (tmp_path / "log/train/part-1.csv").write_bytes(text)

    refused(tmp_path, "part-1.csv", "2 columns", "`user`", file_format="csv")


def test_text_where_integers_are_wanted_is_refused(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, with_column("user", ["7"] * 10))

    refused(tmp_path, "train/part-1.parquet", "`user`", "int64", "Received: string")


def test_lists_where_single_values_are_wanted_are_refused(
    tmp_path: pathlib.Path,
) -> None:
    lay(tmp_path, with_column("user", [[7]] * 10))

    refused(tmp_path, "`user`", "int64", "list<")


def test_a_fraction_where_integers_are_wanted_is_refused(
    tmp_path: pathlib.Path,
) -> None:
    lay(tmp_path, with_column("user", [1.0] * 7 + [1.5, 2.5, 1.0]))

    refused(tmp_path, "part-1.parquet", "`user`, row 8", "int64", "Received: 1.5")


def test_a_row_is_counted_from_the_start_of_its_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_log, "_UNIT_ROWS", 100)
    clicks = [0] * 777 + [2] + [0] * 222
    lay(tmp_path, with_column("click", clicks, log(1000)))

    refused(tmp_path, "`click`, row 778", "0 or 1", "Received: 2")


def test_a_word_in_a_csv_number_is_refused_with_its_row(tmp_path: pathlib.Path) -> None:
    table = log(10).set_column(3, "user", pa.array(["7"] * 4 + ["seven"] + ["7"] * 5))
    lay(tmp_path, table.drop_columns(["history", "history_item"]), ".csv")

    refused(
        tmp_path, "part-1.csv", "`user`, row 5", "int64", "seven", file_format="csv"
    )


def test_a_csv_row_with_too_few_cells_is_refused(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, log(10), ".csv")
    text = b"click,time,user,tags\n1,5,2,a\n1,5\n"
    (tmp_path / "log/train/part-1.csv").write_bytes(text)

    refused(tmp_path, "part-1.csv, row 2", "4 cells", "2", file_format="csv")


def test_a_feature_whose_type_changes_is_refused(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, log(10), ".tfrecord")
    good = log(3).to_pylist()
    records = [example(row) for row in good] + [example({**good[0], "user": "seven"})]
    write_records(tmp_path / "log/train/part-1.tfrecord", records)

    refused(tmp_path, "part-1.tfrecord, row 4", '"user"', file_format="tfrecord")


def test_several_values_where_one_is_wanted_are_refused(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, log(10), ".tfrecord")
    good = log(3).to_pylist()
    records = [example(row) for row in good] + [example({**good[0], "user": [1, 2]})]
    write_records(tmp_path / "log/train/part-1.tfrecord", records)

    refused(tmp_path, "`user`, row 4", "one value", "2 values", file_format="tfrecord")


@pytest.mark.parametrize(
    ("file_format", "suffix"),
    [("parquet", ".parquet"), ("csv", ".csv"), ("csv", ".csv.gz")],
)
def test_an_empty_file_is_refused(
    tmp_path: pathlib.Path, file_format: str, suffix: str
) -> None:
    lay(tmp_path, log(10), suffix)
    empty = gzip.compress(b"") if suffix == ".csv.gz" else b""
    (tmp_path / f"log/train/part-1{suffix}").write_bytes(empty)

    refused(tmp_path, f"train/part-1{suffix}", file_format=file_format)


@pytest.mark.parametrize(
    ("file_format", "suffix"),
    [("parquet", ".parquet"), ("csv", ".csv"), ("tfrecord", ".tfrecord")],
)
def test_files_without_rows_are_refused(
    tmp_path: pathlib.Path, file_format: str, suffix: str
) -> None:
    for split in SPLITS:
        write(log(0), tmp_path / "log" / split / f"part-0{suffix}")

    refused(tmp_path, str(tmp_path / "log"), "no rows", file_format=file_format)


def test_no_rows_are_refused_by_a_rule_of_time(tmp_path: pathlib.Path) -> None:
    write(log(0), tmp_path / "log/all/part-0.parquet")
    rule = spec(split={"kind": "time", "valid": 0.1, "test": 0.1})

    refused(tmp_path, "no rows", feature_spec=rule, folders=("all",))


def test_a_folder_without_files_is_refused(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, log(10))
    (tmp_path / "log/valid/part-0.parquet").rename(tmp_path / "log/valid/_hidden")

    refused(tmp_path, "log/valid/*", "no file")


@pytest.mark.parametrize(
    ("clicks", "lacking"), [([0] * 10, "`click` is 1"), ([1] * 10, "`click` is 0")]
)
def test_a_split_of_one_class_is_refused(
    tmp_path: pathlib.Path, clicks: list[int], lacking: str
) -> None:
    lay(tmp_path, log(10))
    write(with_column("click", clicks), tmp_path / "log/valid/part-0.parquet")

    refused(tmp_path, "split `valid`", lacking, "10 of ")


def test_an_empty_split_is_refused(tmp_path: pathlib.Path) -> None:
    table = with_column("time", [5] * 10)
    write(table, tmp_path / "log/all/part-0.parquet")
    rule = spec(split={"kind": "time", "valid": 0.1, "test": 0.1})

    refused(tmp_path, "split `train`", "no rows", feature_spec=rule, folders=("all",))


@pytest.mark.parametrize("value", [2, -1])
def test_a_label_that_is_neither_0_nor_1_is_refused(
    tmp_path: pathlib.Path, value: int
) -> None:
    lay(tmp_path, with_column("click", [0, 1, value] + [0] * 7))

    refused(tmp_path, "`click`, row 3", "0 or 1", f"Received: {value}")


def test_gaps_in_a_required_column_are_refused(tmp_path: pathlib.Path) -> None:
    users = [1, None, 1, None, 1, 1, 1, 1, 1, None]
    lay(tmp_path, with_column("user", users))

    refused(tmp_path, "part-1.parquet, column `user`", "rows 2, 4, 10", "null")


def test_nan_in_a_required_column_is_refused(tmp_path: pathlib.Path) -> None:
    features = SPEC["features"]
    price = {**features["price"], "presence": "required"}
    strict = spec(features={**features, "price": price})
    write(with_column("price", [1.0] * 10), tmp_path / "log/valid/part-0.parquet")
    write(with_column("price", [1.0] * 10), tmp_path / "log/test/part-0.parquet")
    gap = with_column("price", [1.0] * 6 + [float("nan")] + [1.0] * 3)
    write(gap, tmp_path / "log/train/part-0.parquet")

    refused(tmp_path, "`price`", "NaN", "row 7", feature_spec=strict)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e300])
def test_numbers_beyond_float32_are_refused(
    tmp_path: pathlib.Path, value: float
) -> None:
    lay(tmp_path, with_column("price", [1.0, None, value] + [1.0] * 7))

    refused(tmp_path, "`price`, row 3", "finite", f"Received: {value}")


def test_a_null_in_a_list_is_refused(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, with_column("tags", [["a"], [], ["a", None]] + [["a"]] * 7))

    refused(tmp_path, "`tags`, row 3", "null")


def test_side_information_of_another_length_is_refused(tmp_path: pathlib.Path) -> None:
    table = with_column("history", [[1, 2]] * 10)
    lay(tmp_path, with_column("history_item", [["a", "b"]] * 9 + [["a"]], table))

    refused(tmp_path, "`history_item`, row 10", "`history`", "1 and 2")


@pytest.mark.parametrize("kept", [0.2, 0.99])
def test_a_truncated_gzip_is_refused(tmp_path: pathlib.Path, kept: float) -> None:
    lay(tmp_path, log(2000).drop_columns(["history", "history_item"]), ".csv.gz")
    _cut(tmp_path / "log/train/part-1.csv.gz", kept)

    refused(tmp_path, "train/part-1.csv.gz", "cut off", file_format="csv")


@pytest.mark.parametrize("kept", [0.2, 0.99])
def test_a_truncated_parquet_file_is_refused(
    tmp_path: pathlib.Path, kept: float
) -> None:
    lay(tmp_path, log(2000))
    _cut(tmp_path / "log/train/part-1.parquet", kept)

    refused(tmp_path, "train/part-1.parquet", "cut off")


def test_a_corrupt_parquet_page_is_refused(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, log(2000))
    path = tmp_path / "log/train/part-1.parquet"
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[: middle - 500] + bytes(1000) + data[middle + 500 :])

    refused(tmp_path, "train/part-1.parquet", "corrupt")


@pytest.mark.parametrize("suffix", [".tfrecord", ".tfrecord.gz"])
def test_a_corrupt_tfrecord_is_refused(tmp_path: pathlib.Path, suffix: str) -> None:
    lay(tmp_path, log(200), suffix)
    path = tmp_path / f"log/train/part-1{suffix}"
    data = bytearray(
        gzip.decompress(path.read_bytes()) if "gz" in suffix else path.read_bytes()
    )
    data[len(data) // 2] ^= 1  # one bit, which only the checksum can tell
    path.write_bytes(gzip.compress(data) if "gz" in suffix else data)

    refused(
        tmp_path, f"train/part-1{suffix}", "corrupted record", file_format="tfrecord"
    )


def test_records_that_are_no_examples_are_refused(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, log(10), ".tfrecord")
    records = [*map(example, log(3).to_pylist()), b"\xff\xff"]
    write_records(tmp_path / "log/train/part-1.tfrecord", records)

    refused(tmp_path, "part-1.tfrecord, row 4", "tf.Example", file_format="tfrecord")


def test_a_file_of_another_format_is_refused(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, log(10), ".csv")

    refused(tmp_path, "part-0.csv", "another format")


def test_a_full_disk_is_reported(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __init__(self, path: str, options: object) -> None:
            self._file = pathlib.Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115

        def write(self, record: bytes) -> None:
            self._file.write(record)

        def close(self) -> None:
            self._file.close()

    monkeypatch.setattr(tf.io, "TFRecordWriter", Full)
    folder = tmp_path / "log"
    for split in SPLITS:
        write(log(20), folder / split / "part-0.parquet")

    refused(tmp_path, "No space is left", "free some space", kind=MachineError)


def test_an_output_that_cannot_be_written_is_reported(tmp_path: pathlib.Path) -> None:
    lay(tmp_path, log(10))
    (tmp_path / "out").write_text("a file where the folder should be")

    with pytest.raises(MachineError, match="choose a folder that you may write to"):
        ingest(tmp_path / "log", tmp_path / "out", spec())


def test_the_first_bad_unit_is_told_whatever_the_workers_do(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_log, "_UNIT_ROWS", 100)
    clicks = [0] * 350 + [7] + [0] * 149 + [8] * 500
    lay(tmp_path, with_column("click", clicks, log(1000)))

    refused(tmp_path, "`click`, row 351", "Received: 7", beam=TWO_PROCESSES)


def _with_users() -> pa.Table:
    """Rows whose column `user` has another name."""
    names = ["users" if name == "user" else name for name in log(10).column_names]
    return log(10).rename_columns(names)


def _cut(path: pathlib.Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
