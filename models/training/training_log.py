"""Where the course of a training is written while it runs."""

import logging
import pathlib
import time

import tensorflow as tf

from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.params import TrainingParams

LOG_FILE_NAME = "training_log.jsonl"
_SECONDS_BETWEEN = 1.0
"""Least time between two progress messages."""

progress = logging.getLogger("clickwright.progress")


class TrainingLog:
    """Writes `training_log.jsonl`, TensorBoard scalars and progress messages.

    Args:
        directory: folder of the log and of TensorBoard's events; None for neither.
        params: the training's parameters.
        rows: rows of the training split.
    """

    def __init__(
        self, directory: pathlib.Path | None, params: TrainingParams, rows: int
    ) -> None:
        self._directory = directory
        self._epochs = params.epochs
        self._rows = rows
        self._last = ""
        self._shown_at = 0.0
        self._writer = None
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / LOG_FILE_NAME).write_text("")
            self._writer = tf.summary.create_file_writer(str(directory))

    def epoch_ended(self, record: EpochRecord) -> None:
        """Appends the record to the log; a resumed training replays its old ones."""
        if self._directory is not None and self._writer is not None:
            with (self._directory / LOG_FILE_NAME).open("a") as file:
                file.write(record.model_dump_json() + "\n")
            with self._writer.as_default(step=record.epoch):
                for name, value in record.model_dump(exclude={"epoch"}).items():
                    if value is not None:
                        tf.summary.scalar(name, value)
            self._writer.flush()
        auc, speed = record.valid_auc, record.examples_per_second
        self._last = "" if auc is None else f", valid AUC {auc:.4f}"
        self._last += "" if speed is None else f", {_thousands(speed)} examples/s"
        self._show(record.epoch, record.epoch * self._rows)

    def step_ended(self, epoch: int, rows: int) -> bool:
        """Reports rows seen in the epoch; says whether it was time to."""
        if time.monotonic() - self._shown_at < _SECONDS_BETWEEN:
            return False
        self._show(epoch, (epoch - 1) * self._rows + rows)
        return True

    def _show(self, epoch: int, rows: int) -> None:
        self._shown_at = time.monotonic()
        progress.info(
            "training",
            extra={
                "rows": rows,
                "total": self._epochs * self._rows,
                "detail": f"epoch {epoch}/{self._epochs}{self._last}",
            },
        )


def _thousands(value: float) -> str:
    return f"{value / 1000:.0f}k" if value >= 10_000 else f"{value:.0f}"
