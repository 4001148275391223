"""Rows that are kept on disk between epochs and runs."""

import errno
import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from clickwright.models.training import data
from clickwright.models.training.examples import Examples
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.memory_columns import MemoryColumns
from clickwright.models.training.packed_columns import PackedColumns
from clickwright.models.training.streamed_examples import StreamedExamples
from clickwright.schemas.errors import ConfigError, DataError, MachineError
from clickwright.schemas.model_input import ModelInput

INPUTS = (
    ModelInput("row", "id", "item", "row", 500),
    ModelInput("tags", "id_set", "item", "tag", 9, 2),
)


@pytest.fixture
def files(tmp_path: pathlib.Path) -> list[pathlib.Path]:
    path = tmp_path / "part-0"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in range(500):
            example = tf.train.Example()
            example.features.feature["row"].int64_list.value.append(row)
            example.features.feature["tags"].int64_list.value.extend([row % 9, 0])
            example.features.feature["click"].float_list.value.append(row % 2)
            writer.write(example.SerializeToString())
    return [path]


def read(files: list[pathlib.Path], **options: Any) -> Examples:
    options = {
        "inputs": INPUTS,
        "cache": "disk",
        "cache_directory": files[0].parent / "state" / "rows",
        **options,
    }
    return data.read_examples(files, label="click", split="train", **options)


def rows_of(examples: Examples) -> list[int]:
    batches = [np.asarray(b.features["row"]) for b in examples.batches(64)]
    return np.concatenate(batches).tolist()


def never(*_: Any) -> None:
    raise AssertionError("the files were parsed again")


def test_a_second_run_finds_the_rows(
    files: list[pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read(files)
    assert isinstance(first, InMemoryExamples)
    stored = files[0].parent / "state" / "rows"
    assert [path.name for path in stored.iterdir()] == ["train"]
    monkeypatch.setattr(data, "_read", never)
    for cache in ("disk", "auto"):
        assert rows_of(read(files, cache=cache)) == rows_of(first) == list(range(500))
    for cache in ("memory", "none"):
        with pytest.raises(AssertionError, match="parsed again"):
            read(files, cache=cache)


def test_auto_takes_the_disk_where_memory_has_no_room(
    files: list[pathlib.Path],
) -> None:
    stored = files[0].parent / "state" / "rows" / "train"
    assert isinstance(read(files, cache="auto"), InMemoryExamples)
    assert not stored.exists()
    examples = read(files, cache="auto", memory_limit=1000)
    assert isinstance(examples, InMemoryExamples) and stored.exists()
    assert rows_of(examples) == list(range(500))
    streamed = read(files, cache="auto", memory_limit=1000, cache_directory=None)
    assert isinstance(streamed, StreamedExamples)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: _cut(folder / "0.bin"),
        lambda folder: _cut(folder / "3.bin"),
        lambda folder: (folder / "1.bin").unlink(),
        lambda folder: _cut(folder / "columns.json"),
        lambda folder: (folder / "columns.json").unlink(),
        lambda folder: (folder / "columns.json").write_text("[]"),
    ],
)
def test_damaged_rows_are_written_anew(files: list[pathlib.Path], damage: Any) -> None:
    read(files)
    stored = files[0].parent / "state" / "rows" / "train"
    whole = {path.name: path.read_bytes() for path in stored.iterdir()}
    damage(stored)
    assert rows_of(read(files)) == list(range(500))
    assert whole == {path.name: path.read_bytes() for path in stored.iterdir()}


def _cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def test_rows_of_other_inputs_are_not_taken(files: list[pathlib.Path]) -> None:
    read(files)
    fewer = read(files, inputs=INPUTS[:1])
    (batch,) = fewer.batches(500)
    assert list(batch.features) == ["row"]


def test_a_killed_writing_leaves_nothing_that_looks_whole(
    files: list[pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: PackedColumns) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(PackedColumns, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            read(files)
    assert list((files[0].parent / "state" / "rows").iterdir()) == []
    assert rows_of(read(files)) == list(range(500))


def test_bad_rows_are_not_kept(files: list[pathlib.Path]) -> None:
    small = (ModelInput("row", "id", "item", "row", 400),)
    for _ in range(2):
        with pytest.raises(DataError, match="the id 499; its table has 400 rows"):
            read(files, inputs=small)


def test_a_full_disk_stops_or_streams(
    files: list[pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: PackedColumns, columns: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PackedColumns, "append", full)
    with pytest.raises(MachineError, match="No space is left"):
        read(files)
    streamed = read(files, cache="auto", memory_limit=0)
    assert isinstance(streamed, StreamedExamples)
    assert rows_of(streamed) == list(range(500))


def test_the_disk_needs_a_folder(files: list[pathlib.Path]) -> None:
    with pytest.raises(ConfigError, match="`cache: disk`") as error:
        read(files, cache_directory=None)
    assert error.value.where == "training.cache"


def test_slabs_become_arrays_without_losing_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clickwright.models.training.memory_columns._SLAB", 100)
    rng = np.random.default_rng(0)
    for rows in (1, 99, 100, 101, 250, 300):
        whole = [rng.normal(size=(rows, 2)), rng.integers(9, size=rows)]
        for drained in (False, True):
            columns = MemoryColumns()
            for at in range(0, rows, 70):
                columns.append([column[at : at + 70] for column in whole])
            assert columns.nbytes == sum(column.nbytes for column in whole)
            parts = list(columns.drain()) if drained else [columns.arrays()]
            for n, column in enumerate(whole):
                got = np.concatenate([part[n] for part in parts])
                np.testing.assert_array_equal(got, column)
                assert got.dtype == column.dtype
            assert columns.nbytes == 0
