"""Which spans a run reads, how their rows are laid out, and what is refused."""

import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import scipy.stats
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from clickwright.components.ingestion.executor import Executor
from clickwright.components.spans.find_spans import find_spans
from clickwright.components.spans.laid_spans import LaidSpans
from clickwright.components.spans.lay_spans import lay_spans
from clickwright.components.spans.reservoir import Reservoir
from clickwright.components.spans.span_folder import SpanFolder
from clickwright.components.spans.span_journal import SpanJournal
from clickwright.components.spans.span_record import State
from clickwright.components.spans.span_request import SpanRequest
from clickwright.schemas.errors import ClickwrightError, ConfigError, DataError
from clickwright.schemas.incremental import Incremental
from clickwright.schemas.spec import SPLITS, FeatureSpec, GivenSplit

ROWS = 20
SPLIT_RULES: dict[str, dict[str, Any]] = {
    "time": {"kind": "time", "valid": 0.2, "test": 0.1},
    "given": {"kind": "given"},
    "hash": {"kind": "hash", "key": ["item"], "valid": 0.2, "test": 0.3},
}


def make_spec(split: str) -> FeatureSpec:
    return FeatureSpec.model_validate(
        {
            "name": "spanned",
            "labels": {"click": {}},
            "timestamp": "time",
            "split": SPLIT_RULES[split],
            "features": {
                "item": {"kind": "categorical", "role": "item", "dtype": "int64"}
            },
        },
        strict=False,
    )


class Log:
    """A log in spans: row i of span s has the time 100 s + i and the same item."""

    def __init__(self, folder: pathlib.Path, split: str = "time") -> None:
        self.folder = folder / "log"
        self.out = folder / "out"
        self.spec = make_spec(split)
        self.journal = SpanJournal()
        self.file_format = "parquet"

    def add(self, *spans: int, rows: int = ROWS) -> None:
        for span in spans:
            time = 100 * span + np.arange(rows)
            table = pa.table({"click": time % 2, "item": time, "time": time})
            given = {
                "train": slice(0, 14),
                "valid": slice(14, 18),
                "test": slice(18, 20),
            }
            folders = {"all": slice(0, rows)}
            for split, part in (
                given if self.spec.split.kind == "given" else folders
            ).items():
                path = self.folder / f"span-{span}" / split / f"part.{self.file_format}"
                path.parent.mkdir(parents=True, exist_ok=True)
                piece = table.slice(part.start, part.stop - part.start)
                if self.file_format == "csv":
                    pyarrow.csv.write_csv(piece, path)
                else:
                    pq.write_table(piece, path)

    def find(self, span: str = "latest", **params: Any) -> LaidSpans:
        return find_spans(
            SpanFolder(self.folder),
            self.spec,
            Incremental(**params),
            SpanRequest.parse(span),
            self.journal,
            self.out / "data",
        )

    def lay(self, span: str = "latest", link: bool = True, **params: Any) -> LaidSpans:
        return lay_spans(
            self.find(span, **params),
            SpanFolder(self.folder),
            self.spec,
            params.get("reservoir", 0),
            file_format=self.file_format,
            link=link,
        )

    def run(
        self, span: str = "latest", state: State = "blessed", **params: Any
    ) -> None:
        laid = self.lay(span, **params)
        self.journal.records.append(laid.record(state, f"run-{laid.choice.newest}"))


def times(laid: LaidSpans) -> dict[str, list[int]]:
    folder = laid.folder / f"span-{laid.choice.newest}"
    return {
        split: sorted(
            t
            for file in sorted((folder / split).iterdir())
            for t in pq.read_table(file)["time"].to_pylist()
        )
        for split in SPLITS
    }


def test_a_cold_start_reads_the_window_and_divides_the_newest_span(
    tmp_path: pathlib.Path,
) -> None:
    log = Log(tmp_path)
    log.add(1, 2, 3, 4)
    laid = log.lay(window=3)
    found = times(laid)
    assert found["train"] == [
        *range(200, 220),
        *range(300, 320),
        *range(400, 414),
    ]
    assert found["valid"] == [*range(414, 418)]
    assert found["test"] == [418, 419]
    assert laid.rows == {"train": 54, "valid": 4, "test": 2}


def test_a_window_longer_than_the_log_begins_with_its_first_span(
    tmp_path: pathlib.Path,
) -> None:
    log = Log(tmp_path)
    log.add(5, 6)
    assert log.find(window=7).choice.whole == (5,)


def test_a_warm_start_reads_each_row_that_its_parent_has_not_seen_once(
    tmp_path: pathlib.Path,
) -> None:
    log = Log(tmp_path)
    log.add(1, 2)
    log.run()
    log.add(3, 4)
    found = times(log.lay())
    # The rows that the parent was validated and tested on come first.
    assert found["train"] == [
        *range(214, 220),
        *range(300, 320),
        *range(400, 414),
    ]
    assert (found["valid"], found["test"]) == ([*range(414, 418)], [418, 419])


def test_both_ways_of_training_are_tested_on_the_same_rows(
    tmp_path: pathlib.Path,
) -> None:
    log = Log(tmp_path)
    log.add(1)
    log.run()
    log.add(2)
    warm, cold = times(log.lay()), times(log.lay(warm_start=False))
    assert (warm["valid"], warm["test"]) == (cold["valid"], cold["test"])


def test_a_model_that_was_not_blessed_is_no_parent(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1)
    log.run()
    log.add(2)
    log.run(state="not_blessed")
    log.add(3)
    choice = log.find().choice
    assert (choice.parent, choice.rest, choice.whole) == (1, 1, (2,))


def test_a_repeated_run_finds_what_it_has_laid_out(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1, 2)
    log.run("1")
    first = log.lay("2")
    log.journal.records.append(first.record("blessed", "again"))
    again = log.lay("2")
    assert (again.folder, again.reused, again.rows) == (first.folder, True, first.rows)
    assert again.choice.parent == 1


def test_a_range_is_a_cold_start_on_its_spans(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1, 2, 3)
    log.run("1")
    choice = log.find("2..3").choice
    assert (choice.parent, choice.whole, choice.newest) == (None, (2,), 3)


def test_given_splits_keep_their_rows_apart_for_ever(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path, "given")
    log.add(1, 2)
    found = times(log.lay())
    assert found["train"] == [*range(100, 114), *range(200, 214)]
    assert (found["valid"], found["test"]) == ([*range(214, 218)], [218, 219])
    log.run("1")
    assert times(log.lay())["train"] == [*range(200, 214)]


def test_keys_of_a_hash_split_that_are_for_the_test_are_never_learned_from(
    tmp_path: pathlib.Path,
) -> None:
    log = Log(tmp_path, "hash")
    log.add(1, 2)
    alone = {span: times(log.lay(f"{span}..{span}")) for span in (1, 2)}
    both = times(log.lay("1..2"))
    assert both["train"] == [*alone[1]["train"], *alone[2]["train"]]
    assert (both["valid"], both["test"]) == (alone[2]["valid"], alone[2]["test"])
    assert len(alone[1]["valid"]) + len(alone[1]["test"]) > 0


def test_other_formats_are_laid_out_alike(tmp_path: pathlib.Path) -> None:
    laid = {}
    for file_format in ("parquet", "csv"):
        log = Log(tmp_path / file_format)
        log.file_format = file_format
        log.add(1, 2)
        laid[file_format] = times(log.lay())
    assert laid["csv"] == laid["parquet"]


def test_whole_files_are_linked_or_copied(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1, 2)
    links = [p.is_symlink() for p in (log.lay().folder / "span-2/train").iterdir()]
    assert sorted(links) == [False, True]
    log.out = tmp_path / "elsewhere"
    copied = log.lay(link=False)
    assert not any(p.is_symlink() for p in (copied.folder / "span-2/train").iterdir())
    assert len(times(copied)["train"]) == copied.rows["train"]


def test_the_reservoir_adds_rows_that_the_parent_has_seen(
    tmp_path: pathlib.Path,
) -> None:
    log = Log(tmp_path)
    log.add(1, 2, 3)
    log.run("2")
    train = times(log.lay(window=3, reservoir=12))["train"]
    fresh = [*range(214, 220), *range(300, 314)]
    sample = [t for t in train if t not in fresh]
    assert len(train) == len(fresh) + 12
    assert len(set(sample)) == 12
    assert set(sample) <= {*range(100, 120), *range(200, 214)}
    # The spans before the window are forgotten.
    assert set(times(log.lay(window=2, reservoir=12))["train"]) - {*fresh} <= {
        *range(200, 214)
    }


def test_each_row_of_the_stream_is_as_likely_in_the_reservoir() -> None:
    rows, size, seeds = 40, 10, 1000
    counts = np.zeros(rows)
    for seed in range(seeds):
        reservoir = Reservoir(size, np.random.default_rng(seed))
        for start in range(0, rows, 7):
            numbers = np.arange(start, min(start + 7, rows))
            reservoir.add(pa.RecordBatch.from_pydict({"n": numbers}))
        table = reservoir.rows()
        assert table is not None and table.num_rows == size
        counts[table["n"].to_numpy()] += 1
    # Draws without replacement: the counts vary less than a multinomial's would.
    statistic = ((counts - seeds * size / rows) ** 2).sum()
    statistic /= seeds * (size / rows) * (1 - size / rows) * rows / (rows - 1)
    assert scipy.stats.chi2.sf(statistic, rows - 1) > 0.001


def test_a_short_stream_stays_whole() -> None:
    reservoir = Reservoir(10, np.random.default_rng(0))
    reservoir.add(pa.RecordBatch.from_pydict({"n": [3, 1, 2]}))
    table = reservoir.rows()
    assert table is not None and table["n"].to_pylist() == [3, 1, 2]


def refused(call: Any, *words: str, error: type[ClickwrightError] = DataError) -> None:
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_a_gap_is_refused_with_what_is_missing(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1, 2, 4, 5)
    refused(log.find, "gap", "3 is not there", "--span 4..5")
    log.run("2")
    refused(log.find, "gap", "2..5", "3 is not there")
    assert log.find("4..5").choice.whole == (4,)


def test_a_span_that_is_not_there_is_refused(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    refused(log.find, "no spans", "span-1/")
    log.add(1, 2, 4)
    refused(lambda: log.find("3"), "The span 3 is not there", "1..2, 4")


def test_a_span_that_arrives_twice_is_refused(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1, 2)
    log.run()
    log.add(2, rows=30)
    refused(log.find, "span 2 has arrived twice", "span-2", "new number")
    log.add(3)
    refused(log.find, "span 2 has arrived twice")


def test_a_span_copied_anew_with_the_same_rows_is_the_same(
    tmp_path: pathlib.Path,
) -> None:
    log = Log(tmp_path)
    log.add(1)
    log.run()
    file = log.folder / "span-1/all/part.parquet"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)
    assert log.find().choice.newest == 1


def test_rows_may_be_mended_until_a_blessed_model_has_learned_from_them(
    tmp_path: pathlib.Path,
) -> None:
    log = Log(tmp_path)
    log.add(1)
    log.run(state="not_blessed")
    log.add(1, rows=30)
    assert log.lay().rows["train"] == 21


def test_two_folders_of_one_number_are_refused(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1)
    (log.folder / "span-01").mkdir()
    refused(log.find, "span 1 is there twice", "span-01")


def test_a_span_before_the_blessed_model_is_refused(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1, 2)
    log.run("2")
    refused(lambda: log.find("1"), "lies before the span 2", error=ConfigError)


@pytest.mark.parametrize("text", ["", "newest", "3..1", "-1", "1..", "1...2"])
def test_a_request_must_be_latest_a_number_or_a_range(text: str) -> None:
    refused(lambda: SpanRequest.parse(text), "8..14", repr(text), error=ConfigError)


def test_a_damaged_journal_is_told_with_its_line(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1)
    log.run()
    path = tmp_path / "spans.jsonl"
    log.journal.write(path)
    with path.open("a") as file:
        file.write('{"span": 2\n')
    refused(lambda: SpanJournal.read(path), "spans.jsonl, line 2")


def test_the_journal_knows_the_last_end_of_each_span(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1, 2)
    log.run("1")
    log.run("2", state="failed")
    log.journal.write(tmp_path / "spans.jsonl")
    journal = SpanJournal.read(tmp_path / "spans.jsonl")
    assert journal.ended(1) is not None
    assert journal.ended(2) is None
    assert journal.newest_blessed() == 1


@pytest.mark.parametrize("bad", [1, 2])
def test_a_bad_row_is_told_with_the_file_of_its_span(
    bad: int, tmp_path: pathlib.Path
) -> None:
    log = Log(tmp_path)
    log.add(1, 2)
    path = log.folder / f"span-{bad}/all/part.parquet"
    table = pq.read_table(path)
    clicks = [*table["click"].to_pylist()[:-3], 7, 0, 1]
    pq.write_table(table.set_column(0, "click", pa.array(clicks)), path)

    def ingest() -> None:
        laid = log.lay()
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / "examples")
        folder = laid.folder / f"span-{laid.choice.newest}"
        spec = log.spec.model_copy(update={"split": GivenSplit(kind="given")})
        splits = [
            example_gen_pb2.Input.Split(name=split, pattern=f"{split}/*")
            for split in SPLITS
        ]
        Executor().Do(
            {},
            {"examples": [examples]},
            {
                "input_base": str(folder),
                "input_config": proto_utils.proto_to_json(
                    example_gen_pb2.Input(splits=splits)
                ),
                "feature_spec": spec.model_dump_json(),
                "log_format": "parquet",
            },
        )

    refused(ingest, str(path), "row 18", "Received: 7")


def test_a_split_without_rows_is_refused(tmp_path: pathlib.Path) -> None:
    log = Log(tmp_path)
    log.add(1, rows=2)
    refused(log.lay, "would have no rows", "span-1")
    assert not list((log.out / "data").iterdir())
