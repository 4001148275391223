"""A growing file of JSON objects, one a line."""

import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from clickwright.schemas.errors import storage_error


class JsonLines:
    """Keeps objects as they come, so that work that was killed goes on from there.

    A line that a kill cut off counts for nothing.

    Args:
        file: the file; it and its folder are made with the first object.
    """

    def __init__(self, file: pathlib.Path) -> None:
        self._file = file

    def read(self) -> Iterator[dict[str, Any]]:
        """The objects, oldest first; none where there is no file."""
        if not self._file.exists():
            return
        for line in self._file.read_text(encoding="utf-8").splitlines():
            try:
                kept = json.loads(line)
            except ValueError:
                continue  # empty, or cut off
            if isinstance(kept, dict):
                yield kept

    def append(self, content: Mapping[str, Any]) -> None:
        """Adds an object; it is on disk when this returns.

        Raises:
            MachineError: the folder cannot be written to, or the disk is full.
        """
        line = json.dumps(content, allow_nan=False)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                # Ends a line that was cut off, so that this one stands alone.
                file.write(f"\n{line}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(error, self._file) from error
