"""Files of outcomes: CSV, JSON lines, Parquet; read in bounded memory."""

import csv
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from clickwright.experiments.events.row_batch import BrokenRow, RowBatch
from clickwright.schemas.errors import DataError
from clickwright.schemas.events import OUTCOME

_ROWS = 50_000
_LONGEST_LINE = 2**20


def read_batches(path: pathlib.Path) -> Iterator[RowBatch]:
    """Reads a file of outcomes.

    Args:
        path: `.csv` with a header, `.jsonl` (or `.ndjson`) or `.parquet`.

    Raises:
        DataError: there is no such file, its kind is unknown, it is damaged, or its
            columns are not those of outcomes. A single bad row is no error: the batch
            tells of it.
    """
    readers = {
        ".csv": _csv,
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".parquet": _parquet,
    }
    if path.suffix not in readers:
        raise DataError(
            f"Files of outcomes end with {', '.join(readers)}. Received: "
            f"{path.suffix!r}.",
            where=str(path),
            fix="name the file after what it holds",
        )
    try:
        yield from readers[path.suffix](path)
    except OSError as error:
        raise DataError(
            f"The file cannot be read: {error.strerror or error}.",
            where=str(path),
            fix="give the path of a file of outcomes",
        ) from error


def _csv(path: pathlib.Path) -> Iterator[RowBatch]:
    # Bytes that are no UTF-8 become characters that no rule lets pass.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        names = next(reader, None)
        if names is None:
            raise DataError(
                "The file is empty.", where=str(path), fix="write a header at least"
            )
        _check_columns(names, path)
        rows: list[list[str]] = []
        numbers: list[int] = []
        broken: list[BrokenRow] = []
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                broken.append(BrokenRow(reader.line_num, f"No CSV: {error}.", None))
                continue
            if row is not None and len(row) == len(names):
                rows.append(row)
                numbers.append(reader.line_num)
            elif row:
                reason = f"{len(row)} values for {len(names)} columns."
                broken.append(BrokenRow(reader.line_num, reason, row))
            if row is None or len(rows) + len(broken) >= _ROWS:
                columns = zip(*rows, strict=True) if rows else [()] * len(names)
                yield RowBatch(numbers, dict(zip(names, columns, strict=True)), broken)
                rows, numbers, broken = [], [], []
            if row is None:
                return


def _json_lines(path: pathlib.Path) -> Iterator[RowBatch]:
    known = set(OUTCOME.names)
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    broken: list[BrokenRow] = []

    def batch() -> RowBatch:
        columns = {name: [row.get(name) for row in rows] for name in OUTCOME.names}
        return RowBatch(numbers, columns, broken)

    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                while (more := file.readline(_LONGEST_LINE)) and more[-1:] != b"\n":
                    pass
                reason = f"The line has more than {_LONGEST_LINE:,} bytes."
                broken.append(BrokenRow(number, reason, None))
                continue
            if not line.strip():
                continue
            row, reason = _json_row(line)
            if row is None:
                content = line.decode(errors="backslashreplace").rstrip()
                broken.append(BrokenRow(number, reason, content))
            elif unknown := sorted(row.keys() - known):
                reason = f"Unknown: {', '.join(unknown)[:200]}."
                broken.append(BrokenRow(number, reason, row))
            else:
                rows.append(row)
                numbers.append(number)
            if len(rows) + len(broken) >= _ROWS:
                yield batch()
                rows, numbers, broken = [], [], []
    yield batch()


def _json_row(line: bytes) -> tuple[dict[str, Any] | None, str]:
    """The object of a line, or what is wrong with it."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, f"No JSON: {error}."
    return (row, "") if isinstance(row, dict) else (None, "No JSON object.")


def _parquet(path: pathlib.Path) -> Iterator[RowBatch]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, path)
            first = 1
            for rows in file.iter_batches(_ROWS):
                numbers = range(first, first + rows.num_rows)
                columns = dict(zip(rows.schema.names, rows.columns, strict=True))
                yield RowBatch(numbers, columns)
                first += rows.num_rows
    except pa.ArrowException as error:
        raise DataError(
            f"The file is damaged: {error}.",
            where=str(path),
            fix="write the file again",
        ) from error


def _check_columns(names: Sequence[str], path: pathlib.Path) -> None:
    """Refuses a file whose header tells that no row of it can be right."""
    unknown = [name for name in names if name not in OUTCOME.names]
    missing = [
        field.name
        for field in OUTCOME
        if not field.nullable and field.name not in names
    ]
    if not {"request_id", "unit"} & set(names):
        missing.append("request_id (or unit)")
    twice = sorted({name for name in names if names.count(name) > 1})
    problems = [
        f"{what}: {', '.join(found)[:500]}."
        for what, found in (
            ("Unknown columns", unknown),
            ("Missing columns", missing),
            ("Columns written twice", twice),
        )
        if found
    ]
    if problems:
        raise DataError(
            " ".join(problems),
            where=str(path),
            fix=f"give some of the columns {', '.join(OUTCOME.names)}",
        )
