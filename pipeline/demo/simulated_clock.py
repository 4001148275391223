"""A clock that one process sets and others read."""

import datetime
import multiprocessing


class SimulatedClock:
    """Two weeks of shopping within a minute.

    It is handed to processes that are started by `spawn`, which then see its time.

    Args:
        start: seconds since 1970.
    """

    def __init__(self, start: float) -> None:
        self._seconds = multiprocessing.get_context("spawn").Value("d", start)

    def now(self) -> datetime.datetime:
        """The time, in UTC."""
        return datetime.datetime.fromtimestamp(self._seconds.value, datetime.UTC)

    def advance(self, seconds: float) -> None:
        """Sets the time, in seconds since 1970; it never goes back."""
        with self._seconds.get_lock():
            self._seconds.value = max(seconds, self._seconds.value)
