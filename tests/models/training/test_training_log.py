"""Log, TensorBoard and progress."""

import json
import logging
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from training_rows import (
    RECORD,
    make_params,
    make_rows,
    make_trainer,
    without_clock,
)

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
        "valid",
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
    log = TrainingLog(None, TrainingParams(epochs=20), 1000, title="seed 2/3")
    assert log.step_ended(1, 64)
    assert not log.step_ended(1, 128)  # within a second of the one before
    log.epoch_ended(RECORD.model_copy(update={"epoch": 3}))
    first, second = caplog.records
    assert (first.rows, first.total) == (64, 20_000)  # type: ignore[attr-defined]
    assert first.fraction == pytest.approx(0.064)  # type: ignore[attr-defined]
    assert second.rows == 3000  # type: ignore[attr-defined]
    detail = second.detail  # type: ignore[attr-defined]
    assert detail == "seed 2/3, epoch 3/20, valid AUC 0.7000, 12k examples/s"


def test_progress_within_an_epoch_says_speed_and_time_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "clickwright.progress")
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    log = TrainingLog(None, TrainingParams(epochs=20), 100_000)
    for rows in (1000, 21_000, 41_000):
        log.step_ended(1, rows)
        clock[0] += 2.0
    details = [record.detail for record in caplog.records]  # type: ignore[attr-defined]
    assert details == [
        "epoch 1/20",
        "epoch 1/20, 10k examples/s, 0:08 left",
        "epoch 1/20, 10k examples/s, 0:06 left",
    ]


def events(folder: pathlib.Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of all scalars, and the counts of histograms, by tag."""
    found: dict[str, list[tuple[int, float]]] = {}
    for file in folder.glob("events.out.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                array = tf.make_ndarray(value.tensor)
                number = float(array if array.ndim == 0 else array[:, 2].sum())
                found.setdefault(value.tag, []).append((event.step, number))
    return found


@pytest.mark.parametrize("mode", ["scalars", "histograms", "off"])
def test_tensorboard_gets_what_was_asked_for_and_changes_nothing(
    tmp_path: pathlib.Path, mode: str
) -> None:
    train, valid = make_rows(200, 0), make_rows(100, 1)
    params = make_params(epochs=2, tensorboard=mode)
    trainer = make_trainer(epochs=2, tensorboard=mode)
    log = TrainingLog(tmp_path, params, train.rows)
    records = trainer.train(train, valid, log=log)
    assert without_clock(records) == without_clock(
        make_trainer(epochs=2).train(train, valid)
    )
    found = events(tmp_path)
    assert ("valid_auc" in found) == (mode != "off")
    norms = [value for _, value in found.get("gradient_norm", [])]
    assert (len(norms) == 2 and min(norms) > 0.0) == (mode != "off")
    histograms = {tag: values for tag, values in found.items() if "/" in tag}
    if mode != "histograms":
        assert not histograms
        return
    # One count a row of the table, a weight of the layer; after each epoch.
    assert histograms["row_norm/embeddings/user"] == [(1, 12.0), (2, 12.0)]
    assert histograms["row_norm/embeddings/price"] == [(1, 1.0), (2, 1.0)]
    assert histograms["gradient/head"] == [(1, 9.0), (2, 9.0)]
    assert histograms["gradient/tower/dense_0"] == [(1, 104.0), (2, 104.0)]


def test_the_gradient_norm_is_that_of_loss_and_penalties(
    tmp_path: pathlib.Path,
) -> None:
    # With zero weights a logistic regression's gradient is known: the table's is
    # the sum of (1/2 - y) / n over the rows of an id.
    trainer = make_trainer("logistic_regression", epochs=1, learning_rate=1e-12)
    rows = make_rows(64, 0)
    for variable in trainer.model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    trainer.train(rows, rows, log=TrainingLog(tmp_path, make_params(), 64))
    (batch,) = rows.batches(64)
    errors = (0.5 - batch.labels) / 64
    sums = [np.bincount(batch.features[name], errors) for name in ("user", "item")] + [
        np.sum(errors * batch.features["price"]),
        np.sum(errors),
    ]
    want = np.sqrt(sum(np.sum(np.square(s)) for s in sums))
    ((_, norm),) = events(tmp_path)["gradient_norm"]
    assert norm == pytest.approx(want, rel=1e-4)
