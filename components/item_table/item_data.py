"""Item data as Parquet: one row an entity."""

import bisect
import pathlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from clickwright.schemas.errors import DataError, did_you_mean

BATCH_ROWS = 16_384


class ItemData:
    """A Parquet file, or all Parquet files of a folder in the order of their names.

    Only the columns asked for are read from disk.

    Args:
        path: the file or folder.

    Raises:
        DataError: there is no such file, it cannot be read, or it has no rows.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not self._files or not self._files[0].is_file():
            raise DataError(
                "There are no item data: no such Parquet file."
                if not path.is_dir()
                else "There are no item data: the folder holds no `*.parquet`.",
                where=str(path),
                fix="give the path of the Parquet as `data.items` in the run's "
                "configuration",
            )
        self._first_rows = [0]
        for file in self._files:
            rows = self._opened(file).metadata.num_rows
            self._first_rows.append(self._first_rows[-1] + rows)
        if not self.rows:
            raise DataError(
                "The item data have no rows.",
                where=str(path),
                fix="write one row an entity",
            )

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return self._first_rows[-1]

    @property
    def folder(self) -> pathlib.Path:
        """Folder that paths in the data are relative to."""
        return self.path if self.path.is_dir() else self.path.parent

    def place(self, row: int) -> str:
        """The file of a row, and its number there, counted from 1."""
        file = bisect.bisect_right(self._first_rows, row) - 1
        return f"{self._files[file]}, row {row - self._first_rows[file] + 1}"

    def type_of(self, column: str, named_by: str) -> pa.DataType:
        """Type of a column, which all files share.

        Args:
            column: its name.
            named_by: what names it, for messages.

        Raises:
            DataError: a file lacks it, or has it in another type than the first.
        """
        found: pa.DataType | None = None
        for file in self._files:
            schema = self._opened(file).schema_arrow
            index = schema.get_field_index(column)
            if index < 0:
                raise DataError(
                    f"The item data lack the column `{column}`, which {named_by} "
                    f"reads.{did_you_mean(column, schema.names)} Columns: "
                    f"{', '.join(schema.names)}.",
                    where=str(file),
                    fix="add the column, or name another one as the feature's `column`",
                )
            dtype = schema.field(index).type
            if found is None:
                found = dtype
            elif dtype != found:
                raise DataError(
                    f"The column must have one type in all files. Received: {dtype}; "
                    f"the first file has {found}.",
                    where=f"{file}, column `{column}`",
                    fix="write all files with one schema",
                )
        return found

    def batches(self, column: str) -> Iterator[tuple[int, pa.Array]]:
        """Yields the column in pieces, each with the number of its first row."""
        first = 0
        for file in self._files:
            try:
                for batch in self._opened(file).iter_batches(
                    BATCH_ROWS, None, [column]
                ):
                    yield first, batch.column(0)
                    first += batch.num_rows
            except (OSError, pa.ArrowException) as error:
                raise _unreadable(file, error) from error

    def whole(self, column: str) -> pa.Array:
        """The column in one piece, for those that are small beside vectors."""
        pieces = [piece for _, piece in self.batches(column)]
        # Large offsets: the texts of all entities may exceed 2 GB.
        if pa.types.is_string(pieces[0].type):
            pieces = [piece.cast(pa.large_string()) for piece in pieces]
        if pa.types.is_dictionary(pieces[0].type):
            pieces = [piece.dictionary_decode() for piece in pieces]
        return pa.concat_arrays(pieces)

    def _opened(self, file: pathlib.Path) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(file, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(file, error) from error


def _unreadable(file: pathlib.Path, error: Exception) -> DataError:
    return DataError(
        f"The item data cannot be read: {error}.",
        where=str(file),
        fix="write the file again, as Parquet",
    )
