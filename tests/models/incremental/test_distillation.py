"""Keeping a model to its parent's answers."""

import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from warm_rows import NEW, OLD, keep, make_rows, make_trainer, start_of

from clickwright.models.incremental.distillation_loss import probability_logit
from clickwright.models.training.trainer import Trainer

DEEP: dict[str, Any] = {
    "embedding_dim": 4,
    "hidden_units": [6],
    "l2": 0.0,
    "dropout": 0.0,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    parent = make_trainer("deepfm", OLD, DEEP, epochs=3, learning_rate=0.05)
    parent.train(make_rows(300, 1), make_rows(100, 2))
    folder = tmp_path_factory.mktemp("parent") / "training-state"
    return keep(parent, folder, "deepfm", DEEP)


def child(folder: pathlib.Path, weight: float, temperature: float = 1.0) -> Trainer:
    settings = {"weight": weight, "temperature": temperature}
    start = start_of(folder, "deepfm", DEEP, distillation=settings)
    return make_trainer("deepfm", NEW, DEEP, start)


def pull(trainer: Trainer, batch: Any) -> tuple[float, float]:
    """The distillation's loss, and the norm of its gradient."""
    distillation = trainer._distillation
    assert distillation is not None
    model = keras.Model(trainer.model.input, probability_logit(trainer.model))
    with tf.GradientTape() as tape:
        loss = distillation(batch.features, model(batch.features), batch.weights)
    gradients = tape.gradient(loss, trainer.model.trainable_variables)
    norm = tf.linalg.global_norm([g for g in gradients if g is not None])
    return float(loss), float(norm)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_loss_is_the_parents_entropy_and_pulls_nowhere_at_the_parent(
    folder: pathlib.Path, temperature: float
) -> None:
    trainer = child(folder, 0.5, temperature)
    batch = next(iter(make_rows(64, 3, NEW).batches(64)))
    loss, norm = pull(trainer, batch)
    p = trainer.predict(make_rows(64, 3, NEW))[1].astype(np.float64)
    logit = np.log(p / (1 - p)) / temperature
    p = 1 / (1 + np.exp(-logit))
    entropy = -np.mean(p * np.log(p) + (1 - p) * np.log(1 - p))
    assert loss == pytest.approx(0.5 * temperature**2 * entropy, rel=1e-5)
    assert norm < 1e-6


def test_the_loss_pulls_back_to_the_parent(folder: pathlib.Path) -> None:
    trainer = child(folder, 0.5)
    batch = next(iter(make_rows(64, 3, NEW).batches(64)))
    at_parent, _ = pull(trainer, batch)
    for variable in trainer.model.trainable_variables:
        variable.assign(variable + 0.1)
    away, norm = pull(trainer, batch)
    assert away > at_parent and norm > 1e-3


def test_a_model_that_is_kept_to_its_parent_stays_closer_to_it(
    folder: pathlib.Path,
) -> None:
    probe = make_rows(200, 9)
    before = child(folder, 0.0).predict(probe)[1]
    distances = []
    for weight in (0.0, 20.0):
        trainer = child(folder, weight)
        trainer._optimizer.learning_rate.assign(0.05)
        for batch in make_rows(400, 4, NEW).batches(64):
            # Clicks the other way round.
            trainer._train_on_batch(1, batch._replace(labels=1 - batch.labels))
        distances.append(np.abs(trainer.predict(probe)[1] - before).mean())
    assert distances[1] < 0.5 * distances[0]


def test_no_teacher_is_made_without_a_weight(folder: pathlib.Path) -> None:
    assert child(folder, 0.0)._distillation is None
