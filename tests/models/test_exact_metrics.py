import numpy as np
import pytest
from sklearn import metrics

from clickwright.models.metrics.auc import area_under_roc
from clickwright.models.metrics.log_loss import log_loss


def test_auc_of_a_case_by_hand() -> None:
    # Positives 0.8, 0.4; negatives 0.4, 0.1: three wins and one tie of four pairs.
    assert area_under_roc([1, 1, 0, 0], [0.8, 0.4, 0.4, 0.1]) == 3.5 / 4


@pytest.mark.parametrize("levels", [3, 10, 10**6])
def test_auc_equals_the_count_of_all_pairs_with_ties_and_weights(levels: int) -> None:
    rng = np.random.default_rng(levels)
    labels = rng.integers(0, 2, 60)
    scores = rng.integers(0, levels, 60) / levels
    weights = rng.random(60)
    won = total = 0.0
    for p in np.flatnonzero(labels == 1):
        for n in np.flatnonzero(labels == 0):
            pair = weights[p] * weights[n]
            total += pair
            won += pair * ((scores[p] > scores[n]) + 0.5 * (scores[p] == scores[n]))
    got = area_under_roc(labels, scores, weights)
    assert got == pytest.approx(won / total, rel=1e-12)


def test_auc_equals_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 5000)
    scores = np.round(rng.random(5000).astype(np.float32), 2)
    weights = rng.random(5000)
    assert area_under_roc(labels, scores) == pytest.approx(
        metrics.roc_auc_score(labels, scores), rel=1e-12
    )
    assert area_under_roc(labels, scores, weights) == pytest.approx(
        metrics.roc_auc_score(labels, scores, sample_weight=weights), rel=1e-12
    )


def test_rows_of_no_weight_do_not_count() -> None:
    labels, scores = [1, 0, 1, 0], [0.9, 0.1, 0.0, 1.0]
    assert area_under_roc(labels, scores, [1, 1, 0, 0]) == 1.0
    kept = log_loss(labels[:2], scores[:2])
    assert log_loss(labels, scores, [1, 1, 0, 0]) == pytest.approx(kept, rel=1e-12)


@pytest.mark.parametrize("labels", [[], [1, 1], [0, 0]])
def test_auc_of_one_class_is_not_a_number(labels: list[int]) -> None:
    assert np.isnan(area_under_roc(labels, [0.5] * len(labels)))


def test_log_loss_equals_scikit_learns_and_its_formula() -> None:
    rng = np.random.default_rng(1)
    labels, weights = rng.integers(0, 2, 500), rng.random(500)
    p = rng.uniform(0.01, 0.99, 500)
    want = metrics.log_loss(labels, p, sample_weight=weights)
    assert log_loss(labels, p, weights) == pytest.approx(want, rel=1e-12)
    assert log_loss([1, 0], [0.25, 0.5]) == pytest.approx(np.log(4 * 2) / 2)


def test_log_loss_is_finite_for_certain_and_wrong_predictions() -> None:
    assert log_loss([1], [0.0]) == pytest.approx(-np.log(1e-7))
    assert log_loss([0], [1.0]) == pytest.approx(-np.log(1e-7), rel=1e-6)
    assert np.isnan(log_loss([], []))
