"""Outcomes from files into the log: every row is taken, or kept with the reason."""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc

from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.events.outcome_files import read_batches
from clickwright.experiments.events.row_batch import BrokenRow, RowBatch
from clickwright.experiments.hashing import pseudonym
from clickwright.schemas.errors import DataError, storage_error
from clickwright.schemas.events import OUTCOME, Outcome
from clickwright.schemas.source import progress

REJECTS = "rejects"
"""Folder of the rows that were not taken, in the folder of the logs."""

_PART_ROWS = 500_000
_CLOSELY = 1_000  # rows that are looked at one by one where any of them is bad

# What passes these passes `Outcome.checked`; the rest is asked there, row by row.
_PLAIN_ID = r"^[!-~]([ -~]{0,254}[!-~])?$"
_PLAIN_NAME = r"^[a-z0-9_]{1,64}$"
_PLAIN_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})$"
)


@dataclasses.dataclass(frozen=True)
class Ingested:
    """What became of a file.

    Attributes:
        taken: rows that are in the log now.
        rejected: rows that are not.
        rejects: where these are, one JSON object a line: `row`, `reason`, `content`;
            None without any.
    """

    taken: int
    rejected: int
    rejects: pathlib.Path | None


def ingest(path: pathlib.Path, log: EventLog, secret: bytes | None = None) -> Ingested:
    """Takes the outcomes of a file into the log.

    It may be done again with the same file, as after a crash: ids count once.

    Args:
        path: CSV, JSON lines or Parquet, with the columns of `OUTCOME`.
        log: of outcomes.
        secret: makes pseudonyms of the units, as experiments with `hash_units` log
            them; None: the units of the file are what the exposures have.

    Raises:
        DataError: the file cannot be read, or has not the columns of outcomes.
        MachineError: the disk is full or refuses.
    """
    name = f"{path.name}-{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    rejects = log.folder.parent / REJECTS / f"{name}.jsonl"
    staged = rejects.with_suffix(".part")
    taken = rejected = 0
    waiting: list[pa.Table] = []
    try:
        rejects.parent.mkdir(parents=True, exist_ok=True)
        with staged.open("w", encoding="utf-8") as file:
            for batch in read_batches(path):
                good, broken = _checked(_hashed(batch, secret), path)
                waiting.append(good)
                if sum(rows.num_rows for rows in waiting) >= _PART_ROWS:
                    log.append_table(pa.concat_tables(waiting))
                    waiting = []
                _write(broken, file)
                taken, rejected = taken + good.num_rows, rejected + len(broken)
                progress.info(
                    path.name,
                    extra={"rows": taken, "detail": f"{rejected:,} rejected"},
                )
            if any(rows.num_rows for rows in waiting):
                log.append_table(pa.concat_tables(waiting))
        if rejected:
            staged.replace(rejects)
        else:
            rejects.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, rejects) from error
    finally:
        staged.unlink(missing_ok=True)
    return Ingested(taken, rejected, rejects if rejected else None)


def _hashed(batch: RowBatch, secret: bytes | None) -> RowBatch:
    if secret is None:
        return batch
    broken = [dataclasses.replace(row, content=None) for row in batch.broken]
    columns = dict(batch.columns)
    if "unit" in columns:
        units = columns["unit"]
        columns["unit"] = [
            None if unit in (None, "") else pseudonym(str(unit), secret)
            for unit in (units.to_pylist() if isinstance(units, pa.Array) else units)
        ]
    return dataclasses.replace(batch, columns=columns, broken=broken)


def _checked(batch: RowBatch, path: pathlib.Path) -> tuple[pa.Table, list[BrokenRow]]:
    """The rows that are outcomes, and those that are not."""
    together = _all_plain(batch)
    if together is not None:
        return together, list(batch.broken)
    count = len(batch.numbers)
    if count > _CLOSELY:  # most rows of a batch with a bad one are good
        halves = batch.part(0, count // 2), batch.part(count // 2, count)
        (first, bad), (second, worse) = (_checked(half, path) for half in halves)
        good, broken = pa.concat_tables([first, second]), [*bad, *worse]
    else:
        good, broken = _closely(batch, path)
    broken += batch.broken
    return good, sorted(broken, key=lambda row: row.row)


def _closely(batch: RowBatch, path: pathlib.Path) -> tuple[pa.Table, list[BrokenRow]]:
    good: list[Outcome] = []
    broken: list[BrokenRow] = []
    for number, row in batch.rows():
        try:
            good.append(Outcome.checked(row, f"{path}, row {number}"))
        except DataError as error:
            broken.append(BrokenRow(number, error.what, row))
    columns = [
        pa.array([getattr(outcome, field.name) for outcome in good], field.type)
        for field in OUTCOME
    ]
    return pa.table(columns, OUTCOME), broken


def _all_plain(batch: RowBatch) -> pa.Table | None:
    """The rows as a table; None where any of them needs a closer look."""
    try:
        columns = {
            field.name: _column(batch.columns[field.name], field.type)
            if field.name in batch.columns
            else pa.nulls(len(batch.numbers), field.type)
            for field in OUTCOME
        }
        plain = (
            all(
                _all(pc.match_substring_regex(columns[name], _PLAIN_ID))
                for name in ("outcome_id", "request_id", "unit")
            )
            and _all(pc.match_substring_regex(columns["name"], _PLAIN_NAME))
            and _all(pc.is_finite(columns["value"]))
            and _all(pc.greater_equal(columns["position"], 0))
            and _all(
                pc.or_(pc.is_valid(columns["request_id"]), pc.is_valid(columns["unit"]))
            )
            and not any(
                columns[field.name].null_count
                for field in OUTCOME
                if not field.nullable
            )
        )
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return None
    return (
        pa.table([columns[name] for name in OUTCOME.names], OUTCOME) if plain else None
    )


def _column(values: Any, type_: pa.DataType) -> pa.Array:
    """Values as Arrow has them, empty text as null.

    Raises:
        ArrowException: a value is of another type, or does not fit.
    """
    column = values if isinstance(values, pa.Array) else pa.array(values)
    if pa.types.is_dictionary(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        column = pc.if_else(pc.equal(column, ""), None, column)
        if pa.types.is_timestamp(type_) and not _all(
            pc.match_substring_regex(column, _PLAIN_TIME)
        ):
            raise pa.ArrowInvalid("a time needs a closer look")
        return column.cast(type_)
    fits = {
        pa.string(): pa.types.is_integer,
        pa.float64(): lambda t: pa.types.is_integer(t) or pa.types.is_floating(t),
        pa.int32(): pa.types.is_integer,
    }.get(type_, lambda t: pa.types.is_timestamp(t) and t.tz is not None)
    if not (pa.types.is_null(column.type) or fits(column.type)):
        raise pa.ArrowInvalid(f"{column.type} needs a closer look")
    return column.cast(type_)


def _all(flags: pa.Array) -> bool:
    """Whether all that are not null are true."""
    return pc.all(flags, skip_nulls=True, min_count=0).as_py() is not False


def _write(broken: list[BrokenRow], file: TextIO) -> None:
    for row in broken:
        json.dump(dataclasses.asdict(row), file, default=str)
        file.write("\n")
