import itertools
import math
from typing import Any

import keras
import keras_rs
import numpy as np
import pytest

from clickwright.models.metrics import full_ranks as module
from clickwright.models.metrics.full_ranks import NEVER, full_ranks
from clickwright.models.metrics.ranking_metrics import NAMES, ranking_metrics
from clickwright.models.ragged_ids import RaggedIds

ITEMS = 40


def ragged(lists: list[list[int]]) -> RaggedIds:
    return RaggedIds.of_lengths(
        list(itertools.chain(*lists)), [len(row) for row in lists]
    )


def case(
    seed: int, queries: int, ties: bool
) -> tuple[np.ndarray, list[list[int]], list[list[int]], np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(queries, ITEMS)).astype(np.float32)
    if ties:
        scores = np.round(scores)
    is_item = np.ones(ITEMS, bool)
    is_item[[0, ITEMS - 1]] = False
    positives, seen = [], []
    for _ in range(queries):
        shuffled = rng.permutation(np.arange(1, ITEMS - 1)).tolist()
        n, m = rng.integers(1, 5), rng.integers(0, 9)
        positives.append(shuffled[:n])
        # Twice the same, one that is no item, and no order.
        seen.append([*shuffled[n : n + m], *shuffled[n : n + m][:1], ITEMS - 1])
    return scores, positives, seen, is_item


def reference(
    scores: np.ndarray, positives: list[int], seen: list[int], is_item: np.ndarray
) -> list[int]:
    """Ranks of one query, one item at a time."""
    may = [i for i in range(len(scores)) if is_item[i] and i not in seen]
    return [sum(not scores[i] < scores[p] for i in may) for p in positives]


def expected(ranks: list[list[int]], k: int) -> dict[str, float]:
    rows: dict[str, list[float]] = {name: [] for name in NAMES}
    for of_query in ranks:
        hits = [r for r in of_query if r <= k]
        ideal = sum(1 / math.log2(1 + j) for j in range(1, min(len(of_query), k) + 1))
        rows["hr"].append(float(bool(hits)))
        rows["recall"].append(len(hits) / len(of_query))
        rows["mrr"].append(1 / min(hits) if hits else 0.0)
        rows["ndcg"].append(sum(1 / math.log2(1 + r) for r in hits) / ideal)
    return {f"{name}@{k}": float(np.mean(rows[name])) for name in NAMES}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("block", [1, 7 * ITEMS, 1 << 25])
def test_ranks_and_metrics_are_those_of_a_count_item_by_item(
    ties: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_VALUES", block)
    scores, positives, seen, is_item = case(3, 25, ties)
    told: list[int] = []
    ranks = full_ranks(
        lambda rows: scores[rows], ragged(positives), ragged(seen), is_item, told.append
    )
    wanted = [
        reference(*row, is_item) for row in zip(scores, positives, seen, strict=True)
    ]
    assert ranks.tolist() == list(itertools.chain(*wanted))
    assert told[-1] == 25
    found = ranking_metrics(ranks, ragged(positives), (1, 3, 10))
    for k in (1, 3, 10):
        for name, value in expected(wanted, k).items():
            assert found[name] == pytest.approx(value, abs=1e-12)
    assert found["queries"] == 25


def keras_rs_metric(name: str, k: int) -> keras.metrics.Metric:
    return {
        "recall": keras_rs.metrics.RecallAtK,
        "ndcg": keras_rs.metrics.NDCG,
        "mrr": keras_rs.metrics.MeanReciprocalRank,
    }[name](k=k)


@pytest.mark.parametrize("name", ["recall", "ndcg", "mrr"])
def test_metrics_without_ties_are_those_of_keras_rs(name: str) -> None:
    scores, positives, _, is_item = case(5, 30, ties=False)
    scores[:, ~is_item] = -100.0
    labels = np.zeros_like(scores)
    for row, items in enumerate(positives):
        labels[row, items] = 1.0
    ranks = full_ranks(
        lambda rows: scores[rows], ragged(positives), ragged([[]] * 30), is_item
    )
    metric = keras_rs_metric(name, 6)
    metric.update_state(labels, scores)
    found = ranking_metrics(ranks, ragged(positives), (6,))
    assert found[f"{name}@6"] == pytest.approx(float(metric.result()), abs=1e-5)


def test_a_model_that_scores_everything_alike_finds_nothing() -> None:
    is_item = np.arange(ITEMS) > 0
    ranks = full_ranks(
        lambda rows: np.zeros((5, ITEMS), np.float32),
        ragged([[1]] * 5),
        ragged([[2]] * 5),
        is_item,
    )
    assert ranks.tolist() == [ITEMS - 2] * 5
    assert ranking_metrics(ranks, ragged([[1]] * 5), (10,))["hr@10"] == 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_never_helps(value: float) -> None:
    scores = np.arange(ITEMS, dtype=np.float32)[None].copy()
    is_item = np.arange(ITEMS) > 0
    best = ragged([[ITEMS - 1]])

    def rank() -> int:
        return int(full_ranks(lambda _: scores, best, ragged([[]]), is_item)[0])

    assert rank() == 1
    scores[0, 5] = value
    assert rank() == 2
    scores[0, ITEMS - 1] = math.nan
    assert rank() == ITEMS - 1


def test_seen_positives_and_what_is_no_item_are_never_found() -> None:
    scores = np.arange(ITEMS, dtype=np.float32)[None]
    is_item = (np.arange(ITEMS) > 0) & (np.arange(ITEMS) < ITEMS - 1)
    positives = ragged([[ITEMS - 2, ITEMS - 1, 0, 3]])
    ranks = full_ranks(lambda _: scores, positives, ragged([[ITEMS - 2]]), is_item)
    assert ranks.tolist() == [NEVER, NEVER, NEVER, ITEMS - 5]
    assert ranking_metrics(ranks, positives, (ITEMS,))["recall@40"] == 0.25


def test_queries_without_positives_do_not_count() -> None:
    positives = ragged([[1], [], [2]])
    found = ranking_metrics(np.array([1, 3]), positives, (1,))
    assert (found["hr@1"], found["queries"]) == (0.5, 2.0)
    none = ranking_metrics(np.empty(0, np.int64), ragged([[]]), (1,))
    assert math.isnan(none["ndcg@1"])


@pytest.mark.parametrize("seed", range(3))
def test_ragged_ids_act_as_lists_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists: list[list[int]] = [
        rng.integers(1, 6, rng.integers(0, 7)).tolist() for _ in range(12)
    ]
    ids = ragged(lists)

    def as_lists(found: RaggedIds) -> list[list[int]]:
        parts: list[Any] = np.split(found.values, found.offsets[1:-1])
        return [part.tolist() for part in parts]

    assert (as_lists(ids), len(ids)) == (lists, 12)
    rows = rng.permutation(12)[:5]
    assert as_lists(ids.take(rows)) == [lists[row] for row in rows]
    assert as_lists(ids.take(slice(3, 7))) == lists[3:7]
    assert as_lists(ids.distinct()) == [sorted(set(row)) for row in lists]
    assert as_lists(ids.without([2, 5])) == [
        [i for i in row if i not in (2, 5)] for row in lists
    ]
    assert ids.last(4).tolist() == [[0] * (4 - len(r[-4:])) + r[-4:] for r in lists]
    assert as_lists(RaggedIds.of_padded(ids.last(9))) == lists
    pairs = [(row, value) for row, of_row in enumerate(lists) for value in of_row]
    order = np.argsort(rng.random(len(pairs)))
    mixed = [pairs[n] for n in order]
    made = RaggedIds.of_pairs([r for r, _ in mixed], [v for _, v in mixed], 12)
    assert as_lists(made) == [[v for r, v in mixed if r == row] for row in range(12)]
    assert as_lists(RaggedIds.concatenated([ids, ids])) == lists * 2
