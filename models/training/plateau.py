"""When to lower the learning rate, and when to stop."""

import math

from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.fit_params import FitParams


class Plateau:
    """Follows the monitor: best epoch, learning rate, end of training.

    It holds nothing that the records so far do not say, so a resumed training replays
    them.

    Args:
        params: the rules.
    """

    def __init__(self, params: FitParams) -> None:
        self._params = params
        self.best = -math.inf
        """Highest value so far."""
        self.best_epoch: EpochRecord | None = None
        """The epoch that had it."""
        self.learning_rate = params.learning_rate
        """Learning rate of the next epoch."""
        self._bad_epochs = 0

    @property
    def stop(self) -> bool:
        """Whether training should end."""
        return self._bad_epochs >= self._params.early_stop

    def update(self, record: EpochRecord) -> bool:
        """Takes the record of an epoch; returns whether that epoch is the best yet.

        An epoch without validation changes nothing.
        """
        value = self._params.monitored(record)
        if value is None:
            return False
        if value > self.best + self._params.min_delta:
            self.best = value
            self.best_epoch = record
            self._bad_epochs = 0
            return True
        self._bad_epochs += 1
        self.learning_rate = max(
            self.learning_rate * self._params.learning_rate_decay,
            self._params.min_learning_rate,
        )
        return False
