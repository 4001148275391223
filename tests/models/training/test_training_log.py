"""Log, TensorBoard and progress."""

import json
import logging
import pathlib

import pytest
import tensorflow as tf
from training_rows import RECORD

from clickwright.models.training.params import TrainingParams
from clickwright.models.training.training_log import TrainingLog


def test_the_log_holds_one_object_an_epoch_and_tensorboards_scalars(
    tmp_path: pathlib.Path,
) -> None:
    log = TrainingLog(tmp_path, TrainingParams(), 100)
    log.epoch_ended(RECORD)
    log.epoch_ended(RECORD.model_copy(update={"epoch": 2, "valid_auc": None}))
    lines = (tmp_path / "training_log.jsonl").read_text().splitlines()
    first, second = map(json.loads, lines)
    assert list(first) == [
        "epoch",
        "step",
        "seconds",
        "loss",
        "valid_auc",
        "valid_logloss",
        "learning_rate",
        "examples_per_second",
    ]
    assert first == RECORD.model_dump()
    assert second["valid_auc"] is None
    (events,) = tmp_path.glob("events.out.tfevents.*")
    found = {
        (event.step, value.tag)
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert {(1, "valid_auc"), (2, "loss")} <= found
    assert (2, "valid_auc") not in found


def test_progress_says_rows_epoch_auc_and_speed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "clickwright.progress")
    log = TrainingLog(None, TrainingParams(epochs=20), 1000)
    assert log.step_ended(1, 64)
    assert not log.step_ended(1, 128)  # within a second of the one before
    log.epoch_ended(RECORD.model_copy(update={"epoch": 3}))
    first, second = caplog.records
    assert (first.rows, first.total) == (64, 20_000)  # type: ignore[attr-defined]
    assert second.rows == 3000  # type: ignore[attr-defined]
    detail = second.detail  # type: ignore[attr-defined]
    assert detail == "epoch 3/20, valid AUC 0.7000, 12k examples/s"
