"""Which trials end early."""

import statistics
from collections.abc import Sequence

_LEAST_TRIALS = 4
"""Ended trials to compare with."""
_LEAST_EPOCHS = 2
"""Validations that every trial gets."""


class MedianPruner:
    """Ends trials that fall behind: the median stopping rule.

    A trial goes on while its best value so far is at least the median of the others'
    means over the same number of validations.

    Args:
        direction: `max` or `min`: which values are better.

    References:
        Golovin et al., "Google Vizier: A Service for Black-Box Optimization", KDD
        2017, section 3.2.2.
    """

    def __init__(self, direction: str) -> None:
        self._sign = 1.0 if direction == "max" else -1.0
        self._ended: list[Sequence[float]] = []

    def ended(self, curve: Sequence[float]) -> None:
        """Takes the values of a trial that has ended, whether early or not."""
        if curve:
            self._ended.append([self._sign * value for value in curve])

    def goes_on(self, curve: Sequence[float]) -> bool:
        """Whether a trial with these values so far is to go on."""
        count = len(curve)
        if count < _LEAST_EPOCHS or len(self._ended) < _LEAST_TRIALS:
            return True
        means = [statistics.fmean(other[:count]) for other in self._ended]
        best = max(self._sign * value for value in curve)
        return best >= statistics.median(means)
