"""The order of rows in an epoch, whatever the rows are kept in."""

import pathlib
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

from clickwright.models.training import in_memory_examples, streamed_examples
from clickwright.models.training.data import example_files, read_examples
from clickwright.models.training.examples import Examples
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.prefetched import prefetched
from clickwright.models.training.streamed_examples import StreamedExamples
from clickwright.schemas.model_input import ModelInput

ROWS = 3000
INPUTS = (
    ModelInput("row", "id", "item", "row", ROWS),
    ModelInput("tags", "id_set", "item", "tag", 9, 2),
    ModelInput("price", "value", "item"),
)
KINDS = ("memory", "disk", "stream")
Seed = tuple[int, ...] | None


def write(folder: pathlib.Path, rows: int = ROWS, files: int = 3) -> None:
    """Rows of which each input is a function of the row's number; 30% are clicks."""
    folder.mkdir(parents=True)
    for n, part in enumerate(np.array_split(np.arange(rows), files)):
        with tf.io.TFRecordWriter(str(folder / f"part-{n}")) as writer:
            for row in part:
                example = tf.train.Example()
                feature = example.features.feature
                feature["row"].int64_list.value.append(row)
                feature["tags"].int64_list.value.extend([row % 9, row % 5])
                feature["price"].float_list.value.append(row / 2)
                feature["click"].float_list.value.append(float(row % 10 < 3))
                writer.write(example.SerializeToString())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    target = tmp_path_factory.mktemp("split")
    write(target / "files")
    return target


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that 3,000 rows make 19 blocks, in 5 windows."""
    monkeypatch.setattr(in_memory_examples, "_BLOCK", 160)
    monkeypatch.setattr(in_memory_examples, "_WINDOW", 4)
    monkeypatch.setattr(streamed_examples, "SHUFFLE_BUFFER", 700)
    monkeypatch.setattr(streamed_examples, "_CHUNK", 100)


def read(folder: pathlib.Path, kind: str = "memory", rate: float = 1.0) -> Examples:
    examples = read_examples(
        example_files([str(folder / "files" / "*")]),
        INPUTS,
        label="click",
        split="train",
        cache="none" if kind == "stream" else kind,  # type: ignore[arg-type]
        cache_directory=folder / "rows",
        negative_sampling_rate=rate,
    )
    assert isinstance(examples, StreamedExamples) == (kind == "stream")
    return examples


def epoch(examples: Examples, seed: Seed, start: int = 0) -> list[list[int]]:
    """Row numbers by batch; everything else in a row must belong to its number."""
    batches = []
    for batch in examples.batches(128, seed, start):
        row = np.asarray(batch.features["row"])
        assert row.dtype == np.int32
        tags = np.asarray(batch.features["tags"])
        np.testing.assert_array_equal(tags, np.stack([row % 9, row % 5], 1))
        np.testing.assert_array_equal(batch.features["price"], row / 2)
        np.testing.assert_array_equal(batch.labels, row % 10 < 3)
        np.testing.assert_array_equal(batch.weights, np.ones(len(row)))
        batches.append(row.tolist())
    assert all(len(batch) == 128 for batch in batches[:-1])
    return batches


def flat(batches: list[list[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_holds_every_row_once(folder: pathlib.Path, kind: str) -> None:
    for seed in (None, (0, 1)):
        assert sorted(flat(epoch(read(folder, kind), seed))) == list(range(ROWS))


@pytest.mark.parametrize("rate", [1.0, 0.25])
@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides_the_order(
    folder: pathlib.Path, kind: str, rate: float
) -> None:
    first = read(folder, kind, rate)
    assert epoch(first, (0, 1)) == epoch(first, (0, 1))
    assert epoch(first, (0, 1)) == epoch(read(folder, kind, rate), (0, 1))
    different = [epoch(first, seed) for seed in ((0, 1), (0, 2), (1, 1), None)]
    assert all(a != b for n, a in enumerate(different) for b in different[:n])


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_memory_and_disk_give_one_order(folder: pathlib.Path, rate: float) -> None:
    memory, disk = read(folder, "memory", rate), read(folder, "disk", rate)
    assert epoch(memory, (3, 7)) == epoch(disk, (3, 7))
    assert epoch(memory, None) == epoch(disk, None)


@pytest.mark.parametrize("rate", [1.0, 0.25])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [None, (0, 1)])
def test_an_epoch_can_start_within_itself(
    folder: pathlib.Path, kind: str, seed: Seed, rate: float
) -> None:
    examples = read(folder, kind, rate)
    whole = epoch(examples, seed)
    last = len(whole) - 1
    for start in (0, 1, 5, last, last + 1):
        assert epoch(examples, seed, start) == whole[start:]


def test_rows_of_all_blocks_meet(folder: pathlib.Path) -> None:
    batches = epoch(read(folder), (0, 1))
    # Neighbours in the files are no longer neighbours, and every batch holds rows of
    # its window's blocks, which are three or four.
    order = np.concatenate(batches)
    assert np.abs(np.diff(order)).mean() > 100
    assert min(len({row // 160 for row in batch}) for batch in batches[:-1]) >= 3


def test_up_to_a_million_rows_are_one_permutation() -> None:
    examples = InMemoryExamples({"row": np.arange(600)}, np.arange(600) % 2)
    got = np.concatenate([b.features["row"] for b in examples.batches(64, (5, 2))])
    np.testing.assert_array_equal(got, np.random.default_rng((5, 2)).permutation(600))


@pytest.mark.parametrize("kind", KINDS)
def test_sampling_keeps_all_clicks_and_a_share_of_the_rest(
    folder: pathlib.Path, kind: str
) -> None:
    examples = read(folder, kind, rate=0.25)
    assert examples.rows == 900 + 525
    seen = []
    for number in range(20):
        rows = flat(epoch(examples, (0, number)))
        assert len(rows) == len(set(rows)) == examples.rows
        assert {row for row in rows if row % 10 < 3} == {
            row for row in range(ROWS) if row % 10 < 3
        }
        seen += [row for row in rows if row % 10 >= 3]
    # Every negative has its turn: 5 of 20 times in the mean, of binomial deviation.
    counts = np.bincount(seen, minlength=ROWS)[np.arange(ROWS) % 10 >= 3]
    assert counts.mean() == 5.0
    assert counts.std() == pytest.approx(np.sqrt(20 * 0.25 * 0.75), rel=0.1)
    assert sorted(flat(epoch(examples, None))) == list(range(ROWS))


def prefetch_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("prefetch")]


@pytest.mark.parametrize("rate", [1.0, 0.25])
@pytest.mark.parametrize("kind", KINDS)
def test_no_thread_is_left_behind(folder: pathlib.Path, kind: str, rate: float) -> None:
    examples = read(folder, kind, rate)
    for n, _ in enumerate(examples.batches(128, (0, 1))):
        if n == 2:
            break
    assert prefetch_threads() == []
    list(examples.batches(128, (0, 1)))
    with pytest.raises(RuntimeError):
        for _ in examples.batches(128, (0, 1)):
            raise RuntimeError
    assert prefetch_threads() == []


def test_an_exception_reaches_the_caller_in_its_place() -> None:
    def failing() -> Iterator[int]:
        yield from range(5)
        raise ZeroDivisionError("at the sixth")

    taken: list[int] = []
    with pytest.raises(ZeroDivisionError, match="at the sixth"):
        taken.extend(prefetched(failing()))
    # `extend` adds as it goes.
    assert taken == [0, 1, 2, 3, 4]
    assert prefetch_threads() == []


def test_the_next_item_is_made_while_the_caller_works() -> None:
    made = [threading.Event() for _ in range(4)]

    def items() -> Iterator[int]:
        for n, event in enumerate(made):
            event.set()
            yield n

    for n in prefetched(items()):
        assert all(event.wait(10) for event in made[: n + 2])
