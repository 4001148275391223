"""CSV logs."""

import contextlib
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from clickwright.components.ingestion.log_file import BATCH_ROWS, LogFile, unreadable
from clickwright.components.ingestion.unit import Unit
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import Column

LIST_SEPARATOR = "|"
_BLOCK_BYTES = 16 << 20  # a record must fit into one block
_GZIP_MAGIC = b"\x1f\x8b"


class CsvLog(LogFile):
    """A CSV file, plain or gzipped, whose first line names the columns.

    It is one unit: where a record begins can be told from the start only.
    """

    holds_text = True

    def names(self) -> list[str]:
        """The columns in the file."""
        names, _ = self._first_records()
        if not names:
            raise DataError(
                "The file is empty.",
                where=self.path,
                fix="write a line of column names and the rows, or drop the file",
            )
        return names

    def units(self) -> list[Unit]:
        """The file."""
        return [Unit(0, self.path)]

    def batches(
        self, unit: Unit, columns: Mapping[str, Column]
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows as text, the cells of list columns divided."""
        names, first_row = self._first_records()
        if not first_row:  # which pyarrow would take for a broken file
            return
        wanted = [columns[name] for name in names if name in columns]
        ragged: list[pyarrow.csv.InvalidRow] = []

        def keep_ragged(row: pyarrow.csv.InvalidRow) -> Literal["skip"]:
            ragged.append(row)
            return "skip"

        with self._open() as source:
            reader = pyarrow.csv.open_csv(
                source,
                # One thread: it is as fast, and ragged rows come with their number.
                pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
                pyarrow.csv.ParseOptions(
                    newlines_in_values=True,
                    invalid_row_handler=keep_ragged,
                ),
                pyarrow.csv.ConvertOptions(
                    include_columns=[column.name for column in wanted],
                    # Text is checked and parsed later, where rows can be named.
                    column_types={column.name: pa.binary() for column in wanted},
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
            for block in reader:
                self._refuse(ragged)
                arrays = [
                    _divided(cells) if column.is_list else cells
                    for column, cells in zip(wanted, block.columns, strict=True)
                ]
                block = pa.RecordBatch.from_arrays(arrays, block.schema.names)
                for start in range(0, block.num_rows, BATCH_ROWS):
                    yield block.slice(start, BATCH_ROWS)
            self._refuse(ragged)

    def _first_records(self) -> tuple[list[str], list[str]]:
        with self._open() as source:
            lines = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
            records = csv.reader(lines)
            return next(records, []), next(filter(None, records), [])

    def _refuse(self, ragged: list[pyarrow.csv.InvalidRow]) -> None:
        for row in ragged:
            raise DataError(
                f"The row must have {row.expected_columns} cells. Received: "
                f"{row.actual_columns}, in {row.text!r:.200}.",
                where=f"{self.path}, row {row.number - 1}",
                fix="mend the row; cells with commas or line breaks need quotes",
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        """Opens the file as bytes of CSV."""
        try:
            with FileSystems.open(
                self.path, compression_type=CompressionTypes.UNCOMPRESSED
            ) as source:
                packed = source.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
                source.seek(0)
                if packed:
                    source = gzip.GzipFile(fileobj=source)
                yield source
        except (
            *(OSError, EOFError, zlib.error, csv.Error),
            *(UnicodeDecodeError, pa.ArrowException),
        ) as error:
            raise unreadable(self.path, error) from error


def _divided(cells: pa.Array) -> pa.ListArray:
    # An empty cell can only mean an empty list: CSV has no other way to write one.
    lists = pc.split_pattern(cells, LIST_SEPARATOR)
    return pc.if_else(cells.is_valid(), lists, pa.scalar([], lists.type))
