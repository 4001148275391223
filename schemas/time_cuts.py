"""Where a split by shares of the time cuts a log."""

import math
from collections.abc import Iterable

import numpy as np


def time_cuts(
    times: Iterable[np.ndarray], valid: float, test: float
) -> tuple[int, int]:
    """Finds the timestamps at which validation and test begin.

    With all n timestamps sorted, validation begins with the one at index
    floor((1 - valid - test) * n), the test with the one at floor((1 - test) * n).

    Args:
        times: timestamps, in any order and in any number of arrays; at least one.
        valid: share of the rows for validation.
        test: share of the rows for the test.
    """
    # Times and how often they occur: a log has far fewer seconds than rows.
    counted = [np.unique(part, return_counts=True) for part in times]
    values, places = np.unique(
        np.concatenate([value for value, _ in counted]), return_inverse=True
    )
    counts = np.bincount(
        places, weights=np.concatenate([count for _, count in counted])
    )
    up_to = np.cumsum(counts.astype(np.int64))
    indices = [
        math.floor((1.0 - valid - test) * up_to[-1]),
        math.floor((1.0 - test) * up_to[-1]),
    ]
    valid_from, test_from = values[np.searchsorted(up_to, indices, side="right")]
    return int(valid_from), int(test_from)
