"""`clickwright events` takes every row or tells why not."""

import csv
import datetime
import json
import pathlib
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest
from event_rows import START, exposure, outcome, outcomes
from tiny_shop import Command

from clickwright.experiments.events import ingest, outcome_files
from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.events.event_store import EventStore
from clickwright.experiments.hashing import pseudonym
from clickwright.schemas.events import OUTCOME, Outcome

GOOD: list[dict[str, Any]] = [
    {
        "outcome_id": f"o{n}",
        "request_id": f"r{n}" if n % 2 else None,
        "unit": None if n % 2 else f"user {n}",
        "name": "click",
        "value": n / 2,
        "position": n if n % 3 else None,
        "at": START + datetime.timedelta(seconds=n, microseconds=n),
    }
    for n in range(7)
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"outcome_id": None}, "`outcome_id` is needed"),
    ({"outcome_id": "two\nlines"}, "printable"),
    ({"outcome_id": "x" * 300}, "1 to 256"),
    ({"name": "Click"}, "small letters"),
    ({"value": "nan"}, "must be a number"),
    ({"value": "much"}, "must be a number"),
    ({"position": -1}, "from 0"),
    ({"position": 2**31}, "from 0"),
    ({"at": "2026-11-01T00:00:00"}, "time zone"),
    ({"at": "yesterday"}, "ISO 8601"),
    ({"request_id": None, "unit": ""}, "`unit` is needed"),
]
UNUSUAL: list[dict[str, Any]] = [
    {"outcome_id": "ünï", "at": "2026-11-01T02:00:00+02:00"},
    {"outcome_id": "week", "at": "2026-W44-7T00:00:00Z"},
]


def row(**values: Any) -> dict[str, Any]:
    given = {**GOOD[1], "outcome_id": "odd", "at": START.isoformat()}
    return given | values


def write(path: pathlib.Path, rows: list[dict[str, Any]]) -> pathlib.Path:
    plain = [
        {
            k: v.isoformat() if isinstance(v, datetime.datetime) else v
            for k, v in one.items()
        }
        for one in rows
    ]
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, OUTCOME.names)
            writer.writeheader()
            writer.writerows(plain)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(one) + "\n" for one in plain))
    else:
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def logged(folder: pathlib.Path) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        relation = EventStore(folder, "outcome").relation(connection)
        return relation.order("outcome_id").to_arrow_table().cast(OUTCOME).to_pylist()


def rejects(folder: pathlib.Path) -> list[dict[str, Any]]:
    (path,) = (folder / "rejects").iterdir()
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_outcomes_are_taken_from_files_and_count_once(
    command: Command, tmp_path: pathlib.Path, suffix: str
) -> None:
    path = write(tmp_path / f"clicks{suffix}", GOOD)
    for _ in range(2):
        code, out, _ = command("events", "ingest", path, "--log", tmp_path / "log")
        assert code == 0
        assert "7 outcomes taken" in out
    assert (
        logged(tmp_path / "log")
        == outcomes(*(Outcome(**one) for one in GOOD)).to_pylist()
    )
    assert not list((tmp_path / "log" / "rejects").iterdir())


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_rows_that_break_a_rule_are_kept_with_the_reason(
    command: Command,
    tmp_path: pathlib.Path,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outcome_files, "_ROWS", 12)
    monkeypatch.setattr(ingest, "_CLOSELY", 3)
    bad = [row(**values) for values, _ in BAD]
    rows = [row(**UNUSUAL[0]), *bad, *GOOD, row(**UNUSUAL[1])]
    path = write(tmp_path / f"clicks{suffix}", rows)
    code, out, _ = command("events", "ingest", path, "--log", tmp_path / "log")

    assert code == 1
    assert "9 outcomes taken, 11 rows rejected" in out
    taken = logged(tmp_path / "log")
    assert {one["outcome_id"] for one in taken} == {
        *(one["outcome_id"] for one in GOOD),
        "ünï",
        "week",
    }
    assert {one["at"] for one in taken if one["outcome_id"] in ("ünï", "week")} == {
        START
    }
    kept = rejects(tmp_path / "log")
    assert len(kept) == len(BAD)
    for reject, (values, reason) in zip(kept, BAD, strict=True):
        assert reason in reject["reason"]
        for name, value in values.items():
            assert (reject["content"][name] or None) in (value or None, str(value))
    if suffix == ".jsonl":
        assert [reject["row"] for reject in kept] == list(range(2, 13))

    write(path, GOOD)  # mended
    assert command("events", "ingest", path, "--log", tmp_path / "log")[0] == 0
    assert not list((tmp_path / "log" / "rejects").iterdir())


def test_lines_that_are_no_rows_are_kept_with_the_reason(
    command: Command, tmp_path: pathlib.Path
) -> None:
    good = json.dumps(row())
    lines = [b"{", good.encode(), b"[1]", b"", good[:-1].encode() + b', "x": 1}']
    lines += [b'{"a": "' + b"x" * 2**20 + b'"}', b"\xff\xfe", b"[" * 100_000]
    path = tmp_path / "clicks.jsonl"
    path.write_bytes(b"\n".join(lines))
    code, out, _ = command("events", "ingest", path, "--log", tmp_path / "log")
    assert code == 1
    assert "1 outcomes taken, 6 rows rejected" in out
    assert [reject["row"] for reject in rejects(tmp_path / "log")] == [1, 3, 5, 6, 7, 8]

    path = tmp_path / "clicks.csv"
    header = ",".join(OUTCOME.names)
    path.write_bytes(
        f"{header}\no1,r1,,click,1,,{START.isoformat()}\no2,r1\n".encode()
        + f"o\xff,r1,,click,1,,{START.isoformat()}\n".encode("latin-1")
        + f"o3,r1,,click,1,,{START.isoformat()},9\n\n".encode()
    )
    code, out, _ = command("events", "ingest", path, "--log", tmp_path / "csv")
    assert "1 outcomes taken, 3 rows rejected" in out
    assert [reject["row"] for reject in rejects(tmp_path / "csv")] == [3, 4, 5]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "outcome_id,name,value,at,request_id,colour\n", "Unknown columns: c"),
        ("a.csv", "outcome_id,name,value,request_id\n", "Missing columns: at"),
        ("a.csv", "outcome_id,name,value,at\n", "request_id (or unit)"),
        ("a.csv", "outcome_id,name,value,at,unit,unit\n", "written twice: unit"),
        ("a.csv", "", "is empty"),
        ("a.txt", "", "end with .csv"),
        ("a.parquet", "PAR1", "is damaged"),
        ("missing.csv", None, "cannot be read"),
    ],
)
def test_files_that_hold_no_outcomes_are_refused(
    command: Command,
    tmp_path: pathlib.Path,
    name: str,
    content: str | None,
    message: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    code, _, error = command("events", "ingest", tmp_path / name, "-l", tmp_path / "l")
    assert code == 1
    assert message in error
    assert logged(tmp_path / "l") == []


def test_units_become_the_pseudonyms_of_the_exposures(
    command: Command, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path / "clicks.jsonl", [GOOD[0], row(unit="ann@shop", value="much")]
    )
    arguments = ("events", "ingest", path, "--log", tmp_path / "log")
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    code, _, error = command(*arguments, "--secret_env", "SHOP_SECRET")
    assert code == 1
    assert "SHOP_SECRET is not set" in error

    monkeypatch.setenv("SHOP_SECRET", "pepper")
    command(*arguments, "--secret_env", "SHOP_SECRET")
    assert [one["unit"] for one in logged(tmp_path / "log")] == [
        pseudonym("user 0", b"pepper")
    ]
    for file in (tmp_path / "log").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(word in content for word in (b"ann", b"user 0", b"pepper"))


def test_ingestion_waits_for_no_writer(
    command: Command, tmp_path: pathlib.Path
) -> None:
    path = write(tmp_path / "clicks.jsonl", GOOD)
    with EventLog(tmp_path, "outcome"):
        code, _, error = command("events", "ingest", path, "--log", tmp_path)
    assert code == 1
    assert "Another process writes this log" in error


def test_the_newest_records_are_shown_as_they_come(
    command: Command,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for start in (0, 3):
        with EventLog(tmp_path, "exposure") as log:
            for number in range(start, start + 3):
                log.append(exposure(number, attributes={"device": "tv"}))
    log = EventLog(tmp_path, "exposure")
    log.append(exposure(6))

    def shown(*arguments: str | pathlib.Path) -> list[dict[str, Any]]:
        _, out, _ = command("events", "tail", "--log", tmp_path, *arguments)
        return [json.loads(line) for line in out.splitlines()]

    assert [one["request_id"] for one in shown("-n", "5")] == [
        f"r{n}" for n in range(2, 7)
    ]
    assert shown("-n", "2")[0]["attributes"] == {"device": "tv"}
    assert shown("--kind", "outcome") == []

    def later(seconds: float) -> None:
        if not more:
            raise KeyboardInterrupt
        more.pop()()

    # One more record, then Parquet in place of the segment, then the end.
    more = [log.close, lambda: log.append(exposure(7))]
    monkeypatch.setattr("time.sleep", later)
    _, out, _ = command("events", "tail", "--log", tmp_path, "-n", "1", "-f")
    assert [json.loads(line)["request_id"] for line in out.splitlines()] == ["r6", "r7"]


def test_stats_count_each_id_once(command: Command, tmp_path: pathlib.Path) -> None:
    with EventLog(tmp_path, "exposure") as log:
        for number in (1, 2, 2, 3):
            log.append(exposure(number, unit="u", at=START))
    with EventLog(tmp_path, "outcome") as log:
        for number in (1, 1, 2):
            log.append(outcome(number, value=2.5))
    code, out, _ = command("events", "stats", "--log", tmp_path, "--json")
    found = json.loads(out)

    assert code == 0
    (arm,), (clicks,) = found["arms"], found["outcomes"]
    assert (arm["variant"], arm["exposures"], arm["units"]) == ("control", 3, 1)
    assert (clicks["name"], clicks["outcomes"], clicks["total"]) == ("click", 2, 5.0)
    assert (found["repeated_exposures"], found["repeated_outcomes"]) == (1, 1)
    assert found["lost"] == {}

    _, out, _ = command("events", "stats", "--log", tmp_path)
    assert "control" in out
    assert "2026-11-01 00:00:00" in out
    code, _, error = command("events", "stats", "--log", tmp_path / "typo")
    assert code == 1
    assert "no such folder" in error
