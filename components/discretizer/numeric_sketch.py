"""What one pass over a numeric column keeps of it."""

import copy
import math
from typing import Self

import numpy as np
import pyarrow as pa
from tfx_bsl import sketches

from clickwright.schemas.discretization_plan import FieldStatistics

INTERVALS = 200
"""The quantiles are `INTERVALS + 1`: every half percent, both ends included."""
MOST_DISTINCT = 10_000
"""Distinct values that are counted; up to here the quantiles are exact."""
MOST_VALUES = 256
"""Distinct values that the statistics list one by one."""

_RANK_ERROR = 4e-3
"""Largest error of a rank in the sketch; a tenth of it and less is usual."""
_MOST_ROWS = 2**32
_MISSING_BITS = np.uint64(0x7FF8_0000_0000_0000)


class NumericSketch:
    """Counts, moments, distinct values and quantiles of a column, weighted.

    Sketches of parts of a column merge into that of the whole. Moments merge without
    loss of digits (Chan et al.); distinct values are kept with their weights up to
    `MOST_DISTINCT`, and become TFX's quantile sketch beyond it. The result depends on
    the order of the merges in its last digits alone.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.digest = 0
        """Equal for two columns, of the same row keys, where all values are equal."""
        self._weight = self._missing = self._non_finite = 0.0
        self._finite = self._zero = self._negative = self._integer = 0.0
        self._low, self._high = math.inf, -math.inf
        self._mean = self._squares = 0.0
        self._values: np.ndarray = np.empty(0)
        self._weights: np.ndarray = np.empty(0)
        self._quantiles: sketches.QuantilesSketch | None = None

    def add(
        self, values: np.ndarray, weights: np.ndarray, row_keys: np.ndarray
    ) -> None:
        """Adds rows.

        Args:
            values: [N] float64; NaN is a missing value.
            weights: [N] float64, above 0.
            row_keys: [N] uint64, a number of its own for each row of the data.
        """
        self.rows += len(values)
        self.digest = (self.digest + _digest(values, row_keys)) % 2**64
        self._weight += float(weights.sum())
        missing, finite = np.isnan(values), np.isfinite(values)
        self._missing += float(weights[missing].sum())
        self._non_finite += float(weights[~missing & ~finite].sum())
        x, w = values[finite], weights[finite]
        if not len(x):
            return
        self._zero += float(w[x == 0].sum())
        self._negative += float(w[x < 0].sum())
        self._integer += float(w[x == np.rint(x)].sum())
        self._low = min(self._low, float(x.min()))
        self._high = max(self._high, float(x.max()))
        total = float(w.sum())
        mean = float((x * w).sum()) / total
        self._add_moments(total, mean, float((w * (x - mean) ** 2).sum()))
        if self._quantiles is None:
            self._add_values(x, w)
        else:
            self._quantiles.AddValues(pa.array(x), pa.array(w))

    def merge(self, other: Self) -> None:
        """Adds the rows of another sketch."""
        self.rows += other.rows
        self.digest = (self.digest + other.digest) % 2**64
        self._weight += other._weight
        self._missing += other._missing
        self._non_finite += other._non_finite
        self._zero += other._zero
        self._negative += other._negative
        self._integer += other._integer
        self._low = min(self._low, other._low)
        self._high = max(self._high, other._high)
        self._add_moments(other._finite, other._mean, other._squares)
        if other._quantiles is not None:
            self._sketch().Merge(other._quantiles)
        elif self._quantiles is None:
            self._add_values(other._values, other._weights)
        elif len(other._values):
            self._quantiles.AddValues(pa.array(other._values), pa.array(other._weights))

    def compact(self) -> None:
        """Makes it smaller, once all rows of its part are in."""
        if self._quantiles is not None:
            self._quantiles.Compact()

    def statistics(self) -> FieldStatistics:
        """The statistics of all rows so far."""
        exact = self._quantiles is None
        distinct = len(self._values) if exact else MOST_DISTINCT
        some = self._finite > 0
        constant = self._low == self._high  # whose mean may be off by a last digit
        quantiles = self._ranked()
        return FieldStatistics(
            rows=self.rows,
            missing=_share(self._missing, self._weight),
            non_finite=_share(self._non_finite, self._weight),
            zero=_share(self._zero, self._finite),
            negative=_share(self._negative, self._finite),
            integer=_share(self._integer, self._finite),
            distinct=distinct,
            distinct_is_exact=exact,
            values=tuple(self._values.tolist()) if distinct <= MOST_VALUES else (),
            low=self._low if some else 0.0,
            high=self._high if some else 0.0,
            mean=self._low if constant else self._mean,
            deviation=(
                0.0
                if constant or not some
                else math.sqrt(max(self._squares, 0.0) / self._finite)
            ),
            quantiles=quantiles,
            tail=tail(np.array(quantiles)) if some else 0.0,
        )

    def _add_moments(self, weight: float, mean: float, squares: float) -> None:
        total = self._finite + weight
        if total > 0:
            away = mean - self._mean
            self._mean += away * (weight / total)
            self._squares += squares + away**2 * self._finite * (weight / total)
            self._finite = total

    def _add_values(self, values: np.ndarray, weights: np.ndarray) -> None:
        """Adds to the table of distinct values; gives it up when it is too large."""
        self._values, inverse = np.unique(
            np.concatenate([self._values, values + 0.0]), return_inverse=True
        )
        self._weights = np.bincount(
            inverse,
            np.concatenate([self._weights, weights]),
            minlength=len(self._values),
        )
        if len(self._values) > MOST_DISTINCT:
            self._sketch()

    def _sketch(self) -> sketches.QuantilesSketch:
        """The quantile sketch, with all that the table held."""
        if self._quantiles is None:
            self._quantiles = sketches.QuantilesSketch(_RANK_ERROR, _MOST_ROWS, 1)
            if len(self._values):
                self._quantiles.AddValues(
                    pa.array(self._values), pa.array(self._weights)
                )
            self._values, self._weights = np.empty(0), np.empty(0)
        return self._quantiles

    def _ranked(self) -> tuple[float, ...]:
        """The quantiles: each the smallest value that has the rank."""
        if self._quantiles is not None:
            # Reading ends a sketch; the copy leaves this one open to more rows.
            last = copy.deepcopy(self._quantiles)
            found: list[float] = last.GetQuantiles(INTERVALS).to_pylist()[0]
            return tuple(found)
        if not len(self._values):
            return ()
        reached = np.cumsum(self._weights)
        # In units of one interval; a hair less, so that rounding skips no value.
        wanted = np.arange(INTERVALS + 1) * (1.0 - 1e-12)
        at = np.searchsorted(reached * (INTERVALS / reached[-1]), wanted)
        return tuple(self._values[at].tolist())


def tail(quantiles: np.ndarray) -> float:
    """How far the outer percent reaches, in middle halves; 0 where that is empty."""
    bottom, left, right, top = quantiles[[1, 50, 150, 199]]
    return float((top - bottom) / (right - left)) if right > left else 0.0


def row_keys(part: int, first: int, count: int) -> np.ndarray:
    """Keys of `count` rows of a part (a file) of the data, uint64, from `first` on."""
    start = np.uint64((part << 40) + first)
    return _mixed(np.arange(count, dtype=np.uint64) + start)


def _digest(values: np.ndarray, keys: np.ndarray) -> int:
    bits = (values + 0.0).view(np.uint64)  # one zero, not two
    bits = np.where(np.isnan(values), _MISSING_BITS, bits)
    return int(_mixed(bits ^ keys).sum(dtype=np.uint64))


def _mixed(x: np.ndarray) -> np.ndarray:
    """Well mixed bits, one to one: the finalizer of splitmix64."""
    x = x + np.uint64(0x9E37_79B9_7F4A_7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return x ^ (x >> np.uint64(31))


def _share(part: float, whole: float) -> float:
    return min(part / whole, 1.0) if whole > 0 else 0.0
