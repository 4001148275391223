"""Metrics of rankings, exact."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from clickwright.models.ragged_ids import RaggedIds

NAMES = ("hr", "ndcg", "mrr", "recall")


def ranking_metrics(
    ranks: np.ndarray[Any, Any], positives: RaggedIds, cutoffs: Sequence[int]
) -> dict[str, float]:
    """Means over the queries that have positives.

    With `r` the ranks of a query's `P` positives, 1 the first place:

        hr@K     = 1 if any r <= K else 0
        recall@K = |{r <= K}| / P
        mrr@K    = 1 / min r if min r <= K else 0
        ndcg@K   = sum_{r <= K} 1 / log2(1 + r) / sum_{j <= min(P, K)} 1 / log2(1 + j)

    Args:
        ranks: rank of each of `positives.values`.
        positives: the positives of each query.
        cutoffs: the values of K.

    Returns:
        `hr@K`, `ndcg@K`, `mrr@K` and `recall@K` for each K, and `queries`, how many
        there were. NaN where there was none.
    """
    owners = positives.row_numbers()
    counts = positives.lengths
    asked = counts > 0
    queries = int(asked.sum())
    gains = 1.0 / np.log2(1.0 + ranks.astype(np.float64))
    found: dict[str, float] = {}
    for k in cutoffs:
        there = ranks <= k
        hits = np.bincount(owners[there], minlength=len(counts))
        best = np.full(len(counts), np.inf)
        np.minimum.at(best, owners[there], ranks[there].astype(np.float64))
        gained = np.bincount(owners, gains * there, len(counts))
        ideal = np.cumsum(np.append(0.0, 1.0 / np.log2(np.arange(2.0, k + 2.0))))
        of_queries = {
            "hr": hits > 0,
            "ndcg": gained / np.maximum(ideal[np.minimum(counts, k)], 1.0),
            "mrr": 1.0 / best,
            "recall": hits / np.maximum(counts, 1),
        }
        for name in NAMES:
            values = of_queries[name][asked]
            found[f"{name}@{k}"] = float(np.mean(values)) if queries else float("nan")
    return {**found, "queries": float(queries)}
