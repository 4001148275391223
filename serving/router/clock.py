"""The time of exposures."""

import datetime
import logging
import time
from collections.abc import Callable

Now = Callable[[], datetime.datetime]
"""Returns the time now, aware of its time zone."""

_TOLERANCE = 0.05

log = logging.getLogger(__name__)


class Clock:
    """Wall time that never goes back while the process lives.

    When the machine's clock is set back, time goes on from where it was by the
    monotonic clock, until the machine's clock has caught up. A ramp that has begun
    therefore never ends, and an outcome is never older than its exposure.

    Args:
        went_back: called once each time the machine's clock was set back.
        wall: seconds since 1970, as the machine has them.
        steady: seconds that only grow.
    """

    def __init__(
        self,
        went_back: Callable[[], None],
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._went_back = went_back
        self._wall = wall
        self._steady = steady
        self._ahead = wall() - steady()
        self._behind = False

    def now(self) -> datetime.datetime:
        """Returns the time, in UTC."""
        steady = self._steady()
        ahead = self._wall() - steady
        if ahead >= self._ahead:
            self._ahead, self._behind = ahead, False
        elif ahead < self._ahead - _TOLERANCE and not self._behind:
            self._behind = True
            log.warning(
                "The machine's clock was set back by %.3f s; exposures go on from the "
                "time before",
                self._ahead - ahead,
            )
            self._went_back()
        return datetime.datetime.fromtimestamp(steady + self._ahead, datetime.UTC)
