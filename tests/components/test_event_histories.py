"""Histories made from events, and checks of those that stand in the log."""

import json
import logging
import pathlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingestion_log import TWO_PROCESSES, ingest, rows_of, write
from tfx.components.example_gen import utils
from tfx.orchestration import data_types
from tfx.types import standard_component_specs

from clickwright.components.ingestion import point_in_time
from clickwright.components.ingestion.component import LogExampleGen
from clickwright.components.ingestion.driver import LogExampleGenDriver
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import SPLITS, FeatureSpec

HISTORY: dict[str, Any] = {
    "kind": "sequence",
    "role": "user",
    "of": "item",
    "max_length": 3,
    "side": {"shop": {"of": "shop", "column": "history_shop"}},
    "times": "history_times",
}
EVENTS: dict[str, Any] = {
    "key": "user",
    "timestamp": "at",
    "columns": {"history": "item", "history_shop": "shop"},
}
SUFFIX = {"parquet": ".parquet", "csv": ".csv", "tfrecord": ".tfrecord"}


def spec(events: dict[str, Any] | None = None, **history: Any) -> FeatureSpec:
    """A log of users, items and shops; histories are made unless `events` is empty."""
    made = EVENTS if events is None else events
    return FeatureSpec.model_validate_json(
        json.dumps(
            {
                "name": "log",
                "labels": {"click": {}},
                "timestamp": "time",
                "split": {"kind": "given"},
                "features": {
                    "user": {
                        "kind": "categorical",
                        "role": "user",
                        "presence": "optional",
                    },
                    "item": {"kind": "categorical", "role": "item", "dtype": "int64"},
                    "shop": {"kind": "categorical", "role": "item"},
                    "history": HISTORY | ({"events": made} if made else {}) | history,
                },
            }
        )
    )


def make_log(rows: int, seed: int) -> pa.Table:
    """Rows of users of whom some have no events, and some are not known at all."""
    rng = np.random.default_rng(seed)
    users = [None, "ghost", *(f"ü{n}" for n in range(8))]
    return pa.table(
        {
            "click": np.arange(rows) % 2,
            "user": pa.array([users[n] for n in rng.integers(0, 10, rows)]),
            "item": rng.integers(0, 9, rows),
            "shop": [f"s{n}" for n in rng.integers(0, 4, rows)],
            "time": rng.integers(1000, 1060, rows),
        }
    )


def make_events(rows: int, seed: int) -> pa.Table:
    """Events in no order, several of one second among them, one a column too many."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "at": rng.integers(990, 1055, rows).astype(np.int32),
            "shop": [f"s{n}" for n in rng.integers(0, 4, rows)],
            "user": [f"ü{n}" for n in rng.integers(1, 9, rows)],
            "item": np.arange(rows) % 9,
            "price": rng.random(rows),
        }
    )


def by_brute_force(
    row: dict[str, Any], events: list[dict[str, Any]], lag: int, length: int
) -> dict[str, list[Any]]:
    """The lists of one row, event by event."""
    known = [
        event
        for event in events
        if event["user"] == row["user"] and row["time"] - event["at"] > lag
    ]
    latest = sorted(known, key=lambda event: event["at"])[-length:]  # a stable sort
    return {
        "history": [event["item"] for event in latest],
        "history_shop": [event["shop"] for event in latest],
        "history_times": [event["at"] for event in latest],
    }


def laid(
    folder: pathlib.Path,
    log: pa.Table,
    events: pa.Table | None,
    file_format: str = "parquet",
) -> pathlib.Path:
    """Writes the log into every split, and the events beside them."""
    for split in SPLITS:
        write(log, folder / "log" / split / f"part-0{SUFFIX[file_format]}")
    if events is not None:
        pq.write_table(events, folder / "log" / "events.parquet", row_group_size=50)
    return folder / "log"


@pytest.mark.parametrize("file_format", list(SUFFIX))
@pytest.mark.parametrize("lag", [0, 7])
def test_histories_hold_what_a_search_event_by_event_finds(
    tmp_path: pathlib.Path, file_format: str, lag: int
) -> None:
    log, events = make_log(120, seed=1), make_events(230, seed=2)
    of = spec(EVENTS | {"lag": lag})

    artifact = ingest(
        laid(tmp_path, log, events, file_format), tmp_path / "out", of, file_format
    )
    found = rows_of(artifact, "train", of)

    everything = events.to_pylist()
    expected = [
        row | by_brute_force(row, everything, lag, length=3) for row in log.to_pylist()
    ]
    assert found == [{name: row[name] for name in of.columns()} for row in expected]
    lengths = [len(row["history"]) for row in expected]
    assert {0, 2, 3} <= set(lengths)  # the rows tell apart
    ties = events.group_by(["user", "at"]).aggregate([("item", "count")])
    assert max(ties["item_count"].to_pylist()) > 1


def test_a_planted_leak_does_not_show(tmp_path: pathlib.Path) -> None:
    log = make_log(60, seed=3)
    users = [user or "ü1" for user in log["user"].to_pylist()]
    log = log.set_column(1, "user", pa.array(users))
    label, times = log["click"].to_numpy(), log["time"].to_numpy()
    # What gives the label away lies at the row's own second, and one second later.
    leaks = pa.table(
        {
            "at": np.concatenate([times, np.minimum(times + 1, times.max())]),
            "shop": ["s0"] * 120,
            "user": users * 2,
            "item": 100 + np.concatenate([label, label]),
            "row": np.concatenate([np.arange(60)] * 2),
        }
    )
    of = spec(max_length=200)

    artifact = ingest(laid(tmp_path, log, leaks), tmp_path / "out", of)

    for number, row in enumerate(rows_of(artifact, "test", of)):
        assert all(time < row["time"] for time in row["history_times"])
        own = {
            (100 + row["click"], times[number]),
            (100 + row["click"], times[number] + 1),
        }
        seen = zip(row["history"], row["history_times"], strict=True)
        assert not own & set(seen)


def test_the_log_of_events_may_lie_anywhere(tmp_path: pathlib.Path) -> None:
    log, events = make_log(30, seed=1), make_events(100, seed=2)
    base = laid(tmp_path, log, events)
    beside = ingest(base, tmp_path / "out", spec())
    (base / "events.parquet").rename(tmp_path / "clicks.parquet")

    elsewhere = ingest(
        base,
        tmp_path / "out2",
        spec(),
        events={"history": str(tmp_path / "clicks.parquet")},
    )

    assert rows_of(elsewhere, "valid", spec()) == rows_of(beside, "valid", spec())


def test_workers_and_parts_of_a_batch_change_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = laid(tmp_path, make_log(120, seed=1), make_events(230, seed=2))
    whole = ingest(base, tmp_path / "out", spec())
    by_two = ingest(base, tmp_path / "out2", spec(), beam=TWO_PROCESSES)
    monkeypatch.setattr(point_in_time, "_VALUES", 3 * 7)  # seven rows at once

    by_seven = ingest(base, tmp_path / "out3", spec())

    rows = rows_of(whole, "train", spec())
    assert rows_of(by_two, "train", spec()) == rows
    assert rows_of(by_seven, "train", spec()) == rows


def test_integer_keys_find_their_events(tmp_path: pathlib.Path) -> None:
    log = make_log(20, seed=1)
    log = log.set_column(2, "item", pa.array(np.arange(20) % 3 + 2**40))
    events = pa.table(
        {
            "at": [900, 901],
            "shop": ["a", "b"],
            "user": ["ü1", "ü2"],
            "item": [2**40, 2**40 + 1],
        }
    )
    of = spec(EVENTS | {"key": "item"})

    artifact = ingest(laid(tmp_path, log, events), tmp_path / "out", of)

    shops = [row["history_shop"] for row in rows_of(artifact, "train", of)]
    assert shops == [[["a"], ["b"], []][n % 3] for n in range(20)]


def test_columns_of_the_log_are_not_read_where_events_are(
    tmp_path: pathlib.Path,
) -> None:
    log, events = make_log(30, seed=1), make_events(100, seed=2)
    stale = log.append_column("history", pa.array(["no list of integers"] * 30))
    made = ingest(laid(tmp_path / "a", log, events), tmp_path / "out", spec())

    artifact = ingest(laid(tmp_path / "b", stale, events), tmp_path / "out2", spec())

    assert rows_of(artifact, "train", spec()) == rows_of(made, "train", spec())


def test_unsorted_events_are_counted(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = pa.table(
        {
            "at": [5, 4, 9, 7, 8, 3],
            "shop": ["s"] * 6,
            "user": ["a", "b", "a", "a", "b", "b"],
            "item": range(6),
        }
    )
    base = laid(tmp_path, make_log(10, seed=1), events)

    with caplog.at_level(logging.INFO, "clickwright.progress"):
        ingest(base, tmp_path / "out", spec())

    # 7 after 9 of user a, 3 after 8 of user b; one user's times say nothing of another's.
    assert (
        "6 events of 2 keys for `history`; 2 stood after a later one of their key and "
        "were sorted"
    ) in caplog.messages


def changed(column: str, values: Callable[[pa.Table], Any]) -> Any:
    def change(events: pa.Table) -> pa.Table:
        index = events.column_names.index(column)
        return events.set_column(index, column, values(events))

    return change


def with_value(column: str, row: int, value: Any) -> Any:
    def values(events: pa.Table) -> pa.Array:
        given = events[column].to_pylist()
        given[row] = value
        return pa.array(given)

    return changed(column, values)


@pytest.mark.parametrize(
    ("change", "message", "where"),
    [
        (lambda e: e.drop_columns(["at"]), "The column `at` is missing.", ""),
        (
            lambda e: e.rename_columns(["at", "shops", "user", "item", "price"]),
            "The column `shop` is missing. Did you mean `shops`?",
            "",
        ),
        (
            changed("item", lambda e: e["shop"]),
            "The column must hold int64. Received: string.",
            ", column `item`",
        ),
        (
            changed("at", lambda e: pa.array(e["at"].to_pylist(), pa.timestamp("s"))),
            "The column must hold int64. Received: timestamp[ms].",
            ", column `at`",
        ),
        (
            with_value("user", 7, None),
            "Every row must hold a value. Received: null (or NaN) in row 8.",
            ", column `user`",
        ),
        (
            with_value("item", 70, None),
            "Every row must hold a value. Received: null (or NaN) in row 71.",
            ", column `item`",
        ),
        (
            with_value("at", 3, -1),
            "must not be negative. Received: -1, and such in 1 of 100 rows.",
            ", column `at`, row 4",
        ),
        (
            changed("at", lambda e: pa.array(e["at"].to_numpy() * 1000)),
            "must not lie after the log's newest row, 1059. Received: ",
            ", column `at`, row 1",
        ),
        (lambda e: e.slice(0, 0), "The file holds no events.", ""),
    ],
)
def test_bad_events_are_named(
    tmp_path: pathlib.Path,
    change: Callable[[pa.Table], pa.Table],
    message: str,
    where: str,
) -> None:
    events = change(make_events(100, seed=2))
    log = make_log(120, seed=1)
    assert max(log["time"].to_pylist()) == 1059
    base = laid(tmp_path, log, events)

    with pytest.raises(DataError, match=re.escape(message)) as caught:
        ingest(base, tmp_path / "out", spec())

    assert caught.value.where == f"{base}/events.parquet{where}"
    assert not list((tmp_path / "out").glob("*"))


def test_an_absent_or_broken_file_of_events_is_named(tmp_path: pathlib.Path) -> None:
    base = laid(tmp_path, make_log(10, seed=1), None)
    with pytest.raises(DataError, match="no file of events to make `history`") as error:
        ingest(base, tmp_path / "out", spec())
    assert error.value.where == f"{base}/events.parquet"
    assert "data.events.history" in error.value.fix

    (base / "events.parquet").write_text("user,item\nü1,3\n")
    with pytest.raises(DataError, match="The file cannot be read"):
        ingest(base, tmp_path / "out", spec())


def test_the_events_belong_to_the_fingerprint(tmp_path: pathlib.Path) -> None:
    base = laid(tmp_path, make_log(10, seed=1), make_events(10, seed=2))

    def fingerprint(of: FeatureSpec) -> str:
        component = LogExampleGen(str(base), of, SPLITS)
        resolved = LogExampleGenDriver(None).resolve_exec_properties(
            dict(component.exec_properties),
            data_types.PipelineInfo("", ""),
            data_types.ComponentInfo("", "", data_types.PipelineInfo("", "")),
        )
        return str(resolved[utils.FINGERPRINT_PROPERTY_NAME])

    made, given = fingerprint(spec()), fingerprint(spec({}))
    assert fingerprint(spec()) == made
    pq.write_table(make_events(11, seed=2), base / "events.parquet")
    assert fingerprint(spec()) != made
    assert fingerprint(spec({})) == given  # of a log whose histories stand in it


def test_the_events_of_a_span_lie_in_it(tmp_path: pathlib.Path) -> None:
    for span, item in ((1, 10), (2, 20)):
        folder = tmp_path / "log" / f"span-{span}"
        log, events = make_log(10, seed=1), make_events(50, seed=2)
        events = events.set_column(3, "item", pa.array(np.full(50, item)))
        for split in SPLITS:
            write(log, folder / split / "part-0.parquet")
        pq.write_table(events, folder / "events.parquet")
    component = LogExampleGen(str(tmp_path / "log"), spec(), SPLITS, span=True)
    resolved = LogExampleGenDriver(None).resolve_exec_properties(
        dict(component.exec_properties),
        data_types.PipelineInfo("", ""),
        data_types.ComponentInfo("", "", data_types.PipelineInfo("", "")),
    )

    artifact = ingest(
        tmp_path / "log",
        tmp_path / "out",
        spec(),
        config=resolved[standard_component_specs.INPUT_CONFIG_KEY],
    )

    rows = rows_of(artifact, "train", spec())
    assert {item for row in rows for item in row["history"]} == {20}


def given_log(**lists: Any) -> pa.Table:
    """A log of four rows with histories of its own."""
    return pa.table(
        {
            "click": [0, 1, 0, 1],
            "user": ["a", "b", "c", "d"],
            "item": [1, 2, 3, 4],
            "shop": ["s"] * 4,
            "time": [100, 200, 300, 400],
            "history": [[1, 2], [], [3], [1, 2, 3]],
            "history_shop": [["x", "y"], [], ["x"], ["x", "x", "z"]],
            "history_times": [[99, 100], [], [5], [7, 7, 8]],
        }
        | lists
    )


@pytest.mark.parametrize("file_format", list(SUFFIX))
def test_given_histories_in_order_pass(
    tmp_path: pathlib.Path, file_format: str
) -> None:
    base = laid(tmp_path, given_log(), None, file_format)
    of = spec({}, presence="optional")

    artifact = ingest(base, tmp_path / "out", of, file_format)

    times = [row["history_times"] or [] for row in rows_of(artifact, "train", of)]
    assert times == [[99, 100], [], [5], [7, 7, 8]]


@pytest.mark.parametrize(
    ("column", "lists", "message", "row"),
    [
        (
            "history_times",
            [[99, 100], [], [], [7, 7, 8]],
            "`history_times` must hold as many values as `history`. Received: 0 and 1.",
            3,
        ),
        (
            "history_shop",
            [["x", "y"], ["z"], ["x"], ["x", "x", "z"]],
            "`history_shop` must hold as many values as `history`. Received: 1 and 0.",
            2,
        ),
        (
            "history_times",
            [[99, 100], [], [5], [8, 7, 6]],
            (
                "must ascend, oldest first. Received: 7 with 8; such are 2 events in 1 "
                "of the 4 rows read at once."
            ),
            4,
        ),
        (
            "history_times",
            [[99, 101], [], [301], [7, 7, 8]],
            (
                "must not lie after the row's own `time`. Received: 101 with 100; such "
                "are 2 events in 2 of the 4 rows read at once."
            ),
            1,
        ),
    ],
)
@pytest.mark.parametrize("file_format", list(SUFFIX))
def test_given_histories_that_leak_or_disagree_are_refused(
    tmp_path: pathlib.Path,
    file_format: str,
    column: str,
    lists: list[Any],
    message: str,
    row: int,
) -> None:
    base = laid(tmp_path, given_log(**{column: lists}), None, file_format)

    with pytest.raises(DataError, match=re.escape(message)) as caught:
        ingest(base, tmp_path / "out", spec({}, presence="optional"), file_format)

    file = base / "train" / f"part-0{SUFFIX[file_format]}"
    assert caught.value.where == f"{file}, column `{column}`, row {row}"
