"""Where the values of a split lie, against the training split."""

from collections.abc import Sequence

import numpy as np

from clickwright.schemas.autodis_report import SplitValues
from clickwright.schemas.discretization_plan import FieldStatistics


class SplitTally:
    """Counts missing, infinite and outlying values of each field.

    Args:
        fields: what is known of the training split, a field each.
    """

    def __init__(self, fields: Sequence[FieldStatistics]) -> None:
        self._low = np.array([f.low for f in fields])
        self._high = np.array([f.high for f in fields])
        self._rows = 0
        # Missing, infinite, below and above, [4, F].
        self._counts = np.zeros((4, len(fields)), np.int64)

    def add(self, values: np.ndarray) -> None:
        """Takes rows, [N, F] in the raw unit, NaN where a value is missing."""
        finite = np.isfinite(values)
        self._rows += len(values)
        self._counts[0] += np.isnan(values).sum(axis=0)
        self._counts[1] += np.isinf(values).sum(axis=0)
        self._counts[2] += (finite & (values < self._low)).sum(axis=0)
        self._counts[3] += (finite & (values > self._high)).sum(axis=0)

    def of(self, field: int) -> SplitValues:
        """Shares of one field."""
        rows = max(self._rows, 1)
        missing, non_finite, below, above = (
            int(count) / rows for count in self._counts[:, field]
        )
        return SplitValues(
            rows=self._rows,
            missing=missing,
            non_finite=non_finite,
            below=below,
            above=above,
        )
