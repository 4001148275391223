"""The log of exposures or outcomes, as its one writer keeps it."""

import collections
import fcntl
import logging
import os
import pathlib
import threading
import time
from types import TracebackType
from typing import Self

import pyarrow as pa

from clickwright.experiments.events import files, frames
from clickwright.experiments.events.log_options import LogOptions
from clickwright.experiments.events.lost_counts import LostCounts
from clickwright.experiments.events.segment import Segment
from clickwright.schemas.errors import ConfigError, MachineError, storage_error
from clickwright.schemas.events import Exposure, Outcome

log = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0


class EventLog:
    """Takes records and keeps them: segments first, Parquet later.

    A record is in the kernel when `append` returns, so a killed process loses none.
    Closed segments become Parquet in the background: the part gets its name when it is
    whole and on the disk, then its segment goes. What a killed writer left is mended
    when the next one opens the log: a torn line, which nobody was told is kept, is cut
    off, and segments that were not done are.

    Readers (`EventStore`) need no lock and may read at any time.

    Args:
        folder: folder of the logs; each kind has a folder in it.
        kind: what is recorded.
        options: how.

    Raises:
        ConfigError: another process writes this log.
        MachineError: the folder cannot be written to.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        kind: frames.Kind,
        options: LogOptions | None = None,
    ) -> None:
        self.folder = folder / files.FOLDERS[kind]
        self.kind = kind
        self.options = options or LogOptions()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._closed_segments: collections.deque[pathlib.Path] = collections.deque()
        self._convert = threading.Event()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock_file = _lock(self.folder)
        except OSError as error:
            raise storage_error(error, self.folder) from error
        try:
            self._last = self._recover()
            self._bytes = sum(entry.stat().st_size for entry in os.scandir(self.folder))
            self._lost = LostCounts(self.folder)
            self._segment = self._next_segment()
        except OSError as error:
            os.close(self._lock_file)
            raise storage_error(error, self.folder) from error
        except BaseException:
            os.close(self._lock_file)
            raise
        self._threads = [
            threading.Thread(target=target, name=f"{kind} log", daemon=True)
            for target in (self._keep, self._convert_closed)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, record: Exposure | Outcome) -> None:
        """Records one event; any thread may.

        It returns once a killed process would not lose the record; with
        `sync: always`, once a machine without power would not: then call it from a
        thread, which waits for the disk together with the others that wait.

        Raises:
            DataError: a value does not fit its column.
            MachineError: the disk is full or refuses, or the folder has `max_bytes`.
                The exposure is counted as lost.
        """
        data = frames.encode(record)
        try:
            with self._lock:
                segment, end = self._append(data)
            if self.options.sync == "always":
                segment.sync(end)
        except MachineError:
            if isinstance(record, Exposure):
                with self._lock:
                    self._lost.add(record.experiment)
            raise

    def append_table(self, rows: pa.Table) -> None:
        """Records many events at once, on the disk when it returns.

        Args:
            rows: in the schema of the kind.

        Raises:
            MachineError: the disk is full or refuses, or the folder has `max_bytes`;
                none of the rows is recorded then.
        """
        rows = rows.cast(frames.SCHEMAS[self.kind])
        with self._lock:
            self._check_open()
            self._check_space(0)
            self._last += 1
            path = files.part_path(self.folder, self._last)
        files.write_part(rows, path)
        with self._lock:
            self._bytes += path.stat().st_size

    def close(self) -> None:
        """Syncs, turns what is open into Parquet, and lets the next writer in."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        self._wake.set()
        self._threads[0].join()
        self._finish(self._segment)
        self._convert.set()
        self._threads[1].join()
        self._lost.close()
        os.close(self._lock_file)

    def _append(self, data: bytes) -> tuple[Segment, int]:
        self._check_open()
        self._check_space(len(data))
        end = self._segment.append(data)
        self._bytes += len(data)
        if end >= self.options.segment_bytes:
            self._wake.set()
        return self._segment, end

    def _check_open(self) -> None:
        if self._closing:
            raise RuntimeError("the log is closed")

    def _check_space(self, more: int) -> None:
        if self._bytes + more > self.options.max_bytes:
            raise MachineError(
                f"The log has {self._bytes:,} bytes; `max_bytes` allows "
                f"{self.options.max_bytes:,}.",
                where=str(self.folder),
                fix="move old files away, or allow more bytes",
            )

    def _recover(self) -> int:
        """Mends what a killed writer left; returns the highest number in use."""
        found = files.list_files(self.folder)
        for path in (*found.staged, *found.replaced):
            path.unlink()
        for path in found.segments:
            data = path.read_bytes()
            records, end = frames.whole(data)
            if end < len(data):
                log.warning(
                    "%s: %d bytes of a torn record are cut off", path, len(data) - end
                )
                os.truncate(path, end)
            if records:
                self._closed_segments.append(path)
            else:
                path.unlink()
        self._convert.set()
        return found.last

    def _next_segment(self) -> Segment:
        with self._lock:
            self._last += 1
            path = files.segment_path(self.folder, self._last)
        segment = Segment(path)
        if self.options.sync != "never":
            files.sync_folder(self.folder)
        return segment

    def _keep(self) -> None:
        """Syncs and rotates until the log closes."""
        warned = False
        while not self._closing:
            self._wake.wait(min(self.options.sync_seconds, 1.0))
            self._wake.clear()
            try:
                if self._due():
                    self._rotate()
                elif self.options.sync == "interval":
                    self._segment.sync(self._segment.size)
                warned = False
            except (MachineError, OSError) as error:
                if not warned:
                    log.error("The log goes on in its segment. %s", error)
                warned = True
                time.sleep(min(self.options.sync_seconds, 1.0))

    def _due(self) -> bool:
        segment = self._segment
        return segment.size >= self.options.segment_bytes or (
            segment.since is not None
            and time.monotonic() - segment.since >= self.options.segment_seconds
        )

    def _rotate(self) -> None:
        segment = self._next_segment()  # before the lock: nobody waits for the disk
        with self._lock:
            before, self._segment = self._segment, segment
        self._finish(before)

    def _finish(self, segment: Segment) -> None:
        """Closes a segment that gets no more records, and has it converted."""
        try:
            if self.options.sync != "never":
                segment.sync(segment.size)
        except MachineError as error:
            log.error("The last records of a segment may not be kept. %s", error)
        segment.close()
        if segment.size:
            self._closed_segments.append(segment.path)
        else:
            segment.path.unlink()
        self._convert.set()

    def _convert_closed(self) -> None:
        """Turns closed segments into Parquet, the oldest first."""
        warned = False
        while True:
            self._convert.wait()
            self._convert.clear()
            closing = self._closing and not self._threads[0].is_alive()
            while self._closed_segments:
                try:
                    self._convert_one(self._closed_segments[0])
                    self._closed_segments.popleft()
                    warned = False
                except pa.ArrowException as error:  # the disk has changed it
                    log.error("%s stays as it is: %s", self._closed_segments[0], error)
                    self._closed_segments.popleft()
                except (MachineError, OSError) as error:
                    if not warned:
                        log.error("A segment stays as it is for now. %s", error)
                    warned = True
                    if self._closing:
                        return  # readers read segments; the next writer tries again
                    self._convert.wait(_RETRY_SECONDS)
            if closing:
                return

    def _convert_one(self, path: pathlib.Path) -> None:
        data = path.read_bytes()
        part = path.with_suffix(".parquet")
        files.write_part(frames.table(data, self.kind), part)
        path.unlink()
        with self._lock:
            self._bytes += part.stat().st_size - len(data)


def _lock(folder: pathlib.Path) -> int:
    """Takes the lock that the kernel gives back when the process ends."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConfigError(
            "Another process writes this log.",
            where=str(folder),
            fix="stop it, or give this one a folder of its own",
        ) from error
    return descriptor
