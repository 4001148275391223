"""Resamples of sums."""

from collections.abc import Iterator
from typing import Any

import numpy as np

_Floats = np.ndarray[Any, np.dtype[np.float64]]

BAGS = 10_000
"""Units are put at random into at most so many bags, which are then drawn whole: the
spread of the sums is the same, and the work does not grow with the log."""

_DRAWS_AT_ONCE = 4_000_000


def resampled_sums(terms: _Floats, resamples: int, seed: int) -> _Floats:
    """Draws units with replacement, as many as there are, and sums what they add.

    Args:
        terms: [units, K] what each unit adds.
        resamples: how often.
        seed: the same seed draws the same.

    Returns:
        [resamples, K]; all columns of a row come from the same draw.

    References:
        Efron, *Bootstrap methods*, Annals of Statistics 1979; for units as clusters,
        Cameron, Gelbach and Miller, *Bootstrap-based improvements*, 2008.
    """
    rng = np.random.default_rng(seed)
    if len(terms) > BAGS:
        bag = rng.permutation(len(terms)) % BAGS
        terms = np.stack(
            [np.bincount(bag, weights=column) for column in terms.T], axis=1
        )
    return np.concatenate(list(_draws(terms, resamples, rng)))


def _draws(
    terms: _Floats, resamples: int, rng: np.random.Generator
) -> Iterator[_Floats]:
    count = len(terms)
    at_once = max(1, _DRAWS_AT_ONCE // count)
    for first in range(0, resamples, at_once):
        draws = min(at_once, resamples - first)
        chosen = rng.integers(count, size=(draws, count), dtype=np.int32)
        chosen += np.arange(draws, dtype=np.int32)[:, None] * count
        times = np.bincount(chosen.ravel(), minlength=draws * count)
        yield times.reshape(draws, count).astype(np.float64) @ terms
