"""When to lower the learning rate, and when to stop."""

import math

from clickwright.models.training.params import TrainingParams


class Plateau:
    """Follows the validation AUC: best epoch, learning rate, end of training.

    It holds nothing that the AUCs so far do not say, so a resumed training replays
    them.

    Args:
        params: the rules.
    """

    def __init__(self, params: TrainingParams) -> None:
        self._params = params
        self.best = -math.inf
        """Highest AUC so far."""
        self.learning_rate = params.learning_rate
        """Learning rate of the next epoch."""
        self._bad_epochs = 0

    @property
    def stop(self) -> bool:
        """Whether training should end."""
        return self._bad_epochs >= self._params.early_stop

    def update(self, auc: float) -> bool:
        """Takes the AUC after an epoch; returns whether that epoch is the best yet."""
        if auc > self.best + self._params.min_delta:
            self.best = auc
            self._bad_epochs = 0
            return True
        self._bad_epochs += 1
        self.learning_rate = max(
            self.learning_rate * self._params.learning_rate_decay,
            self._params.min_learning_rate,
        )
        return False
