"""The trials of the search."""

import math
from collections.abc import Mapping

import numpy as np

from clickwright.components.encoder_search.trial import Trial
from clickwright.components.encoder_search.trial_trainer import TrialTrainer
from clickwright.models import registry
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import (
    BucketsEncoding,
    LinearEncoding,
    NumericEncoding,
)

FIELDS = ("step", "slope")
TABLE: Mapping[str, NumericEncoding] = {
    "linear": LinearEncoding(),
    "buckets": BucketsEncoding(boundaries=tuple(np.linspace(-1.5, 1.5, 15).tolist())),
}


def _rows(rows: int, seed: int) -> InMemoryExamples:
    """Clicks jump up and down along `step`, and rise with `slope`."""
    rng = np.random.default_rng(seed)
    step = rng.uniform(-1.7, 1.7, rows)
    slope = rng.uniform(-1.7, 1.7, rows)
    logit = np.where(np.floor((step + 1.7) / 0.85) % 2 == 0, -1.8, 1.8) + slope
    labels = rng.random(rows) < 1.0 / (1.0 + np.exp(-logit))
    features = {"step": step.astype(np.float32), "slope": slope.astype(np.float32)}
    return InMemoryExamples(features, labels)


def _trainer(params: TrainingParams) -> TrialTrainer:
    return TrialTrainer(
        "dnn",
        registry.parse_params(
            "dnn", {"embedding_dim": 4, "hidden_units": [], "batch_norm": False}
        ),
        params,
        lambda encoders: [
            ModelInput(name, "value", "user", numeric=TABLE[encoder])
            for name, encoder in zip(FIELDS, encoders, strict=True)
        ],
        _rows(4096, 1),
        _rows(4096, 2),
    )


PARAMS = TrainingParams(
    batch_size=256, learning_rate=0.02, learning_rate_decay=0.5, device="cpu"
)


def test_a_trial_ends_the_same_twice() -> None:
    trainer = _trainer(PARAMS)
    trial = Trial(("buckets", "linear"), 3, 1)
    first, second = trainer(trial), trainer(trial)
    assert first == second
    assert first.epochs == 1
    assert trainer(Trial(("buckets", "linear"), 4, 1)) != first


def test_a_line_along_steps_is_worse_than_buckets() -> None:
    trainer = _trainer(PARAMS)
    linear = trainer(Trial(("linear", "linear"), 0, 3)).logloss
    buckets = trainer(Trial(("buckets", "linear"), 0, 3)).logloss
    # The best that a line along `step` can do is to leave it out.
    assert linear > buckets + 0.1


def test_a_training_that_diverges_is_a_loss_without_end() -> None:
    trainer = _trainer(PARAMS.model_copy(update={"learning_rate": 1e30}))
    assert trainer(Trial(("linear", "linear"), 0, 3)).logloss == math.inf
