"""Ranks of items among a whole catalogue."""

from collections.abc import Callable
from typing import Any

import numpy as np

from clickwright.models.ragged_ids import RaggedIds

NEVER = np.iinfo(np.int64).max
"""Rank of an item that cannot be recommended."""
_BLOCK_VALUES = 1 << 25
"""Scores that are held at a time: 128 MiB."""


def full_ranks(
    score: Callable[[slice], np.ndarray[Any, Any]],
    positives: RaggedIds,
    seen: RaggedIds,
    is_item: np.ndarray[Any, Any],
    done: Callable[[int], None] = lambda rows: None,
) -> np.ndarray[Any, Any]:
    """Ranks each positive among all items that may be recommended to its query.

    The rank is the number of such items whose score is not below that of the
    positive, itself included: it ranks behind all that it is tied with, and behind
    every NaN. Other positives of the query are items like any other. A positive that
    was seen, or is no item, has the rank `NEVER`.

    Scores are computed for some queries at a time, so many that they take 128 MiB.

    Args:
        score: gives the scores of some queries, `[queries, rows]`.
        positives: what each query should find.
        seen: what each query must not be recommended.
        is_item: which rows of the item table are items, `[rows]`.
        done: told after each block how many queries are ranked.

    Returns:
        int64 ranks, one for each of `positives.values`.
    """
    seen = seen.without(np.flatnonzero(~is_item)).distinct()
    block = max(1, _BLOCK_VALUES // len(is_item))
    ranks = [np.empty(0, np.int64)]
    for start in range(0, len(positives), block):
        rows = slice(start, min(start + block, len(positives)))
        scores = np.asarray(score(rows))
        ranks.append(_ranks(scores, positives.take(rows), seen.take(rows), is_item))
        done(rows.stop)
    return np.concatenate(ranks)


def _ranks(
    scores: np.ndarray[Any, Any],
    positives: RaggedIds,
    seen: RaggedIds,
    is_item: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    owners = positives.row_numbers()
    own = scores[owners, positives.values]  # [P]
    ranks = np.empty(len(own), np.int64)
    others = np.flatnonzero(~is_item)
    seen_rows = seen.row_numbers()
    seen_scores = scores[seen_rows, seen.values]
    # One positive of every query at a time.
    turn = np.arange(len(own)) - positives.offsets[owners]
    for n in range(int(turn.max(initial=-1)) + 1):
        now = turn == n
        rows = owners[now]
        ours = scores if len(rows) == len(scores) else scores[rows]
        limit = np.full(len(scores), np.nan, scores.dtype)
        limit[rows] = own[now]
        above = _not_below(ours, limit[rows])
        above -= _not_below(ours[:, others], limit[rows])
        counted = ~(seen_scores < limit[seen_rows])
        above -= np.bincount(seen_rows[counted], minlength=len(scores))[rows]
        ranks[now] = above
    keys = seen_rows * len(is_item) + seen.values
    lost = np.isin(owners * len(is_item) + positives.values, keys)
    ranks[lost | ~is_item[positives.values]] = NEVER
    return ranks


def _not_below(
    scores: np.ndarray[Any, Any], limit: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """How many scores of each row are not below its limit; NaN never is."""
    return scores.shape[1] - np.count_nonzero(scores < limit[:, None], axis=1)
