"""One file that records are appended to."""

import os
import pathlib
import threading
import time

from clickwright.schemas.errors import storage_error


class Segment:
    """A file that only grows, by whole records.

    `append` and `close` are called by one thread at a time; `sync` by any.

    Args:
        path: a file that is not there yet.

    Attributes:
        size: bytes of whole records.
        since: when the first record came, by the monotonic clock; None before.

    Raises:
        MachineError: it cannot be made.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.size = 0
        self.since: float | None = None
        self._synced = 0
        self._syncing = False
        self._failed: OSError | None = None
        self._changed = threading.Condition()
        try:
            self._file = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644
            )
        except OSError as error:
            raise storage_error(error, path) from error

    def append(self, data: bytes) -> int:
        """Hands a record to the kernel, whole or not at all.

        Returns:
            Where it ends.

        Raises:
            MachineError: the disk is full or refuses.
        """
        try:
            written = os.write(self._file, data)
            while written < len(data):  # the disk fills up: the rest says why
                written += os.write(self._file, data[written:])
        except OSError as error:
            os.ftruncate(self._file, self.size)
            raise storage_error(error, self.path) from error
        self.size += len(data)
        if self.since is None:
            self.since = time.monotonic()
        return self.size

    def sync(self, end: int) -> None:
        """Returns once the disk has the first `end` bytes.

        Threads that wait together share one sync.

        Raises:
            MachineError: the disk refuses, now or once before: what it has is unknown.
        """
        with self._changed:
            while self._syncing and self._synced < end:
                self._changed.wait()
            if self._failed is not None:
                raise storage_error(self._failed, self.path)
            if self._synced >= end:
                return
            self._syncing = True
            reached = self.size
        try:
            os.fdatasync(self._file)
        except OSError as error:
            self._failed = error
            raise storage_error(error, self.path) from error
        finally:
            with self._changed:
                if self._failed is None:
                    self._synced = reached
                self._syncing = False
                self._changed.notify_all()

    def close(self) -> None:
        """Ends the file; nobody may be about to sync it."""
        os.close(self._file)
