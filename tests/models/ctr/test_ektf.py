from typing import Any

import keras
import numpy as np
import pytest

from clickwright.models import registry
from clickwright.models.losses.cross_entropy import CrossEntropy
from clickwright.schemas.model_input import ModelInput

ROWS = (4, 3, 6)
INPUTS = tuple(
    ModelInput(f"f{n}", "id", "user", f"f{n}", rows) for n, rows in enumerate(ROWS)
)
FEATURES = {
    "f0": np.array([0, 3, 2, 1]),
    "f1": np.array([2, 1, 1, 0]),
    "f2": np.array([5, 0, 3, 4]),
}
SMALL: dict[str, Any] = {
    "embedding_dim": 3,
    "hidden_units": (5, 4),
    "embedding_stddev": 0.5,
    "students": 3,
}


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(z, np.float64)))


def fields(count: int, rows: int) -> list[ModelInput]:
    return [ModelInput(f"f{n}", "id", "user", f"f{n}", rows) for n in range(count)]


@pytest.mark.parametrize(
    ("students", "published"), [(2, 15_719_154), (3, 16_292_755), (10, 20_307_962)]
)
def test_criteo_has_the_published_number_of_parameters(
    students: int, published: int
) -> None:
    # 910,747 rows of 16 floats; here each of the 39 fields has 2.
    params = {"embedding_dim": 16, "students": students}
    model = registry.build("ektf", fields(39, 2), params)
    assert trainable(model) == published - (910_747 - 39 * 2) * 16


def test_a_student_on_movielens_has_the_published_number_of_parameters() -> None:
    model = registry.build("ektf", fields(7, 1), {"embedding_dim": 16, "students": 1})
    assert trainable(model) == 368_801 + 7 * 16


def test_frappe_with_one_student_has_the_parameters_of_the_plain_network() -> None:
    # 5,399 rows, of FuxiCTR v2 and of ours; a tower 100 -> 400 -> 400 -> 400 -> 1.
    student = 100 * 400 + 2 * 400 * 400 + 3 * (400 + 800) + 401
    model = registry.build("ektf", fields(10, 3), {"students": 5})
    assert trainable(model) - 30 * 10 == 5 * student == 5 * 364_001


def test_the_model_is_the_mean_of_its_students_logits() -> None:
    model = registry.build("ektf", INPUTS, SMALL)
    got = model(FEATURES, training=False)
    logits = np.asarray(got["logits"])
    assert logits.shape == (4, 3)
    assert len(np.unique(logits[0])) == 3
    np.testing.assert_allclose(got["probability"], sigmoid(logits.mean(1)), rtol=1e-5)
    each = sigmoid(logits)
    assert (np.asarray(got["probability"]) <= each.max(1)).all()
    assert (np.asarray(got["probability"]) >= each.min(1)).all()


def test_a_single_student_is_trained_by_cross_entropy() -> None:
    params = {**SMALL, "students": 1}
    logits = np.asarray(registry.build("ektf", INPUTS, params)(FEATURES)["logits"])
    labels, weights = np.array([1, 0, 1, 0], np.float32), np.ones(4, np.float32)
    assert float(registry.loss("ektf", params)(labels, logits, weights)) == (
        pytest.approx(float(CrossEntropy()(labels, logits, weights)))
    )
