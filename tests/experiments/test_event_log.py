"""Records that are logged stay logged, whole and once."""

import concurrent.futures
import datetime
import os
import pathlib
import signal
import subprocess
import sys
import threading
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from event_rows import exposure, exposures, outcome, outcomes

from clickwright.experiments.events import files, frames
from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.events.event_store import EventStore
from clickwright.experiments.events.log_options import LogOptions
from clickwright.schemas.errors import ConfigError, DataError, MachineError


def read(folder: pathlib.Path, kind: frames.Kind = "exposure") -> pa.Table:
    with duckdb.connect() as connection:
        relation = EventStore(folder, kind).relation(connection)
        return relation.order(frames.IDS[kind]).to_arrow_table()


def ids(folder: pathlib.Path) -> list[str]:
    return sorted(read(folder)["request_id"].to_pylist())


def in_folder(folder: pathlib.Path, kind: str = "exposures") -> set[str]:
    return {path.suffix for path in (folder / kind).iterdir() if path.suffix}


RICH = exposure(
    7,
    label="canary",
    scores=(0.5, float("nan"), 1e-30),
    failed_variant="treatment",
    failure='deadline\n"exceeded" \u2028 \x00 ü',
    override=True,
    shadow_version=2**62,
    shadow_difference=0.25,
    attributes={"device": "phone", "segment": "a,b"},
    at=datetime.datetime(
        2026, 11, 1, 2, 3, 4, 56, datetime.timezone(datetime.timedelta(hours=2))
    ),
)


def test_a_record_reads_back_from_the_segment_and_from_parquet_as_it_was_given(
    tmp_path: pathlib.Path,
) -> None:
    written = exposures(exposure(1), RICH)
    scores = written["scores"].to_pylist()
    scores[1][1] = None  # NaN has no name in JSON
    at = written.schema.get_field_index("scores")
    expected = written.set_column(
        at, written.schema.field(at), pa.array(scores, pa.list_(pa.float32()))
    )
    with EventLog(tmp_path, "exposure") as log:
        log.append(exposure(1))
        log.append(RICH)
        live = read(tmp_path)
        assert in_folder(tmp_path) == {".jsonl", ".json"}
    assert in_folder(tmp_path) == {".parquet", ".json"}

    assert live.cast(expected.schema).to_pylist() == expected.to_pylist()
    assert read(tmp_path).cast(expected.schema).to_pylist() == expected.to_pylist()


def test_outcomes_and_exposures_have_logs_of_their_own(tmp_path: pathlib.Path) -> None:
    with EventLog(tmp_path, "exposure") as one, EventLog(tmp_path, "outcome") as two:
        one.append(exposure(1))
        two.append(outcome(2, unit="u2", request_id=None, position=1))

    assert ids(tmp_path) == ["r1"]
    assert (
        read(tmp_path, "outcome").to_pylist()
        == outcomes(outcome(2, unit="u2", request_id=None, position=1)).to_pylist()
    )


def test_a_log_without_records_reads_as_empty(tmp_path: pathlib.Path) -> None:
    EventLog(tmp_path, "exposure").close()

    assert read(tmp_path).num_rows == read(tmp_path, "outcome").num_rows == 0
    with pytest.raises(DataError, match="no such folder"):
        EventStore(tmp_path / "other")


def test_an_id_counts_once_the_first_time_it_was_logged(tmp_path: pathlib.Path) -> None:
    for variant in ("first", "second", "third"):
        with EventLog(tmp_path, "exposure") as log:
            for number in range(3):
                log.append(exposure(number, variant=variant))
            log.append(exposure(3, variant=variant, request_id=variant))
    with EventLog(tmp_path, "exposure") as log:
        log.append(exposure(0, variant="live"))
        log.append(exposure(9, variant="live"))
        log.append(exposure(9, variant="again"))
        variants = {
            row["request_id"]: row["variant"] for row in read(tmp_path).to_pylist()
        }

    assert variants == {
        **{f"r{number}": "first" for number in range(3)},
        **{variant: variant for variant in ("first", "second", "third")},
        "r9": "live",
    }


def test_full_segments_become_parquet_while_the_log_goes_on(
    tmp_path: pathlib.Path,
) -> None:
    options = LogOptions(segment_bytes=2_000, sync_seconds=0.01)
    with EventLog(tmp_path, "exposure", options) as log:
        for number in range(50):
            log.append(exposure(number))
        while not EventStore(tmp_path).files():
            threading.Event().wait(0.01)
        log.append(exposure(50))
        assert len(ids(tmp_path)) == 51


def test_an_old_segment_becomes_parquet_though_it_is_small(
    tmp_path: pathlib.Path,
) -> None:
    options = LogOptions(segment_seconds=0.02, sync_seconds=0.01)
    with EventLog(tmp_path, "exposure", options) as log:
        log.append(exposure(1))
        while not EventStore(tmp_path).files():
            threading.Event().wait(0.01)


@pytest.mark.parametrize("sync", ["always", "interval", "never"])
def test_records_of_many_threads_are_all_there(
    tmp_path: pathlib.Path, sync: Any
) -> None:
    options = LogOptions(sync=sync, segment_bytes=3_000, sync_seconds=0.005)
    with (
        EventLog(tmp_path, "exposure", options) as log,
        concurrent.futures.ThreadPoolExecutor(8) as threads,
    ):
        list(threads.map(lambda n: log.append(exposure(n)), range(200)))
    assert ids(tmp_path) == sorted(f"r{number}" for number in range(200))


def test_waiting_threads_share_one_sync(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, syncs = threading.Event(), []

    def slow(descriptor: int) -> None:
        go.wait(30)
        syncs.append(descriptor)

    with EventLog(tmp_path, "exposure", LogOptions(sync="always")) as log:
        monkeypatch.setattr(os, "fdatasync", slow)
        with concurrent.futures.ThreadPoolExecutor(20) as threads:
            done = [threads.submit(log.append, exposure(n)) for n in range(20)]
            while len(ids(tmp_path)) < 20:  # in the kernel, not on the disk
                threading.Event().wait(0.01)
            assert not any(future.done() for future in done)
            go.set()
            for future in done:
                future.result(30)
        assert 1 <= len(syncs) <= 2


def test_after_a_refused_sync_nothing_is_acknowledged(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with EventLog(tmp_path, "exposure", LogOptions(sync="always")) as log:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", broken)
            with pytest.raises(MachineError, match="Input/output"):
                log.append(exposure(1))
        with pytest.raises(MachineError, match="Input/output"):
            log.append(exposure(2))
    assert EventStore(tmp_path).lost() == {"test": 2}


def test_a_second_writer_is_refused_until_the_first_has_ended(
    tmp_path: pathlib.Path,
) -> None:
    with (
        EventLog(tmp_path, "exposure"),
        pytest.raises(ConfigError, match="Another process writes"),
    ):
        EventLog(tmp_path, "exposure")
    EventLog(tmp_path, "exposure").close()


@pytest.mark.parametrize("torn", [1, 5, 27, 28, 100])
def test_a_torn_record_is_cut_off_and_all_before_it_stay(
    tmp_path: pathlib.Path, torn: int
) -> None:
    folder = tmp_path / "exposures"
    folder.mkdir()
    lines = [frames.encode(exposure(number)) for number in range(3)]
    segment = files.segment_path(folder, 4)
    segment.write_bytes(lines[0] + lines[1] + lines[2][:torn])
    assert ids(tmp_path) == ["r0", "r1"]  # a reader before any writer

    with EventLog(tmp_path, "exposure") as log:
        log.append(exposure(5))
    assert ids(tmp_path) == ["r0", "r1", "r5"]


def test_a_record_whose_bytes_were_changed_is_not_read(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "exposures"
    folder.mkdir()
    lines = [frames.encode(exposure(number)) for number in range(2)]
    changed = lines[1].replace(b'"u1"', b'"u2"')
    files.segment_path(folder, 1).write_bytes(lines[0] + changed)

    assert ids(tmp_path) == ["r0"]


def test_a_writer_killed_between_parquet_and_its_segment_duplicates_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # The part is there, the segment was not removed.
        patch.setattr(pathlib.Path, "unlink", lambda *_, **__: None)
        with EventLog(tmp_path, "exposure") as log:
            log.append(exposure(1))
    assert in_folder(tmp_path) == {".jsonl", ".parquet", ".json"}
    staged = tmp_path / "exposures" / ".staged-000000000009.parquet"
    staged.write_bytes(b"PAR1")
    assert ids(tmp_path) == ["r1"]

    EventLog(tmp_path, "exposure").close()
    assert in_folder(tmp_path) == {".parquet", ".json"}
    assert not staged.exists()
    assert ids(tmp_path) == ["r1"]


def test_a_shadow_that_answers_nan_costs_no_exposure(tmp_path: pathlib.Path) -> None:
    with EventLog(tmp_path, "exposure") as log:
        log.append(exposure(1, shadow_version=2, shadow_difference=float("nan")))
    (row,) = read(tmp_path).to_pylist()
    assert (row["shadow_version"], row["shadow_difference"]) == (2, None)


@pytest.mark.parametrize(
    "values",
    [
        {"latency_ms": float("inf")},
        {"version": 2**63},
        {"bucket": 2**31},
        {"version": 1.0},
        {"unit": None},
        {"unit": 5},
        {"unit": "\ud800"},
        {"override": "yes"},
        {"attributes": {"device": 3}},
        {"at": datetime.datetime(2026, 11, 1)},
        {"scores": ("high",)},
        {"scores": (0.123456789,) * 200_000},
    ],
    ids=lambda values: next(iter(values)),
)
def test_what_does_not_fit_is_refused_and_harms_no_other_record(
    tmp_path: pathlib.Path, values: dict[str, object]
) -> None:
    with EventLog(tmp_path, "exposure") as log:
        log.append(exposure(1))
        with pytest.raises(DataError, match="fit the log|bytes; the most"):
            log.append(exposure(2, **values))
        log.append(exposure(3))
    assert ids(tmp_path) == ["r1", "r3"]


def test_a_log_at_its_size_refuses_and_counts_what_is_lost(
    tmp_path: pathlib.Path,
) -> None:
    options = LogOptions(max_bytes=6_000)
    refused = 0
    with EventLog(tmp_path, "exposure", options) as log:
        for number in range(20):
            try:
                log.append(exposure(number))
            except MachineError as error:
                assert "max_bytes" in str(error)
                refused += 1
    assert 0 < refused < 20
    assert len(ids(tmp_path)) == 20 - refused
    assert EventStore(tmp_path).lost() == {"test": refused}
    with (
        EventLog(tmp_path, "exposure", LogOptions(max_bytes=1)) as log,
        pytest.raises(MachineError),
    ):
        log.append(exposure(1))
    assert EventStore(tmp_path).lost() == {"test": refused + 1}


FULL_DISK = """
import pathlib, resource, sys, threading
from event_rows import exposure
from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.events.log_options import LogOptions
from clickwright.schemas.errors import MachineError

log = EventLog(pathlib.Path(sys.argv[1]), "exposure")
limit = 10_000  # of every file: the kernel takes part of a record, then refuses
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
kept = 0
for number in range(100):
    try:
        log.append(exposure(number))
        kept += 1
    except MachineError:
        break
for attempt in range(2):
    try:
        log.append(exposure(1000))
        sys.exit("the disk was not full")
    except MachineError:
        pass
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
log.append(exposure(number))  # there is room again
log.close()
print(kept)
"""


def test_a_full_disk_takes_a_record_whole_or_not_at_all(
    tmp_path: pathlib.Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept = int(done.stdout)
    assert 10 < kept < 100
    assert ids(tmp_path) == sorted(f"r{number}" for number in range(kept + 1))
    assert EventStore(tmp_path).lost() == {"test": 3}


def test_a_disk_that_refuses_parquet_leaves_the_segments_for_the_next_writer(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MachineError("No space is left on the disk.")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_part", full)
        with EventLog(tmp_path, "exposure") as log:
            log.append(exposure(1))
    assert in_folder(tmp_path) == {".jsonl", ".json"}
    assert ids(tmp_path) == ["r1"]

    EventLog(tmp_path, "exposure").close()
    assert in_folder(tmp_path) == {".parquet", ".json"}
    assert ids(tmp_path) == ["r1"]


KILLED = """
import pathlib, sys, threading
from event_rows import exposure
from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.events.log_options import LogOptions

options = LogOptions(sync=sys.argv[3], segment_bytes=20_000, sync_seconds=0.01)
log = EventLog(pathlib.Path(sys.argv[1]), "exposure", options)
ready = threading.Lock()

def work(worker):
    number = 0
    while True:
        name = f"{sys.argv[2]}-{worker}-{number}"
        log.append(exposure(request_id=name))
        with ready:
            sys.stdout.write(name + "\\n")
            sys.stdout.flush()
        number += 1

for worker in range(3):
    threading.Thread(target=work, args=(worker,)).start()
"""


def killed_after(folder: pathlib.Path, run: int, lines: int, sync: str) -> set[str]:
    """What a writer acknowledged before it was killed with -9."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(run), sync],
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = {process.stdout.readline().strip() for _ in range(lines)}
        process.send_signal(signal.SIGKILL)
        return told | {line.strip() for line in process.stdout if line.endswith("\n")}


@pytest.mark.parametrize("sync", ["interval", "always"])
def test_killed_writers_lose_nothing_acknowledged_and_duplicate_nothing(
    tmp_path: pathlib.Path, sync: str
) -> None:
    acknowledged: set[str] = set()
    for run, lines in enumerate((40, 150) if sync == "always" else (37, 700, 1500)):
        acknowledged |= killed_after(tmp_path, run, lines, sync)
        found = ids(tmp_path)  # the crash itself, before any writer mends it
        assert len(found) == len(set(found))
        assert acknowledged <= set(found)
        # At most the one record a thread that was in the kernel but not told of.
        assert len(found) - len(acknowledged) <= 3 * (run + 1)
    EventLog(tmp_path, "exposure").close()
    assert in_folder(tmp_path) == {".parquet", ".json"}
    assert ids(tmp_path) == found


def test_a_table_is_recorded_at_once(tmp_path: pathlib.Path) -> None:
    with EventLog(tmp_path, "outcome") as log:
        log.append(outcome(1))
        log.append_table(outcomes(outcome(2), outcome(3)))
        log.append_table(outcomes(outcome(2, value=5.0)))
        rows = read(tmp_path, "outcome").to_pylist()
    assert [(row["outcome_id"], row["value"]) for row in rows] == [
        ("o1", 1.0),
        ("o2", 1.0),
        ("o3", 1.0),
    ]
