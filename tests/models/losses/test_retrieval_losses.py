import math
from typing import Any

import numpy as np
import pytest

from clickwright.models.losses.attribute_cross_entropy import attribute_cross_entropy
from clickwright.models.losses.binary_with_negatives import binary_with_negatives
from clickwright.models.losses.bpr_max import bpr_max
from clickwright.models.losses.doubly_squashed import doubly_squashed
from clickwright.models.losses.sampled_softmax import sampled_softmax

O = np.array([[1.0, 0.2, -0.5], [0.1, 0.8, 0.3]], np.float32)
POSITIVE = np.array([1.0, 0.8], np.float32)
ONES = np.ones(2, np.float32)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def test_softmax_among_the_batch_and_a_sample_gives_the_worked_sum() -> None:
    others = np.array([[0.2, -0.5], [0.1, 0.3]], np.float32)
    assert 2 * float(sampled_softmax(POSITIVE, others, ONES)) == pytest.approx(
        1.257715, abs=2e-6
    )


def test_softmax_of_cosines_gives_the_worked_value() -> None:
    loss = sampled_softmax(
        np.array([0.8], np.float32) / 0.05,
        np.array([[0.1, 0.3, -0.2]], np.float32) / 0.05,
        np.array([1], np.float32),
    )
    assert float(loss) == pytest.approx(4.6e-5, abs=1e-6)


def test_bpr_max_gives_the_worked_sum() -> None:
    others_of = ~np.eye(2, 3, dtype=bool)
    want = pytest.approx(0.916755, abs=2e-6)
    assert 2 * float(bpr_max(POSITIVE, O, ONES, others_of)) == want
    others = O[others_of].reshape(2, 2)
    assert 2 * float(bpr_max(POSITIVE, others, ONES)) == want


def test_bpr_max_takes_elus_of_scores() -> None:
    others = np.array([[0.2, -0.5], [0.1, 0.3]], np.float32)

    def elu(x: Any) -> Any:
        return np.where(x > 0, x, 0.5 * (np.exp(x) - 1)).astype(np.float32)

    got = bpr_max(POSITIVE - 1, others, ONES, elu=0.5)
    want = bpr_max(elu(POSITIVE - 1), elu(others), ONES)
    assert float(got) == pytest.approx(float(want), rel=1e-6)
    assert float(got) != pytest.approx(float(bpr_max(POSITIVE - 1, others, ONES)))


def test_negatives_that_take_no_part_change_nothing() -> None:
    part = np.array([[True, False], [True, False]])
    few, many = np.array([[0.2], [0.1]], np.float32), np.array([[0.2, 9.0], [0.1, 9.0]])
    for loss in (sampled_softmax, bpr_max):
        assert float(loss(POSITIVE, many, ONES, part)) == pytest.approx(
            float(loss(POSITIVE, few, ONES)), rel=1e-6
        )


def test_places_without_a_next_item_count_for_nothing() -> None:
    others = np.array([[0.2, 0.4], [0.1, 7.0]], np.float32)
    first = np.array([1, 0], np.float32)
    for loss in (sampled_softmax, bpr_max, binary_with_negatives):
        alone = loss(POSITIVE[:1], others[:1], ONES[:1])
        assert float(loss(POSITIVE, others, first)) == pytest.approx(float(alone))
        assert float(loss(POSITIVE, others, 0 * ONES)) == 0.0


def test_the_binary_loss_is_that_of_the_logarithms() -> None:
    others = np.array([[0.2, 0.4], [0.1, 7.0]], np.float32)
    want = -np.log(sigmoid(POSITIVE)) - np.log(1 - sigmoid(others)).sum(1)
    assert float(binary_with_negatives(POSITIVE, others, ONES)) == pytest.approx(
        want.mean(), rel=1e-5
    )


def test_the_loss_that_squashes_twice_has_a_floor() -> None:
    p, n = (
        np.array([0.5, -1.0, 40.0], np.float32),
        np.array([0.2, 3.0, -40.0], np.float32),
    )
    got = np.asarray(doubly_squashed(p, n))
    np.testing.assert_allclose(
        got, -np.log(sigmoid(sigmoid(p) - sigmoid(n))), rtol=1e-5
    )
    assert got.min() == pytest.approx(0.313262, abs=1e-6)
    assert got.min() == pytest.approx(math.log(1 + math.exp(-1)), abs=1e-6)


def test_attributes_cost_what_a_matrix_of_zeros_and_ones_would() -> None:
    logits = np.random.default_rng(1).normal(size=(2, 3, 6)).astype(np.float32)
    attributes = np.array([[[1, 5, 0], [0, 0, 0], [2, 3, 4]], [[5, 1, 3]] * 3])
    hot = np.zeros((2, 3, 6))
    for place in np.ndindex(2, 3):
        hot[place][attributes[place]] = 1
    p = sigmoid(logits)
    terms = -(hot * np.log(p) + (1 - hot) * np.log(1 - p))
    np.testing.assert_allclose(
        attribute_cross_entropy(logits, attributes), terms[..., 1:].sum(-1), rtol=1e-5
    )
