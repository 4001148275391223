import gzip
import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from transformed_shop import PLAN, SPEC, Transformed

from clickwright.models.preprocessing import SAMPLE_WEIGHT
from clickwright.models.training.data import example_files, read_examples
from clickwright.models.training.examples import Examples
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.streamed_examples import StreamedExamples
from clickwright.models.training.trainer_inputs import vocabulary_sizes
from clickwright.schemas.errors import DataError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    LinearEncoding,
    NumericEncoding,
)

ITEM = (ModelInput("item", "id", "item", "item", 5),)


def read(transformed: Transformed, **options: Any) -> Examples:
    sizes = vocabulary_sizes(SPEC, transformed.output)
    inputs = SPEC.model_inputs(sizes, PLAN.encodings())
    files = example_files([str(transformed.train / "*")])
    return read_examples(
        files,
        inputs,
        label="click",
        weight=SAMPLE_WEIGHT,
        split="train",
        **options,
    )


def rows_of(examples: Examples, seed: tuple[int, ...] | None = None) -> list[Any]:
    """Every row as one tuple of numbers, a missing one as -1e9."""
    rows = []
    for batch in examples.batches(256, seed):
        columns = [
            np.asarray(values).reshape(len(batch.labels), -1)
            for values in (*batch.features.values(), batch.labels, batch.weights)
        ]
        table = np.nan_to_num(np.concatenate(columns, axis=1), nan=-1e9)
        rows += [tuple(row) for row in table.tolist()]
    return rows


def write(
    folder: pathlib.Path, items: list[int], labels: list[float], **columns: Any
) -> list[str]:
    """One file with these rows; further columns are floats."""
    path = folder / "transformed_examples-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for n, (item, label) in enumerate(zip(items, labels, strict=True)):
            example = tf.train.Example()
            example.features.feature["item"].int64_list.value.append(item)
            example.features.feature["click"].float_list.value.append(label)
            for name, values in columns.items():
                example.features.feature[name].float_list.value.append(values[n])
            writer.write(example.SerializeToString())
    return [str(folder / "*")]


def read_items(patterns: list[str], **options: Any) -> Examples:
    return read_examples(
        example_files(patterns),
        options.pop("inputs", ITEM),
        label="click",
        split="train",
        **options,
    )


def test_streamed_rows_are_those_in_memory(transformed: Transformed) -> None:
    kept = read(transformed)
    streamed = read(transformed, memory_limit=1000)
    assert isinstance(kept, InMemoryExamples)
    assert isinstance(streamed, StreamedExamples)
    assert kept.rows == streamed.rows == 1200
    # Fewer rows than one file's turn: one file comes after the other.
    assert (
        rows_of(kept) == rows_of(streamed) == rows_of(read(transformed, max_rows=2000))
    )


def test_a_streamed_epoch_is_shuffled_by_its_seed_alone(
    transformed: Transformed,
) -> None:
    streamed = read(transformed, memory_limit=0)
    first = rows_of(streamed, (0, 1))
    assert first == rows_of(streamed, (0, 1))
    assert first != rows_of(streamed, (0, 2)) != rows_of(streamed)
    assert sorted(first) == sorted(rows_of(streamed))


@pytest.mark.parametrize("memory_limit", [None, 0])
def test_a_limit_takes_the_first_rows(
    transformed: Transformed, memory_limit: int | None
) -> None:
    few = read(transformed, max_rows=500, memory_limit=memory_limit)
    assert few.rows == 500
    in_order = read(transformed, max_rows=1200)
    assert rows_of(few) == rows_of(in_order)[:500]
    assert sorted(rows_of(in_order)) == sorted(rows_of(read(transformed)))
    assert sorted(rows_of(few, (0, 1))) == sorted(rows_of(few))


def test_rows_without_a_label_have_no_weight(transformed: Transformed) -> None:
    batches = list(read(transformed).batches(2000))
    weights = np.asarray(batches[0].weights)
    assert 150 < (weights == 0.0).sum() < 350  # a fifth of 1,200
    assert set(weights.tolist()) == {0.0, 1.0, 2.0, 3.0}
    assert set(np.asarray(batches[0].labels).tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_split_of_one_class_is_refused(tmp_path: pathlib.Path, label: float) -> None:
    patterns = write(tmp_path, [1, 2, 3], [label, label, -1.0])
    with pytest.raises(
        DataError, match=f"All 2 labelled rows have the label {label:g}"
    ):
        read_items(patterns)


def test_a_split_without_labels_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="no row with a label .*Rows: 2.") as error:
        read_items(write(tmp_path, [1, 2], [-1.0, -1.0]))
    assert error.value.where == "split `train`, label `click`"


def test_an_empty_split_and_an_absent_one_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="Rows: 0."):
        read_items(write(tmp_path, [], []))
    with pytest.raises(DataError, match="No transformed examples"):
        read_items([str(tmp_path / "nothing" / "*")])


def test_a_damaged_file_is_named(tmp_path: pathlib.Path) -> None:
    (good,) = write(tmp_path, [1, 2] * 500, [0.0, 1.0] * 500)
    source = next(tmp_path.iterdir())
    whole = gzip.decompress(source.read_bytes())
    for name, content in {
        "b.gz": gzip.compress(whole[:-5]),
        **{f"c{cut}.gz": source.read_bytes()[:-cut] for cut in (1, 8, 20, 60)},
        "d.gz": gzip.compress(whole[:40] + b"?" + whole[41:]),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="damaged") as error:
            read_items([good])
        assert error.value.where == str(tmp_path / name)
        (tmp_path / name).unlink()


PRICED = (*ITEM, ModelInput("price", "value", "item"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted(
    tmp_path: pathlib.Path, value: float
) -> None:
    patterns = write(tmp_path, [1, 2, 3], [0.0, 1.0, 1.0], price=[value, 1.0, value])
    with pytest.raises(DataError, match="`price` holds infinite .*: 2 in 3 r") as error:
        read_items(patterns, inputs=PRICED)
    assert error.value.where == "split `train`, column `price`"


@pytest.mark.parametrize("encoding", [AutoDisEncoding(), LinearEncoding()])
def test_nan_is_a_missing_value_where_the_plan_has_an_encoder(
    tmp_path: pathlib.Path, encoding: NumericEncoding
) -> None:
    inputs = (*ITEM, ModelInput("price", "value", "item", numeric=encoding))
    patterns = write(tmp_path, [1, 2, 3], [0.0, 1.0, 1.0], price=[np.nan, 1.0, 2.0])
    batch = next(iter(read_items(patterns, inputs=inputs).batches(3)))
    assert np.isnan(batch.features["price"]).tolist() == [True, False, False]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values_are_refused_with_any_encoder(
    tmp_path: pathlib.Path, value: float
) -> None:
    inputs = (*ITEM, ModelInput("price", "value", "item", numeric=AutoDisEncoding()))
    patterns = write(tmp_path, [1, 2, 3], [0.0, 1.0, 1.0], price=[value, np.nan, 2.0])
    with pytest.raises(DataError, match="`price` holds infinite values aft.*: 1 in 3"):
        read_items(patterns, inputs=inputs)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, np.nan, 1.0], "`sample_weight` holds infinite values or NaN .* 1 in 3"),
        ([1.0, -2.0, -0.5], "2 of 3 rows have a weight below 0"),
    ],
)
def test_weights_that_are_none_are_refused(
    tmp_path: pathlib.Path, weights: list[float], message: str
) -> None:
    patterns = write(tmp_path, [1, 2, 3], [0.0, 1.0, 1.0], sample_weight=weights)
    with pytest.raises(DataError, match=message) as error:
        read_items(patterns, weight=SAMPLE_WEIGHT)
    assert "`sample_weight`" in error.value.where


@pytest.mark.parametrize("label", [0.5, 2.0, np.nan])
def test_labels_other_than_0_and_1_are_refused(
    tmp_path: pathlib.Path, label: float
) -> None:
    patterns = write(tmp_path, [1, 2, 3], [0.0, 1.0, label])
    with pytest.raises(DataError, match="1 of 3 rows have a label other than 0 and 1"):
        read_items(patterns)


@pytest.mark.parametrize(("item", "shown"), [(5, 5), (-1, -1), (2**32 + 1, 2**31 - 1)])
def test_ids_outside_their_table_are_refused(
    tmp_path: pathlib.Path, item: int, shown: int
) -> None:
    patterns = write(tmp_path, [1, item, 4], [0.0, 1.0, 1.0])
    with pytest.raises(DataError, match=f"the id {shown}; its table has 5 r") as error:
        read_items(patterns)
    assert error.value.where == "split `train`, input `item`"
    assert "Transform" in error.value.fix


def test_rows_without_a_tensor_of_the_model_are_refused(tmp_path: pathlib.Path) -> None:
    patterns = write(tmp_path, [1, 2], [0.0, 1.0])
    with pytest.raises(DataError, match="do not hold .* price"):
        read_items(patterns, inputs=PRICED)


def test_shards_are_disjoint_and_whole(transformed: Transformed) -> None:
    everything = sorted(rows_of(read(transformed)))
    # Three files: for up to three workers they are dealt as they are.
    for count in (1, 2, 3, 4, 7):
        parts = [read(transformed, shard=(n, count)) for n in range(count)]
        assert sorted(row for part in parts for row in rows_of(part)) == everything
        assert min(part.rows for part in parts) > 1200 // count // 3
    first = read(transformed, shard=(1, 3), max_rows=600, memory_limit=0)
    assert first.rows == 200
    assert first.rows == len(rows_of(first)) == len(rows_of(first, (0, 1)))
