"""Where the rows of a split go while they are read."""

import logging
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from clickwright.models.training.memory_columns import MemoryColumns
from clickwright.models.training.packed_columns import PackedColumns
from clickwright.schemas.errors import storage_error

logger = logging.getLogger(__name__)


class RowStore:
    """Keeps rows in memory up to a limit, beyond it on disk, else nowhere.

    Args:
        memory_limit: bytes that may be kept in memory.
        packed: files that take the rows once memory has not; None for no files.
        required: whether files that cannot be written are an error.
    """

    def __init__(
        self, memory_limit: float, packed: PackedColumns | None, required: bool
    ) -> None:
        self._memory: MemoryColumns | None = MemoryColumns()
        self._memory_limit = memory_limit
        self._packed = packed
        self._required = required

    def append(self, columns: Sequence[np.ndarray[Any, Any]]) -> None:
        """Adds some rows, given by column.

        Raises:
            MachineError: the files are required, and cannot be written.
        """
        if self._memory is None:
            self._write(columns)
            return
        self._memory.append(columns)
        if self._memory.nbytes > self._memory_limit:
            for part in self._memory.drain():
                self._write(part)
            self._memory = None

    def finish(self) -> list[np.ndarray[Any, Any]] | None:
        """All rows, one array a column; None where they were not kept.

        Raises:
            MachineError: the files are required, and cannot be written.
        """
        if self._memory is not None:
            return self._memory.arrays()
        if self._packed is not None:
            try:
                self._packed.finish()
            except OSError as error:
                self._give_up(self._packed.directory, error)
        return None if self._packed is None else self._packed.open()

    def discard(self) -> None:
        """Removes what was written, finished or not."""
        if self._memory is None and self._packed is not None:
            self._packed.discard()

    def _write(self, columns: Sequence[np.ndarray[Any, Any]]) -> None:
        if self._packed is not None:
            try:
                self._packed.append(columns)
            except OSError as error:
                self._give_up(self._packed.directory, error)

    def _give_up(self, directory: pathlib.Path, error: OSError) -> None:
        self.discard()
        self._packed = None
        if self._required:
            raise storage_error(error, directory) from error
        logger.warning(
            "rows cannot be kept at %s (%s): each epoch parses the files anew",
            directory,
            error,
        )
