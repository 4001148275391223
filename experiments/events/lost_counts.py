"""How many exposures a log could not take, kept where a full disk cannot hinder it."""

import json
import os
import pathlib
import zlib

from clickwright.schemas.errors import storage_error

_SIZE = 4096
_NAME = "lost.json"


class LostCounts:
    """Counts an experiment's exposures that were answered but could not be logged.

    The file has its full size from the start and is written over in place, so that it
    can be when the disk is full.

    Args:
        folder: where the log is.

    Raises:
        MachineError: the file cannot be made.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        path = folder / _NAME
        self._counts = read_lost(folder)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            if os.fstat(self._file).st_size != _SIZE:
                self._write()
        except OSError as error:
            raise storage_error(error, path) from error

    def add(self, experiment: str) -> None:
        """Counts one; a disk that refuses even this is passed over."""
        self._counts[experiment] = self._counts.get(experiment, 0) + 1
        try:
            self._write()
        except OSError:
            return

    def close(self) -> None:
        """Ends the file."""
        os.close(self._file)

    def _write(self) -> None:
        text = json.dumps(self._counts).encode()
        line = b'{"crc": "%08x", "lost": %s}' % (zlib.crc32(text), text)
        os.pwrite(self._file, line[:_SIZE].ljust(_SIZE), 0)


def read_lost(folder: pathlib.Path) -> dict[str, int]:
    """Reads the counts of a log: exposures that could not be logged, by experiment."""
    try:
        content = json.loads((folder / _NAME).read_bytes())
        counts: dict[str, int] = content["lost"]
        if content["crc"] == f"{zlib.crc32(json.dumps(counts).encode()):08x}":
            return counts
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {}
