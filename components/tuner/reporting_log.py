"""Tells a search how a trial goes, while it goes."""

import math
from collections.abc import Callable

from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.fit_params import FitParams
from clickwright.models.training.plateau import Plateau
from clickwright.models.training.training_log import TrainingLog

Report = Callable[[tuple[float, ...]], bool]
"""Takes the scores after each validation so far; says whether to go on."""


class ReportingLog(TrainingLog):
    """A log that keeps the score after each validation, and ends what is behind.

    Args:
        params: the training's parameters.
        rows: rows of the training split.
        title: stands before the epoch in progress messages.
        objective: what is compared; what the training monitors when None.
        report: told the scores.

    Attributes:
        curve: the objective of the epoch that would be kept, after each validation.
        seen: epochs so far.
    """

    def __init__(
        self,
        params: FitParams,
        rows: int,
        title: str,
        objective: str | None,
        report: Report,
    ) -> None:
        super().__init__(None, params, rows, title)
        self._objective = objective
        self._report = report
        self._plateau = Plateau(params)
        self.curve: tuple[float, ...] = ()
        self.seen = 0

    def epoch_ended(self, record: EpochRecord) -> None:
        """Takes the record.

        Raises:
            Pruned: the training is to end.
        """
        super().epoch_ended(record)
        self.seen = record.epoch
        self._plateau.update(record)
        kept = self._plateau.best_epoch or record
        value = self._value(kept)
        if value is None or not math.isfinite(value):
            return
        self.curve = (*self.curve, value)
        # After the last epoch there is nothing left to save.
        if not self._report(self.curve) and record.epoch < self.epochs:
            raise Pruned

    def _value(self, record: EpochRecord) -> float | None:
        if self._objective is None:
            return self._params.monitored(record)
        return record.metrics.get(f"valid_{self._objective}")


class Pruned(Exception):  # noqa: N818, it is no error
    """A training ends early, because others are ahead."""
