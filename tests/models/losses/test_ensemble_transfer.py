from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from clickwright.models.losses.ensemble_transfer import EnsembleTransfer


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(z, np.float64)))


def logit(p: Any) -> np.ndarray[Any, Any]:
    p = np.asarray(p)
    return np.log(p / (1 - p)).astype(np.float32)


def softmax(v: Any) -> Any:
    return np.exp(v) / np.exp(v).sum()


def cross_entropy(y: Any, p: Any) -> Any:
    return -y * np.log(p) - (1 - y) * np.log(1 - p)


def by_loops(
    y: Any, z: Any, weights: Any, given: tuple[Any, Any, Any] | None = None
) -> float:
    """The loss student by student; `given` fixes scores, teacher and peers."""
    p = sigmoid(z)
    size = p.shape[1]

    def mean(v: Any) -> float:
        return float(np.average(v, weights=weights))

    scores = np.array([mean(1 - np.abs(y - p[:, s])) for s in range(size)])
    teacher, peers = sigmoid(np.mean(z, axis=1)), p
    if given is not None:
        fixed, teacher, peers = given
        scores = scores if fixed is None else fixed
    total = np.mean([mean(cross_entropy(y, p[:, s])) for s in range(size)])
    if size == 1:
        return float(total)
    for s, w in enumerate(softmax(-scores)):
        total += w * mean((p[:, s] - teacher) ** 2)
    for i in range(size):
        others = [j for j in range(size) if j != i]
        for j, u in zip(others, softmax(scores[others] - scores[i]), strict=True):
            total += u * mean((p[:, i] - peers[:, j]) ** 2) / size
    return float(total)


Y = np.array([1.0, 0, 1, 1, 0])
Z = np.random.default_rng(1).normal(0, 1.5, (5, 3))
W = np.array([1.0, 2.0, 0.5, 0.0, 1.0])


def called(loss: Any, y: Any = Y, z: Any = Z, weights: Any = W) -> float:
    values = [np.asarray(v, np.float32) for v in (y, z, weights)]
    return float(loss(*values))


@pytest.mark.parametrize("students", [1, 2, 3])
def test_the_loss_equals_its_definition_by_loops(students: int) -> None:
    z = Z[:, :students]
    want = by_loops(Y, z, W)
    assert called(EnsembleTransfer(), z=z) == pytest.approx(want, rel=1e-5)


def test_the_exam_weighs_as_in_the_worked_example() -> None:
    # One positive row, so that a student's score is its probability.
    p = np.array([[0.6, 0.7, 0.9]])
    teacher = sigmoid(logit(p).mean())
    from_teacher = np.dot([0.377978, 0.342009, 0.280013], (p[0] - teacher) ** 2)
    from_peers = (
        0.450166 * 0.1**2 + 0.549834 * 0.3**2
        + 0.425557 * 0.1**2 + 0.574443 * 0.2**2
        + 0.475021 * 0.3**2 + 0.524979 * 0.2**2
    ) / 3  # fmt: skip
    want = cross_entropy(1.0, p).mean() + from_teacher + from_peers
    got = called(EnsembleTransfer(), [1.0], logit(p), [1.0])
    assert got == pytest.approx(want, abs=1e-6)


def test_equal_students_have_nothing_to_teach() -> None:
    z = np.repeat(Z[:, :1], 4, axis=1)
    plain = called(EnsembleTransfer("none"), z=z)
    assert called(EnsembleTransfer(), z=z) == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("detach", [False, True])
def test_gradients_leave_the_teacher_and_stop_at_the_exam_if_told(detach: bool) -> None:
    z = tf.constant(Z, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = EnsembleTransfer(detach_exam=detach)(
            tf.constant(Y, tf.float32), z, tf.constant(W, tf.float32)
        )
    got = tape.gradient(loss, z).numpy()
    p = sigmoid(Z)
    scores = np.average(1 - np.abs(Y[:, np.newaxis] - p), axis=0, weights=W)
    given = (scores if detach else None, sigmoid(Z.mean(1)), p)
    want = np.zeros_like(Z)
    for at in np.ndindex(*Z.shape):
        ends = []
        for step in (1e-5, -1e-5):
            moved = Z.copy()
            moved[at] += step
            ends.append(by_loops(Y, moved, W, given))
        want[at] = (ends[0] - ends[1]) / 2e-5
    np.testing.assert_allclose(got, want, rtol=2e-3, atol=1e-6)


def test_without_transfer_students_learn_from_labels_alone() -> None:
    want = np.average(cross_entropy(Y[:, np.newaxis], sigmoid(Z)).mean(1), weights=W)
    assert called(EnsembleTransfer("none")) == pytest.approx(want, rel=1e-5)


def test_the_mean_logit_can_learn_in_the_students_place() -> None:
    want = np.average(cross_entropy(Y, sigmoid(Z.mean(1))), weights=W)
    assert called(EnsembleTransfer("mean")) == pytest.approx(want, rel=1e-5)


def test_rows_without_weight_teach_nothing() -> None:
    there = W > 0
    want = called(EnsembleTransfer(), Y[there], Z[there], W[there])
    assert called(EnsembleTransfer()) == pytest.approx(want, rel=1e-6)


def test_an_unknown_transfer_is_refused() -> None:
    with pytest.raises(ValueError, match="`transfer` must be"):
        EnsembleTransfer("exams")  # type: ignore[arg-type]
