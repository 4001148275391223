import gzip
import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from transformed_shop import SPEC, Transformed

from clickwright.models.preprocessing import SAMPLE_WEIGHT
from clickwright.models.training.data import example_files, read_examples
from clickwright.models.training.examples import Examples
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.run import vocabulary_sizes
from clickwright.models.training.streamed_examples import StreamedExamples
from clickwright.schemas.errors import DataError
from clickwright.schemas.model_input import ModelInput

ITEM = (ModelInput("item", "id", "item", "item", 5),)


def read(transformed: Transformed, **options: Any) -> Examples:
    inputs = SPEC.model_inputs(vocabulary_sizes(SPEC, transformed.output))
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
    """Every row as one tuple of numbers."""
    rows = []
    for batch in examples.batches(256, seed):
        columns = [
            np.asarray(values).reshape(len(batch.labels), -1)
            for values in (*batch.features.values(), batch.labels, batch.weights)
        ]
        rows += [tuple(row) for row in np.concatenate(columns, axis=1).tolist()]
    return rows


def write(folder: pathlib.Path, items: list[int], labels: list[float]) -> list[str]:
    path = folder / "transformed_examples-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for item, label in zip(items, labels, strict=True):
            example = tf.train.Example()
            example.features.feature["item"].int64_list.value.append(item)
            example.features.feature["click"].float_list.value.append(label)
            writer.write(example.SerializeToString())
    return [str(folder / "*")]


def read_items(patterns: list[str]) -> Examples:
    return read_examples(example_files(patterns), ITEM, label="click", split="train")


def test_streamed_rows_are_those_in_memory(transformed: Transformed) -> None:
    kept = read(transformed)
    streamed = read(transformed, memory_limit=1000)
    assert isinstance(kept, InMemoryExamples)
    assert isinstance(streamed, StreamedExamples)
    assert kept.rows == streamed.rows == 1200
    assert rows_of(kept) == rows_of(streamed)


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
    assert rows_of(few) == rows_of(read(transformed))[:500]
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


@pytest.mark.parametrize("memory_limit", [None, 0])
@pytest.mark.parametrize("seed", [None, (0, 1)])
def test_an_epoch_can_start_within_itself(
    transformed: Transformed, memory_limit: int | None, seed: tuple[int, ...] | None
) -> None:
    examples = read(transformed, memory_limit=memory_limit)
    whole = list(examples.batches(250, seed))
    for start in (0, 1, 4, 5):
        rest = list(examples.batches(250, seed, start=start))
        assert len(rest) == 5 - start
        for one, other in zip(rest, whole[start:], strict=True):
            for name, values in other.features.items():
                np.testing.assert_array_equal(one.features[name], values)
            np.testing.assert_array_equal(one.labels, other.labels)
            np.testing.assert_array_equal(one.weights, other.weights)
