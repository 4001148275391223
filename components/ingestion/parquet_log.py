"""Parquet logs."""

import contextlib
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from clickwright.components.ingestion.contract import conform
from clickwright.components.ingestion.log_file import BATCH_ROWS, LogFile, unreadable
from clickwright.components.ingestion.unit import Unit
from clickwright.schemas.spec import Column, FeatureSpec

# Enough to make the start of a shard negligible, little enough that two workers
# finish together on a million rows.
_UNIT_ROWS = 65_536


class ParquetLog(LogFile):
    """A Parquet file; only the columns wanted are read from disk.

    It is divided along its row groups.
    """

    def names(self) -> list[str]:
        """The columns in the file."""
        with self._open() as file:
            return list(file.schema_arrow.names)

    def units(self) -> list[Unit]:
        """Runs of row groups of about 64k rows."""
        units: list[Unit] = []
        groups: list[int] = []
        first_row = rows = 0
        with self._open() as file:
            sizes = [
                file.metadata.row_group(group).num_rows
                for group in range(file.num_row_groups)
            ]
        for group, size in enumerate(sizes):
            groups.append(group)
            rows += size
            if rows >= _UNIT_ROWS or group == len(sizes) - 1:
                units.append(
                    Unit(0, self.path, None, first_row, rows, row_groups=tuple(groups))
                )
                first_row, rows, groups = first_row + rows, 0, []
        return units

    def batches(
        self, unit: Unit, columns: Mapping[str, Column]
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows of the unit's row groups."""
        with self._open() as file:
            there = [name for name in file.schema_arrow.names if name in columns]
            yield from file.iter_batches(BATCH_ROWS, unit.row_groups, there)

    def check(self, columns: Mapping[str, Column], spec: FeatureSpec) -> None:
        """Looks for columns that are absent or of another type."""
        super().check(columns, spec)
        with self._open() as file:
            empty = file.schema_arrow.empty_table()
        for batch in empty.select(
            [name for name in empty.schema.names if name in columns]
        ).to_batches():
            conform(batch, columns, spec, path=self.path, first_row=0)

    @contextlib.contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        try:
            with FileSystems.open(
                self.path, compression_type=CompressionTypes.UNCOMPRESSED
            ) as source:
                yield pq.ParquetFile(source, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise unreadable(self.path, error) from error
