"""DuckDB as the readers of the logs use it."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator

import duckdb
import pyarrow as pa

from clickwright.schemas.errors import DataError, MachineError, full_disk

MEMORY = "1500MB"
"""What a query may hold; what is more goes to a temporary folder."""


@contextlib.contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database of its own that works in bounded memory; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="clickwright-") as folder:
        connection = duckdb.connect(
            config={
                "memory_limit": MEMORY,
                "temp_directory": folder,
                "threads": len(os.sched_getaffinity(0)),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        try:
            # It would write over what commands show, and into pipes.
            connection.execute("SET enable_progress_bar = false")
            yield connection
        finally:
            connection.close()


@contextlib.contextmanager
def reading(folder: pathlib.Path) -> Iterator[None]:
    """Says in words of ours what DuckDB says of the files below a folder.

    Raises:
        DataError: a file cannot be read.
        MachineError: memory or disk do not suffice.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise MachineError(
            f"The logs need more than the {MEMORY} and the temporary folder that "
            f"there are: {_short(error)}.",
            where=str(folder),
            fix="free space in the temporary folder, or set TMPDIR to a larger one",
        ) from error
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise (
            full_disk(error, folder)
            or DataError(
                f"The log cannot be read: {_short(error)}.",
                where=str(folder),
                fix="move the damaged file away",
            )
        ) from error


@contextlib.contextmanager
def reading_file(path: pathlib.Path) -> Iterator[None]:
    """Says in words of ours what Arrow says of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        yield
    except pa.ArrowException as error:
        raise DataError(
            f"The file of the log cannot be read: {_short(error)}.",
            where=str(path),
            fix="move the damaged file away",
        ) from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
