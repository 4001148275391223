"""Sums of rows over units."""

from typing import Any

import numpy as np


def unit_sums(
    terms: np.ndarray[Any, np.dtype[np.float64]],
    unit: np.ndarray[Any, np.dtype[np.int64]] | None,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Sums the rows of each unit.

    Args:
        terms: [N, K].
        unit: [N] any code of the unit; None where each row is one.

    Returns:
        [units, K], in the order of the codes.
    """
    if unit is None:
        return terms
    _, codes = np.unique(unit, return_inverse=True)
    return np.stack([np.bincount(codes, weights=column) for column in terms.T], axis=1)
