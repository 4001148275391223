"""Choices made from scores."""

import numpy as np
import pytest

from clickwright.experiments.off_policy.score_policy import ScorePolicy

SCORES = np.array([0.2, 0.5, 0.1, 0.5, 0.3])
DECISION = np.array([1, 0, 1, 0, 0])


@pytest.mark.parametrize(
    ("policy", "chances"),
    [
        (ScorePolicy(), [1.0, 0.5, 0.0, 0.5, 0.0]),
        (
            ScorePolicy(epsilon=0.3),
            [0.7 + 0.15, 0.35 + 0.1, 0.15, 0.35 + 0.1, 0.1],
        ),
        (
            ScorePolicy(kind="softmax", temperature=0.5),
            [
                np.exp(0.4) / (np.exp(0.4) + np.exp(0.2)),
                np.e / (2 * np.e + np.exp(0.6)),
                np.exp(0.2) / (np.exp(0.4) + np.exp(0.2)),
                np.e / (2 * np.e + np.exp(0.6)),
                np.exp(0.6) / (2 * np.e + np.exp(0.6)),
            ],
        ),
    ],
)
def test_scores_become_the_chances_of_their_policy(
    policy: ScorePolicy, chances: list[float]
) -> None:
    found = policy.probabilities(SCORES, DECISION)

    assert found == pytest.approx(np.array(chances))
    assert np.bincount(DECISION, found) == pytest.approx(np.ones(2))


def test_a_low_temperature_does_not_overflow() -> None:
    cold = ScorePolicy(kind="softmax", temperature=1e-6)

    found = cold.probabilities(SCORES, DECISION)

    assert found == pytest.approx(ScorePolicy().probabilities(SCORES, DECISION))
