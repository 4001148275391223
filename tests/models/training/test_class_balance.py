"""Sampled negatives and weighted clicks."""

import math
from typing import Any

import keras
import numpy as np
import pytest

from clickwright.models import registry
from clickwright.models.metrics.auc import area_under_roc
from clickwright.models.metrics.log_loss import log_loss
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.model_input import ModelInput

INPUTS = (ModelInput("item", "id", "item", "item", 12),)
ROWS = 20_000


def make_rows(seed: int, rate: float = 1.0) -> InMemoryExamples:
    """Items clicked in 3% to 30% of their rows."""
    rng = np.random.default_rng(seed)
    item = rng.integers(1, 11, ROWS)
    clicks = rng.random(ROWS) < 0.03 * item
    return InMemoryExamples({"item": item}, clicks, negative_sampling_rate=rate)


def train(examples: InMemoryExamples, **params: Any) -> Trainer:
    settings = TrainingParams(
        **{"epochs": 15, "batch_size": 500, "learning_rate": 0.02, **params}
    )
    keras.utils.set_random_seed(0)
    model = registry.build("logistic_regression", INPUTS, {"l2": 0.0})
    trainer = Trainer(model, settings)
    trainer.train(examples, make_rows(1))
    return trainer


def test_a_model_of_sampled_negatives_is_calibrated() -> None:
    test = make_rows(2)
    trainer = train(make_rows(0, rate=0.2), negative_sampling_rate=0.2)
    labels, probabilities, weights = trainer.predict(test)
    rate = float(labels.mean())
    # The base rate's own deviation is 0.003; uncorrected the mean would be near 0.48.
    assert float(probabilities.mean()) == pytest.approx(rate, abs=0.015)
    (batch,) = test.batches(ROWS)
    learned = np.asarray(trainer.model(batch.features)["probability"], np.float64)
    assert learned.mean() > 0.4
    want = 0.2 * learned / (1.0 - learned + 0.2 * learned)
    np.testing.assert_allclose(probabilities, want, rtol=1e-5)
    assert area_under_roc(labels, probabilities, weights) == pytest.approx(
        area_under_roc(labels, learned, weights), abs=1e-6
    )
    assert (log_loss(labels, probabilities, weights) or 1.0) < 0.9 * (
        log_loss(labels, learned, weights) or 0.0
    )


def test_the_weight_of_clicks_multiplies_that_of_their_rows() -> None:
    labels = (np.arange(60) % 4 == 0).astype(np.float32)
    weights = np.linspace(0.0, 2.0, 60, dtype=np.float32)
    items = np.arange(60) % 11 + 1
    trained = []
    for factor, own in ((3.0, weights), (1.0, weights * np.where(labels > 0, 3, 1))):
        examples = InMemoryExamples({"item": items}, labels, own)
        trainer = train(examples, positive_weight=factor, epochs=3, batch_size=16)
        trained.append([np.array(v) for v in trainer.model.variables])
    for one, other in zip(*trained, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_weighted_clicks_move_the_odds_by_their_factor() -> None:
    trainer = train(make_rows(0), positive_weight=4.0)
    labels, probabilities, _ = trainer.predict(make_rows(2))
    rate = float(labels.mean())
    want = 4.0 * rate / (4.0 * rate + 1.0 - rate)
    # Over items of different rates the mean is not quite that of the mean rate.
    assert float(probabilities.mean()) == pytest.approx(want, abs=0.04)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("negative_sampling_rate", 0.0),
        ("negative_sampling_rate", 1.5),
        ("positive_weight", 0.0),
        ("positive_weight", math.inf),
        ("cache", "ram"),
    ],
)
def test_parameters_out_of_their_range_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        TrainingParams(**{field: value})
