"""The sketch of a column against NumPy on the whole column."""

import copy
import math

import numpy as np
import pytest

from clickwright.components.discretizer import numeric_sketch
from clickwright.components.discretizer.numeric_sketch import (
    INTERVALS,
    MOST_DISTINCT,
    NumericSketch,
    row_keys,
)

RANKS = np.linspace(0.0, 1.0, INTERVALS + 1)


def sketch(
    values: np.ndarray, weights: np.ndarray | None = None, batches: int = 3
) -> NumericSketch:
    made, first = NumericSketch(), 0
    weights = np.ones(len(values)) if weights is None else weights
    for x, w in zip(
        np.array_split(values, batches), np.array_split(weights, batches), strict=True
    ):
        made.add(x, w, row_keys(0, first, len(x)))
        first += len(x)
    return made


@pytest.mark.parametrize("count", [1, 7, 1000, 50_000])
def test_quantiles_are_exact_while_distinct_values_are_counted(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.integers(-500, 500, count).astype(float)
    found = sketch(values).statistics()
    # The smallest value at or below which i of 200 parts of the rows lie.
    ranks = -(-np.arange(INTERVALS + 1) * count // INTERVALS)
    wanted = np.sort(values)[np.maximum(ranks, 1) - 1]
    np.testing.assert_array_equal(found.quantiles, wanted)
    assert (found.distinct, found.distinct_is_exact) == (len(np.unique(values)), True)


def test_many_distinct_values_are_sketched_within_the_promised_rank_error() -> None:
    values = np.random.default_rng(0).lognormal(size=200_000)
    found = sketch(values, batches=13).statistics()
    assert (found.distinct, found.distinct_is_exact) == (MOST_DISTINCT, False)
    assert found.values == ()
    ranks = np.searchsorted(np.sort(values), found.quantiles) / len(values)
    assert np.abs(ranks - RANKS).max() < 4e-3
    assert found.quantiles[0] == found.low == values.min()
    assert found.quantiles[-1] == found.high == values.max()


def test_moments_and_shares_are_those_of_numpy() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(1e6, 1.0, 20_000)  # where a sum of squares loses all digits
    values[::7], values[1::11], values[2::13] = np.nan, np.inf, 0.0
    values[3::17], values[4::19] = -3.0, 2.5
    weights = rng.random(len(values)) + 0.1
    found = sketch(values, weights).statistics()
    finite = np.isfinite(values)
    x, w = values[finite], weights[finite]
    mean = np.average(x, weights=w)
    assert found.rows == len(values)
    assert found.missing == pytest.approx(
        weights[np.isnan(values)].sum() / weights.sum()
    )
    assert found.non_finite == pytest.approx(
        weights[np.isinf(values)].sum() / weights.sum()
    )
    assert found.zero == pytest.approx(np.average(x == 0, weights=w))
    assert found.negative == pytest.approx(np.average(x < 0, weights=w))
    assert found.integer == pytest.approx(np.average(x % 1 == 0, weights=w))
    assert found.mean == pytest.approx(mean, rel=1e-12)
    assert found.deviation == pytest.approx(
        math.sqrt(np.average((x - mean) ** 2, weights=w)), rel=1e-9
    )
    assert (found.low, found.high) == (x.min(), x.max())


def test_small_deviations_survive_a_large_mean_across_merges() -> None:
    values = 1e9 + np.random.default_rng(2).normal(0.0, 1e-3, 30_000)
    whole = NumericSketch()
    for part in np.array_split(values, 10):
        whole.merge(sketch(part))
    assert whole.statistics().deviation == pytest.approx(np.std(values), rel=1e-5)


@pytest.mark.parametrize("distinct", [40, 100_000])
def test_merging_parts_gives_the_whole(distinct: int) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(0, distinct, 40_000).astype(float)
    weights = rng.integers(1, 5, len(values)).astype(float)
    whole = sketch(values, weights).statistics()
    merged, first = NumericSketch(), 0
    for size in (5, 30_000, 9_995):
        part = NumericSketch()
        chosen = slice(first, first + size)
        part.add(values[chosen], weights[chosen], row_keys(0, first, size))
        part.compact()
        merged.merge(part)
        first += size
    found = merged.statistics()
    assert merged.digest == sketch(values, weights).digest
    assert found.mean == pytest.approx(whole.mean, rel=1e-12)
    assert found.deviation == pytest.approx(whole.deviation, rel=1e-12)
    close = 0 if distinct == 40 else 4e-3 * distinct
    np.testing.assert_allclose(found.quantiles, whole.quantiles, atol=close)
    assert found.distinct == whole.distinct


@pytest.mark.parametrize("distinct", [9, 5000, 100_000])
def test_integer_weights_equal_repeated_rows(distinct: int) -> None:
    rng = np.random.default_rng(4)
    values = rng.integers(0, distinct, 30_000).astype(float)
    values[::5] = np.nan
    weights = rng.integers(1, 4, len(values))
    weighted = sketch(values, weights.astype(float)).statistics()
    repeated = sketch(np.repeat(values, weights)).statistics()
    for name in ("missing", "zero", "mean", "deviation", "low", "high", "distinct"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name))
    close = 4e-3 * distinct if distinct > MOST_DISTINCT else 0
    np.testing.assert_allclose(weighted.quantiles, repeated.quantiles, atol=close)


def test_a_column_without_numbers_has_statistics_of_zero() -> None:
    found = sketch(np.array([np.nan, np.nan, np.inf])).statistics()
    assert (found.missing, found.non_finite) == pytest.approx((2 / 3, 1 / 3))
    assert (found.distinct, found.quantiles, found.low, found.tail) == (0, (), 0, 0)


def test_a_constant_has_no_deviation_to_the_last_digit() -> None:
    found = sketch(np.full(999, 0.1), np.random.default_rng(5).random(999)).statistics()
    assert (found.mean, found.deviation, found.values) == (0.1, 0.0, (0.1,))


def test_reading_statistics_leaves_the_sketch_open() -> None:
    values = np.random.default_rng(6).normal(size=30_000)
    made = sketch(values)
    before = made.statistics()
    made.add(values, np.ones(len(values)), row_keys(1, 0, len(values)))
    after = made.statistics()
    assert after.rows == 2 * before.rows
    assert after.mean == pytest.approx(before.mean)


def test_sketches_survive_the_way_between_processes() -> None:
    made = sketch(np.random.default_rng(7).normal(size=30_000))
    assert copy.deepcopy(made).statistics() == made.statistics()


def test_only_columns_equal_in_every_row_share_a_digest() -> None:
    values = np.random.default_rng(8).normal(size=1000)
    values[::9] = np.nan
    digest = sketch(values).digest
    assert sketch(values.copy(), batches=7).digest == digest
    assert sketch(np.roll(values, 1)).digest != digest
    one_off = values.copy()
    one_off[500] += 1e-12
    assert sketch(one_off).digest != digest


def test_both_zeros_are_one_value() -> None:
    minus, plus = sketch(np.full(9, -0.0)), sketch(np.zeros(9))
    assert minus.digest == plus.digest
    assert math.copysign(1.0, minus.statistics().values[0]) == 1.0


def test_the_table_of_values_does_not_outgrow_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numeric_sketch, "MOST_DISTINCT", 4)
    assert sketch(np.array([1.0, 2, 3, 4, 4])).statistics().distinct_is_exact
    found = sketch(np.array([1.0, 2, 3, 4, 5])).statistics()
    assert (found.distinct, found.distinct_is_exact) == (4, False)
