from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from clickwright.models.losses.self_distillation import SelfDistillation

ONE = np.ones(1, np.float32)


def soft(student: float, teacher: float, temperature: float, **arguments: Any) -> float:
    """The divergence alone: its share is 1 when that of the cross-entropies is 0."""
    loss = SelfDistillation(0.0, temperature, **arguments)
    return float(loss(ONE, np.array([[student, teacher]], np.float32), ONE))


@pytest.mark.parametrize(
    ("temperature", "kl", "official"),
    [(1.0, 0.069724, 0.047239), (1.3, 0.043579, -0.005127), (1.8, 0.023637, -0.056405)],
)
def test_divergences_equal_their_worked_values(
    temperature: float, kl: float, official: float
) -> None:
    assert soft(0.2, 1.0, temperature) == pytest.approx(kl, abs=1e-6)
    got = soft(0.2, 1.0, temperature, kd_form="official")
    assert got == pytest.approx(official, abs=1e-6)


def test_only_the_official_form_is_not_zero_between_equals() -> None:
    assert soft(0.7, 0.7, 1.3) == pytest.approx(0.0, abs=1e-7)
    got = soft(0.7, 0.7, 1.3, kd_form="official")
    assert got == pytest.approx(-0.0533, abs=5e-5)


def test_the_divergence_is_never_negative_and_stays_finite() -> None:
    z = np.random.default_rng(1).normal(0, 20, (500, 2)).astype(np.float32)
    loss = SelfDistillation(0.0)
    values = [float(loss(ONE, row[np.newaxis], ONE)) for row in z]
    assert np.isfinite(values).all()
    assert min(values) >= -1e-6


def test_the_loss_equals_its_definition() -> None:
    generator = np.random.default_rng(2)
    z = generator.normal(size=(6, 3))
    y = np.array([1.0, 0, 0, 1, 1, 0])
    w = generator.uniform(0.0, 2.0, 6)
    w[2] = 0.0

    def sigmoid(v: Any) -> Any:
        return 1 / (1 + np.exp(-v))

    p = sigmoid(z)
    hard = -np.where(y[:, np.newaxis] == 1, np.log(p), np.log(1 - p)).sum(1)
    a, b = sigmoid(z[:, 2:] / 1.3), sigmoid(z[:, :2] / 1.3)
    kl = (a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b))).sum(1)
    want = np.average(0.9 * hard + 0.1 * kl, weights=w)
    got = SelfDistillation(0.9, 1.3)(
        y.astype(np.float32), z.astype(np.float32), w.astype(np.float32)
    )
    assert float(got) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("detach", [False, True])
def test_the_teacher_learns_from_the_students_unless_detached(detach: bool) -> None:
    logits = tf.constant([[0.2, -0.5, 1.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = SelfDistillation(0.0, 1.3, detach_teacher=detach)(ONE, logits, ONE)
    gradient = tape.gradient(loss, logits).numpy()[0]
    p = 1 / (1 + np.exp(-np.array([0.2, -0.5, 1.0]) / 1.3))
    np.testing.assert_allclose(gradient[:2], (p[:2] - p[2]) / 1.3, rtol=1e-4)
    assert (gradient[2] == 0) == detach


def test_one_predictor_is_trained_by_cross_entropy() -> None:
    got = SelfDistillation(0.5)(ONE, np.array([[0.0]], np.float32), ONE)
    assert float(got) == pytest.approx(0.5 * np.log(2))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"ce_weight": 1.1}, "`ce_weight` must be 0 to 1"),
        ({"ce_weight": 0.5, "temperature": 0.0}, "`temperature` must be positive"),
        ({"ce_weight": 0.5, "kd_form": "kl"}, "`kd_form` must be"),
    ],
)
def test_arguments_out_of_range_are_refused(
    arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        SelfDistillation(**arguments)
