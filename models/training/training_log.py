"""Where the course of a training is written while it runs."""

import logging
import pathlib
import time

import keras

from clickwright.models.losses.loss import Loss
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.examples import Batch
from clickwright.models.training.fit_params import FitParams
from clickwright.models.training.tensorboard import TensorBoard

LOG_FILE_NAME = "training_log.jsonl"
_SECONDS_BETWEEN = 1.0
"""Least time between two progress messages."""

progress = logging.getLogger("clickwright.progress")


class TrainingLog:
    """Writes `training_log.jsonl`, TensorBoard's events and progress messages.

    Args:
        directory: folder of the log and of TensorBoard's events; None for neither.
        params: the training's parameters.
        rows: rows of the training split.
        title: stands before the epoch in progress messages.

    Attributes:
        epochs: most epochs that the training has.
    """

    def __init__(
        self,
        directory: pathlib.Path | None,
        params: FitParams,
        rows: int,
        title: str = "",
    ) -> None:
        self._file: pathlib.Path | None = None
        self._tensorboard: TensorBoard | None = None
        self._params = params
        self.epochs = params.epochs
        self._rows = rows
        self._title = f"{title}, " if title else ""
        self._valid = ""
        self._shown_at = 0.0
        self._epoch = 0
        self._epoch_began = (0.0, 0)
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = directory / LOG_FILE_NAME
            self._file.write_text("")
            if params.tensorboard != "off":
                self._tensorboard = TensorBoard(
                    directory, histograms=params.tensorboard == "histograms"
                )

    @property
    def inspects(self) -> bool:
        """Whether `inspected` has any use for the model."""
        return self._tensorboard is not None

    def inspected(
        self, epoch: int, model: keras.Model, loss: Loss, batch: Batch
    ) -> None:
        """See `TensorBoard.inspected`."""
        if self._tensorboard is not None:
            self._tensorboard.inspected(epoch, model, loss, batch)

    def epoch_ended(self, record: EpochRecord) -> None:
        """Appends the record to the log; a resumed training replays its old ones."""
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(record.model_dump_json() + "\n")
        if self._tensorboard is not None:
            self._tensorboard.epoch_ended(record)
        speed = record.examples_per_second
        valid = self._params.said_of(record)
        self._valid = f", {valid}" if valid else ""
        said = "" if speed is None else f", {_thousands(speed)} examples/s"
        self._show(record.epoch, self._rows, said)

    def step_ended(self, epoch: int, rows: int) -> bool:
        """Reports rows seen in the epoch; says whether it was time to."""
        now = time.monotonic()
        if epoch != self._epoch:
            self._epoch, self._epoch_began = epoch, (now, rows)
        if now - self._shown_at < _SECONDS_BETWEEN:
            return False
        began, first = self._epoch_began
        said = ""
        if rows > first:
            speed = (rows - first) / (now - began)
            left = max(self._rows - rows, 0) / speed
            said = f", {_thousands(speed)} examples/s, {_clock(left)} left"
        self._show(epoch, rows, said)
        return True

    def _show(self, epoch: int, rows: int, said: str) -> None:
        self._shown_at = time.monotonic()
        progress.info(
            "training",
            extra={
                "rows": (epoch - 1) * self._rows + rows,
                "total": self.epochs * self._rows,
                # Of the epoch: early stopping leaves the training's end unknown.
                "fraction": min(rows / self._rows, 1.0) if self._rows else None,
                "detail": f"{self._title}epoch {epoch}/{self.epochs}"
                f"{self._valid}{said}",
            },
        )


def _thousands(value: float) -> str:
    return f"{value / 1000:.0f}k" if value >= 10_000 else f"{value:.0f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
