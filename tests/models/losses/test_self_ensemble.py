import numpy as np
import pytest
import tensorflow as tf

from clickwright.models.losses.cross_entropy import CrossEntropy
from clickwright.models.losses.self_ensemble import SelfEnsemble


def logit(*probabilities: float) -> np.ndarray:
    p = np.array(probabilities)
    return np.log(p / (1 - p)).astype(np.float32)


def cross_entropy(target: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -target * np.log(p) - (1 - target) * np.log(1 - p)


def gradient(loss, labels, logits, weights) -> np.ndarray:  # type: ignore[no-untyped-def]
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(labels, logits, weights)
    return tape.gradient(value, logits).numpy()


ONE = np.ones(1, np.float32)


def test_the_loss_equals_the_worked_example() -> None:
    value = SelfEnsemble()(ONE, logit(0.6, 0.8)[np.newaxis], ONE)
    # CE(.7, 1) + CE of .6 and of .8 with .7: .356675 + .632465 + .639032
    assert float(value) == pytest.approx(1.628172, abs=1e-6)


def test_the_mean_teaches_without_learning() -> None:
    p = np.array([0.6, 0.8])
    mean = p.mean()
    # d CE(y, m) / dz_k runs through the mean; the soft terms give p_k - m alone.
    through_mean = (mean - 1) / (mean * (1 - mean)) * 0.5 * p * (1 - p)
    got = gradient(SelfEnsemble(), ONE, logit(*p)[np.newaxis], ONE)
    np.testing.assert_allclose(got[0], through_mean + p - mean, rtol=1e-5)


def test_equal_passes_learn_as_from_plain_cross_entropy() -> None:
    labels = np.array([1.0, 0.0, 1.0], np.float32)
    z = np.array([0.3, -1.0, 2.0], np.float32)
    weights = np.array([1.0, 2.0, 0.5], np.float32)
    both = gradient(SelfEnsemble(), labels, np.stack([z, z], 1), weights)
    once = gradient(CrossEntropy(), labels, z[:, np.newaxis], weights)
    np.testing.assert_allclose(both.sum(1), once[:, 0], rtol=1e-5, atol=1e-7)
    p = 1 / (1 + np.exp(-z.astype(np.float64)))
    rows = cross_entropy(labels, p) + 2 * cross_entropy(p, p)
    value = SelfEnsemble()(labels, np.stack([z, z], 1), weights)
    assert float(value) == pytest.approx(np.average(rows, weights=weights), rel=1e-6)


def test_rows_without_weight_teach_nothing() -> None:
    logits = np.array([[0.1, -0.2], [5.0, -7.0]], np.float32)
    labels = np.array([1.0, 0.0], np.float32)
    weights = np.array([1.0, 0.0], np.float32)
    alone = SelfEnsemble()(labels[:1], logits[:1], ONE)
    assert float(SelfEnsemble()(labels, logits, weights)) == pytest.approx(float(alone))
    assert not gradient(SelfEnsemble(), labels, logits, weights)[1].any()


def test_extreme_logits_keep_a_finite_loss_and_their_gradient() -> None:
    logits = np.array([[200.0, 150.0]], np.float32)
    labels = np.zeros(1, np.float32)
    # log of the mean of sigmoid(-200) and sigmoid(-150) is -150 - log 2; the soft
    # targets are 1 and the passes agree.
    value = float(SelfEnsemble()(labels, logits, ONE))
    assert value == pytest.approx(150 + np.log(2), rel=1e-6)
    assert gradient(SelfEnsemble(), labels, logits, ONE)[0, 1] == pytest.approx(1.0)
