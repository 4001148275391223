"""Rows to learn from and trainers for them, for the tests of training."""

from typing import Any

import keras
import numpy as np

from clickwright.models import registry
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.placement import placement
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.model_input import ModelInput

INPUTS = (
    ModelInput("user", "id", "user", "user", 12),
    ModelInput("item", "id", "item", "item", 22),
    ModelInput("price", "value", "item"),
)
DEEP = {"embedding_dim": 4, "hidden_units": [8], "dropout": 0.3, "l2": 1e-4}
RECORD = EpochRecord(
    epoch=1,
    step=3,
    seconds=0.5,
    loss=0.6,
    valid_auc=0.7,
    valid_logloss=0.5,
    learning_rate=1e-3,
    examples_per_second=12_345.0,
)


def make_rows(rows: int, seed: int, signal: float = 1.0) -> InMemoryExamples:
    """Clicks that hang on all inputs; the other way round where `signal` is -1."""
    rng = np.random.default_rng(seed)
    user, item = rng.integers(1, 12, rows), rng.integers(1, 22, rows)
    price = rng.normal(size=rows).astype(np.float32)
    logit = 0.3 * (user - 6) + 0.2 * (item - 11) * np.sign(user - 6) - price
    clicks = rng.random(rows) < 1 / (1 + np.exp(-signal * logit))
    return InMemoryExamples({"user": user, "item": item, "price": price}, clicks)


def make_params(**params: Any) -> TrainingParams:
    """Few rows a step and few epochs, unless `params` say otherwise."""
    return TrainingParams(**{"batch_size": 64, "epochs": 4, **params})


def build(name: str = "deepfm", **model: Any) -> keras.Model:
    """A tiny model of `INPUTS`."""
    chosen = DEEP if name == "deepfm" else {"l2": 0.0}
    return registry.build(name, INPUTS, {**chosen, **model})


def make_trainer(
    name: str = "deepfm", model: dict[str, Any] | None = None, **params: Any
) -> Trainer:
    """A trainer of a tiny model."""
    settings = make_params(**params)
    with placement(settings):
        keras.utils.set_random_seed(settings.seed)
        return Trainer(build(name, **model or {}), settings)


def values(trainer: Trainer) -> list[np.ndarray[Any, Any]]:
    """All variables of the trainer's model."""
    return [np.array(v) for v in trainer.model.variables]


def without_clock(records: tuple[EpochRecord, ...]) -> list[dict[str, Any]]:
    """The records but for what the clock says."""
    timed = {"seconds", "examples_per_second"}
    return [record.model_dump(exclude=timed) for record in records]
