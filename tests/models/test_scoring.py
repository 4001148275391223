"""The correction of probabilities that were learned from sampled negatives."""

import keras
import numpy as np
import pytest

from clickwright.models import registry
from clickwright.models.metrics.auc import area_under_roc
from clickwright.models.scoring import scoring_model
from clickwright.schemas.model_input import ModelInput

INPUTS = (
    ModelInput("user", "id", "user", "user", 40),
    ModelInput("price", "value", "item"),
)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    built = registry.build("logistic_regression", INPUTS)
    for variable in built.trainable_variables:
        size = int(np.prod(variable.shape))
        variable.assign(np.linspace(-2, 1, size).reshape(variable.shape))
    return built


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "user": rng.integers(1, 40, 500),
        "price": rng.normal(size=500).astype(np.float32),
    }


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.7])
def test_sampled_probabilities_are_set_right_by_the_formula(
    model: keras.Model, rows: dict[str, np.ndarray], rate: float
) -> None:
    learned = np.asarray(model(rows, training=False)["probability"], np.float64)
    assert learned.std() > 0.1
    corrected = np.asarray(scoring_model(model, rate)(rows, training=False))
    want = rate * learned / (1.0 - learned + rate * learned)
    np.testing.assert_allclose(corrected, want, rtol=1e-5, atol=1e-7)
    labels = np.arange(500) % 3 == 0
    auc = area_under_roc(labels, learned)
    assert area_under_roc(labels, corrected) == pytest.approx(auc, abs=1e-5)


def test_all_negatives_need_no_correction(
    model: keras.Model, rows: dict[str, np.ndarray]
) -> None:
    scored = scoring_model(model)(rows, training=False)
    np.testing.assert_array_equal(scored, model(rows, training=False)["probability"])


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1])
def test_a_rate_that_is_no_share_is_refused(model: keras.Model, rate: float) -> None:
    with pytest.raises(ValueError, match=r"in \(0, 1\]. Received"):
        scoring_model(model, rate)
