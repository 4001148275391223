"""Click rates along the values of one field."""

import numpy as np

from clickwright.schemas.autodis_report import ClickRate


class ClickBins:
    """Adds up rows and clicks by bins of a field's values.

    Values beyond the first or last cut belong to no bin; rows without a value have
    sums of their own.

    Args:
        cuts: rising; bin `i` holds `cuts[i] <= x < cuts[i + 1]`.
    """

    def __init__(self, cuts: np.ndarray) -> None:
        self._cuts = cuts
        # Rows, weight and clicked weight of each bin, and at last of missing values.
        self._sums = np.zeros((3, max(len(cuts) - 1, 0) + 1))

    def add(self, values: np.ndarray, label: np.ndarray, weight: np.ndarray) -> None:
        """Takes [N] rows; those without a label count nowhere."""
        bins = self._sums.shape[1] - 1
        bin_of = np.searchsorted(self._cuts, values, side="right") - 1
        bin_of = np.where(np.isnan(values), bins, bin_of)
        inside = (bin_of >= 0) & ((bin_of < bins) | np.isnan(values))
        kept = inside & ~np.isnan(label)
        for row, sums in zip(
            self._sums, (np.ones_like(weight), weight, weight * label), strict=True
        ):
            row += np.bincount(bin_of[kept], sums[kept], minlength=bins + 1)

    def rates(self) -> tuple[ClickRate, ...]:
        """The bins with rows, rising."""
        # The last bin, and those of a single value, end at the float after it.
        before = np.nextafter(self._cuts, -np.inf)
        low, high = self._cuts[:-1], self._cuts[1:].copy()
        ends_at_float = before[1:] == low
        ends_at_float[-1:] = True
        high[ends_at_float] = before[1:][ends_at_float]
        return tuple(
            _rate(float(low), float(high), sums)
            for low, high, sums in zip(low, high, self._sums.T, strict=False)
            if sums[0]
        )

    def missing(self) -> ClickRate | None:
        """Of the rows without a value; None where there is none."""
        sums = self._sums[:, -1]
        return _rate(0.0, 0.0, sums) if sums[0] else None


def _rate(low: float, high: float, sums: np.ndarray) -> ClickRate:
    rows, weight, clicked = sums
    rate = min(float(clicked / weight), 1.0) if weight > 0 else None
    return ClickRate(low=low, high=high, rows=int(rows), rate=rate)
