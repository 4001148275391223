"""The AUC of groups equals that of pairs counted one by one."""

import numpy as np
import pyarrow as pa
import pytest

from clickwright.experiments import unit_auc
from clickwright.experiments.unit_auc import group_aucs, score_keys


def pairs_auc(scores: list[float], labels: list[bool]) -> float | None:
    positive = [s for s, label in zip(scores, labels, strict=True) if label]
    negative = [s for s, label in zip(scores, labels, strict=True) if not label]
    won = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    return sum(won) / len(won) if won else None


def test_groups_have_the_auc_of_their_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_auc, "_SLICE", 7)
    random = np.random.default_rng(3)
    groups = random.integers(0, 12, 200)
    scores, positions, labels = [], [], []
    for _ in groups:
        # Few values, of both signs: ties and zeros of both signs.
        values = random.choice([-1.5, -0.0, 0.0, 0.25, 0.5], random.integers(0, 6))
        clicked = [p for p in range(len(values)) if random.random() < 0.2]
        scores.append(values.tolist())
        positions.append(clicked or None)
        labels.append([p in clicked for p in range(len(values))])
    keys = score_keys(
        groups,
        pa.array(scores, pa.list_(pa.float32())),
        pa.array(positions, pa.list_(pa.int32())),
    )
    found = {g: (a, w) for g, a, w in zip(*group_aucs(keys), strict=True)}

    expected = {}
    for group in range(12):
        members = np.flatnonzero(groups == group)
        of_group = [score for at in members for score in scores[at]]
        auc = pairs_auc(of_group, [label for at in members for label in labels[at]])
        if auc is not None:
            expected[group] = (auc, len(of_group))
    assert set(found) == set(expected)
    for group, (auc, weight) in expected.items():
        np.testing.assert_allclose(found[group], (auc, weight), rtol=1e-12)


def test_null_scores_and_positions_beyond_the_list_are_left_out() -> None:
    keys = score_keys(
        np.array([5, 5]),
        pa.array([[0.1, None, 0.9], [0.5]], pa.list_(pa.float32())),
        pa.array([[1, 2, 7], [4]], pa.list_(pa.int32())),
    )
    group, auc, weight = group_aucs(keys)

    assert (group.tolist(), auc.tolist(), weight.tolist()) == ([5], [1.0], [3.0])


def test_slices_of_lists_are_read_where_they_begin() -> None:
    scores = pa.array([[9.0], [0.2, 0.8], [0.5]], pa.list_(pa.float32())).slice(1)
    positions = pa.array([[0], [1], None], pa.list_(pa.int32())).slice(1)
    group, auc, weight = group_aucs(score_keys(np.array([1, 1]), scores, positions))

    assert (group.tolist(), auc.tolist(), weight.tolist()) == ([1], [1.0], [3.0])


def test_nothing_scored_has_no_group() -> None:
    group, auc, weight = group_aucs(np.empty(0, np.uint64))

    assert len(group) == len(auc) == len(weight) == 0
