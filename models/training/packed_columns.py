"""Columns in files that later epochs and resumed runs map into memory."""

import json
import math
import os
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any, BinaryIO, TypeAlias

import numpy as np

_MANIFEST = "columns.json"
_FORMAT = 1
Layout: TypeAlias = Sequence[tuple[str, str, tuple[int, ...]]]
"""Name, dtype and shape of one row of each column."""


class PackedColumns:
    """A folder with one file of raw numbers a column, and a list of them.

    The folder appears under its name once it is whole.

    Args:
        directory: the folder; those above it are made.
        layout: the columns.
    """

    def __init__(self, directory: pathlib.Path, layout: Layout) -> None:
        self.directory = directory
        self._layout = tuple(layout)
        self._staging = directory.with_name(f".{directory.name}.part")
        self._files: list[BinaryIO] = []
        self._rows = 0

    def append(self, columns: Sequence[np.ndarray[Any, Any]]) -> None:
        """Adds some rows, given by column in the order of the layout.

        Raises:
            OSError: the folder cannot be written to, or the disk is full.
        """
        if not self._files:
            shutil.rmtree(self._staging, ignore_errors=True)
            self._staging.mkdir(parents=True)
            self._files = [
                (self._staging / _file_name(n)).open("wb")
                for n in range(len(self._layout))
            ]
        for file, column, (_, dtype, shape) in zip(
            self._files, columns, self._layout, strict=True
        ):
            if column.dtype != dtype or column.shape[1:] != shape:
                raise ValueError(
                    f"A column must be {dtype} {shape}. "
                    f"Received: {column.dtype} {column.shape[1:]}"
                )
            file.write(np.ascontiguousarray(column).data)
        self._rows += len(columns[0])

    def finish(self) -> None:
        """Gives the folder its name.

        Raises:
            OSError: the disk is full.
        """
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())
            file.close()
        manifest = {"format": _FORMAT, "rows": self._rows, "columns": self._columns()}
        (self._staging / _MANIFEST).write_text(json.dumps(manifest))
        shutil.rmtree(self.directory, ignore_errors=True)
        self._staging.rename(self.directory)

    def discard(self) -> None:
        """Removes what was written, finished or not."""
        for file in self._files:
            try:
                file.close()
            except OSError:  # a full disk: closing writes what is left
                pass
        shutil.rmtree(self._staging, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def open(self) -> list[np.ndarray[Any, Any]] | None:
        """The columns, mapped read-only; None unless all are there in full length."""
        try:
            manifest = json.loads((self.directory / _MANIFEST).read_text())
            rows = manifest["rows"]
            if (manifest["format"], manifest["columns"]) != (_FORMAT, self._columns()):
                return None
            arrays = []
            for n, (_, dtype, shape) in enumerate(self._layout):
                path = self.directory / _file_name(n)
                size = rows * math.prod(shape) * np.dtype(dtype).itemsize
                if path.stat().st_size != size:
                    return None
                mapped = np.memmap(path, dtype, "r", shape=(rows, *shape))
                arrays.append(np.asarray(mapped))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return arrays

    def _columns(self) -> list[Any]:
        return [[name, dtype, list(shape)] for name, dtype, shape in self._layout]


def _file_name(number: int) -> str:
    return f"{number}.bin"
