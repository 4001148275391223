"""The log of exposures or outcomes, as its readers see it."""

import itertools
import os
import pathlib
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet

from clickwright.experiments.events import files, frames
from clickwright.experiments.events.database import reading, reading_file
from clickwright.experiments.events.lost_counts import read_lost
from clickwright.schemas.errors import DataError

_names = itertools.count()


class EventStore:
    """Reads a log at any time, while it is written or after its writer was killed.

    Every record comes once, however often its id was logged: the first counts.

    Args:
        folder: folder of the logs.
        kind: what to read.

    Raises:
        DataError: there is no such folder.
    """

    def __init__(self, folder: pathlib.Path, kind: frames.Kind = "exposure") -> None:
        if not folder.is_dir():
            raise DataError(
                "There is no such folder of logs.",
                where=str(folder),
                fix="give the folder that the router logs to",
            )
        self.folder = folder / files.FOLDERS[kind]
        self.kind = kind

    def files(self) -> list[pathlib.Path]:
        """Files of Parquet, oldest first; younger records are not in them yet."""
        return self.snapshot()[0]

    def snapshot(self) -> tuple[list[pathlib.Path], list[pa.Table]]:
        """All records of one moment, ids that were logged twice included.

        Returns:
            Files of Parquet; and the records that are in none of them, a table a
            segment, with `file`, its path, and `row`, their place in it.
        """
        while self.folder.is_dir():
            found = files.list_files(self.folder)
            try:
                return found.parts, [self._live(path) for path in found.segments]
            except FileNotFoundError:
                continue  # it became Parquet meanwhile
        return [], []

    def relation(
        self, connection: duckdb.DuckDBPyConnection
    ) -> duckdb.DuckDBPyRelation:
        """All records of this moment, each id once; a table of the connection.

        Columns that are not asked for are not read. The connection holds what is not
        Parquet yet, and the few ids that came more than once.

        Raises:
            DataError: a file cannot be read.
        """
        return self.relation_and_repeats(connection)[0]

    def relation_and_repeats(
        self, connection: duckdb.DuckDBPyConnection
    ) -> tuple[duckdb.DuckDBPyRelation, int]:
        """As `relation`, and how many records are left out for a repeated id."""
        parts, live = self.snapshot()
        schema = frames.SCHEMAS[self.kind]
        columns = ", ".join(f'"{name}"' for name in schema.names)
        prefix = f"{self.kind}s_{next(_names)}"
        sources = []
        if parts:
            paths = ", ".join("'" + str(p).replace("'", "''") + "'" for p in parts)
            sources.append(
                f"SELECT {columns}, file_row_number AS row, filename AS file "
                f"FROM read_parquet([{paths}], filename = true, "
                "file_row_number = true)"
            )
        if live or not parts:
            empty = _placed(schema.empty_table(), "")
            connection.register(f"{prefix}_live", pa.concat_tables([empty, *live]))
            sources.append(f"SELECT {columns}, row, file FROM {prefix}_live")
        everything = " UNION ALL ".join(sources)
        key = f'"{frames.IDS[self.kind]}"'
        with reading(self.folder):
            # By hash, as that takes little memory; the few that remain, by the id.
            connection.execute(
                f"CREATE TEMP TABLE {prefix}_twice AS "
                f"SELECT hash({key}) AS id, count(*) AS times "
                f"FROM ({everything}) GROUP BY 1 HAVING count(*) > 1"
            )
            repeats = connection.sql(
                f"SELECT coalesce(sum(times - 1), 0)::BIGINT FROM {prefix}_twice"
            ).fetchall()[0][0]
            if not repeats:
                found = connection.sql(f"SELECT {columns} FROM ({everything})")
            else:
                found = connection.sql(
                    f"SELECT {columns} FROM ({everything}) "
                    f"WHERE hash({key}) NOT IN (SELECT id FROM {prefix}_twice) "
                    f"UNION ALL SELECT {columns} FROM ({everything}) "
                    f"WHERE hash({key}) IN (SELECT id FROM {prefix}_twice) "
                    f"QUALIFY row_number() OVER "
                    f"(PARTITION BY {key} ORDER BY file, row) = 1"
                )
        return found, repeats

    def newest(
        self, count: int, after: tuple[int, int] | None = None
    ) -> list[tuple[tuple[int, int], dict[str, Any]]]:
        """The records that were logged last, repeated ids included.

        Args:
            count: at most so many.
            after: only those behind this place.

        Returns:
            Places and records in the order they were logged. A place stays the same
            when its segment becomes Parquet.
        """
        parts, live = self.snapshot()
        sources: list[tuple[int, pathlib.Path | pa.Table]] = [
            (int(path.stem), path) for path in parts
        ]
        sources += [
            (int(pathlib.Path(rows["file"][0].as_py()).stem), rows)
            for rows in live
            if rows.num_rows
        ]
        first, row = after or (0, -1)
        found: list[tuple[tuple[int, int], dict[str, Any]]] = []
        for number, source in sorted(sources, key=lambda one: -one[0]):
            if number < first or len(found) >= count:
                break
            rows = _rows(source) if isinstance(source, pathlib.Path) else source
            skipped = row + 1 if number == first else 0
            start = max(skipped, rows.num_rows - (count - len(found)))
            records = rows.select(frames.SCHEMAS[self.kind].names).slice(start)
            found = [
                ((number, start + place), record)
                for place, record in enumerate(records.to_pylist())
            ] + found
        return found

    def lost(self) -> dict[str, int]:
        """Exposures that were answered but could not be logged, by experiment."""
        return read_lost(self.folder)

    def size(self) -> int:
        """Bytes of all files."""
        if not self.folder.is_dir():
            return 0
        return sum(entry.stat().st_size for entry in os.scandir(self.folder))

    def _live(self, path: pathlib.Path) -> pa.Table:
        data = path.read_bytes()
        _, end = frames.whole(data)
        with reading_file(path):
            return _placed(frames.table(data[:end], self.kind), str(path))


def _rows(path: pathlib.Path) -> pa.Table:
    with reading_file(path):
        return pyarrow.parquet.read_table(path)


def _placed(rows: pa.Table, file: str) -> pa.Table:
    """Adds where the rows lie, so that of records with one id the same one counts."""
    rows = rows.append_column("row", pa.array(range(rows.num_rows), pa.int64()))
    return rows.append_column("file", pa.repeat(file, rows.num_rows))
