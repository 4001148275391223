import math

import numpy as np
import pytest

from clickwright.components.inspection import measures
from clickwright.components.inspection.click_bins import ClickBins
from clickwright.components.inspection.even_sample import EvenSample
from clickwright.components.inspection.findings import findings
from clickwright.components.inspection.split_tally import SplitTally
from clickwright.schemas.autodis_report import (
    BinUsage,
    ClickRate,
    Embedding,
    SplitValues,
)
from clickwright.schemas.discretization_plan import FieldStatistics

NONE = np.empty(0)


def test_equal_shares_are_all_in_use_and_one_is_one() -> None:
    assert measures.effective_bins(np.full(20, 0.05)) == pytest.approx(20)
    assert measures.effective_bins(np.array([0.0, 1.0, 0.0])) == 1
    halves = measures.effective_bins(np.array([0.5, 0.25, 0.25]))
    assert halves == pytest.approx(2**1.5)  # an entropy of 1.5 bits


def test_a_bin_is_dead_below_a_hundredth_of_an_equal_share() -> None:
    shares = np.array([0.9949, 0.0026, 0.0024, 0.0001])
    assert measures.dead_bins(shares) == [2, 3]  # 0.01 / 4 = 0.0025


@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        ([0.5, 0.5], [0.5, 0.5], 0.0),
        ([1.0, 0.0], [0.0, 1.0], 1.0),
        # Half the mass apart: H(0.75, 0.25) - (0 + 1) / 2
        (
            [1.0, 0.0],
            [0.5, 0.5],
            -0.75 * math.log2(0.75) - 0.25 * math.log2(0.25) - 0.5,
        ),
    ],
)
def test_the_divergence_is_that_of_jensen_and_shannon(
    p: list[float], q: list[float], expected: float
) -> None:
    found = measures.jensen_shannon(np.array(p), np.array(q))
    assert found == pytest.approx(expected)
    assert measures.jensen_shannon(np.array(q), np.array(p)) == pytest.approx(found)


def test_a_path_keeps_distances_of_a_plane_and_its_variance() -> None:
    rng = np.random.default_rng(1)
    plane = rng.normal(size=(20, 2))
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0][:2]
    path, explained = measures.principal_path(plane @ rotation + 3.0)

    def distances(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[:, None] - x[None], axis=-1)

    np.testing.assert_allclose(distances(path), distances(plane), atol=1e-9)
    variances = np.linalg.eigvalsh(np.cov(plane.T))[::-1]
    np.testing.assert_allclose(explained, variances / variances.sum())


@pytest.mark.parametrize("width", [1, 4])
def test_a_line_has_no_second_component(width: int) -> None:
    line = np.arange(5.0)[:, None] * np.ones(width)
    path, explained = measures.principal_path(line)
    assert explained == pytest.approx((1.0, 0.0))
    np.testing.assert_allclose(np.abs(path[0, 0]), 2 * math.sqrt(width))
    np.testing.assert_allclose(path[:, 1], 0, atol=1e-9)


def test_equal_embeddings_have_no_spread_and_a_path_of_zeros() -> None:
    constant = np.ones((4, 3))
    assert measures.spread(constant) == 0
    path, explained = measures.principal_path(constant)
    assert not path.any() and explained == (0, 0)
    assert measures.spread(np.array([[0.0, 2.0], [0.0, -2.0]])) == 1


def test_a_grid_shows_the_tail_of_a_field_that_is_mostly_zero() -> None:
    values = np.concatenate([np.zeros(10_000), np.arange(1.0, 101.0)])
    grid = measures.value_grid(values)
    assert set(grid) <= set(values)
    assert (np.diff(grid) > 0).all() and grid[0] == 0 and grid[-1] == 100
    assert len(grid) > 10
    np.testing.assert_array_equal(measures.value_grid(values % 7), np.arange(7.0))
    assert not len(measures.value_grid(NONE)) and not len(measures.ranks(NONE))


def test_a_value_of_many_rows_has_a_click_bin_of_its_own() -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([np.zeros(600), rng.uniform(1, 2, 400)])
    cuts = measures.click_cuts(np.quantile(values, np.linspace(0, 1, 101)), NONE)
    bins = ClickBins(cuts)
    bins.add(values, np.ones(1000), np.ones(1000))
    rates = bins.rates()

    assert (rates[0].low, rates[0].high, rates[0].rows) == (0, 0, 600)
    assert sum(b.rows for b in rates) == 1000
    assert rates[-1].high == values.max()
    assert max(b.rows for b in rates[1:]) < 150


def test_few_distinct_values_have_a_click_bin_each() -> None:
    bins = ClickBins(measures.click_cuts(NONE, np.array([1.0, 2.0, 5.0])))
    values = np.array([1.0, 1.0, 5.0, 2.0, 7.0, 0.0, 1.5, np.nan])
    bins.add(values, np.array([1, 0, 1, 0, 1, 1, 1, 1.0]), np.ones(8))

    found = {(b.low, b.high): (b.rows, b.rate) for b in bins.rates() if b.rows}
    assert found[1, 1] == (2, 0.5)
    assert found[5, 5] == (1, 1.0)
    assert found[2, 2] == (1, 0.0)
    missing = bins.missing()
    assert missing is not None and (missing.rows, missing.rate) == (1, 1.0)


def test_click_rates_are_weighted_and_leave_out_rows_without_a_label() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=500)
    values[::7] = np.nan
    values[::11] = np.inf
    label = (rng.random(500) < 0.3).astype(float)
    label[::5] = np.nan
    weight = rng.integers(0, 4, 500).astype(float)
    cuts = np.array([-1.0, 0.0, 1.0])
    bins = ClickBins(cuts)
    for part in np.array_split(np.arange(500), 3):
        bins.add(values[part], label[part], weight[part])

    labelled = ~np.isnan(label)
    # The last bin ends before its cut.
    for b, (low, high) in zip(bins.rates(), [(-1, 0), (0, 1)], strict=True):
        inside = labelled & (values >= low) & (values < high)
        assert b.rows == inside.sum()
        assert b.rate == pytest.approx(
            np.average(label[inside], weights=weight[inside])
        )
    missing = bins.missing()
    assert missing is not None
    assert missing.rows == (labelled & np.isnan(values)).sum()


def test_rows_of_weight_zero_have_no_rate() -> None:
    bins = ClickBins(np.array([0.0, 1.0]))
    bins.add(np.array([0.5]), np.array([1.0]), np.array([0.0]))
    assert [(b.rows, b.rate) for b in bins.rates()] == [(1, None)]


def test_a_field_without_values_has_no_click_bins() -> None:
    bins = ClickBins(measures.click_cuts(NONE, NONE))
    bins.add(np.array([np.nan, np.nan]), np.array([1.0, 0.0]), np.ones(2))
    assert bins.rates() == ()
    missing = bins.missing()
    assert missing is not None and missing.rate == 0.5


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_a_sample_is_even_whatever_the_batches(batch: int) -> None:
    rows = np.arange(1000)
    sample = EvenSample(100)
    for start in range(0, 1000, batch):
        sample.add(rows[start : start + batch])
    np.testing.assert_array_equal(sample.rows(), np.arange(0, 1000, 16))


def test_a_short_stream_is_kept_whole() -> None:
    sample = EvenSample(100)
    sample.add(np.arange(100))
    assert len(sample.rows()) == 100


def test_shares_of_a_split_are_counted_against_the_training_range() -> None:
    fields = [_statistics(0.0, 10.0), _statistics(-1.0, 1.0)]
    tally = SplitTally(fields)
    tally.add(np.array([[0.0, np.nan], [10.0, -2.0]]))
    tally.add(np.array([[np.inf, -3.0], [11.0, 0.5]]))

    assert tally.of(0) == SplitValues(
        rows=4, missing=0.0, non_finite=0.25, below=0.0, above=0.25
    )
    assert tally.of(1) == SplitValues(
        rows=4, missing=0.25, non_finite=0.0, below=0.5, above=0.0
    )


def _statistics(low: float, high: float) -> FieldStatistics:
    return FieldStatistics(
        rows=4,
        missing=0.0,
        non_finite=0.0,
        zero=0.0,
        negative=0.0,
        integer=0.0,
        distinct=4,
        distinct_is_exact=True,
        low=low,
        high=high,
        mean=0.0,
        deviation=1.0,
    )


def _rates(*rates: float, rows: int = 1000) -> list[ClickRate]:
    return [
        ClickRate(low=i, high=i + 1.0, rows=rows, rate=rate)
        for i, rate in enumerate(rates)
    ]


def _found(
    *,
    grid: tuple[float, ...] = (0.0, 1.0, 2.0),
    usage: BinUsage | None = None,
    spread: float = 0.5,
    response: tuple[float, ...] = (0.1, 0.2, 0.3),
    rates: list[ClickRate] | None = None,
) -> list[str]:
    embedding = Embedding(path=((0.0, 0.0),), explained=(0.0, 0.0), spread=spread)
    return list(
        findings(
            encoder="autodis",
            grid=grid,
            usage=usage,
            embedding=embedding,
            response=response,
            click_rates=rates or _rates(0.1, 0.2, 0.3),
        )
    )


def test_a_field_in_order_has_no_findings() -> None:
    used = BinUsage(shares=(0.5, 0.5), effective=2.0, dead=())
    assert _found(usage=used) == []


def test_dead_bins_are_told_with_the_bins_in_effect() -> None:
    usage = BinUsage(shares=(1.0, 0.0, 0.0), effective=1.0, dead=(1, 2))
    (told,) = _found(usage=usage)
    assert told == (
        "2 of 3 bins of autodis are dead: the training split uses 1.0 bins in effect"
    )


def test_a_constant_embedding_is_told() -> None:
    (told,) = _found(spread=5e-4)
    assert "constant over the field's values" in told


def test_a_flat_response_is_told_where_the_click_rate_moves() -> None:
    (told,) = _found(response=(0.2, 0.2001, 0.2))
    assert "although the click rate goes from 10.00% to 30.00%" in told


@pytest.mark.parametrize(
    "rates",
    [
        _rates(0.20, 0.2002, 0.1998),  # no more than chance
        _rates(0.1, 0.2, 0.3, rows=10),  # too few rows to tell
        _rates(0.199, 0.2, 0.201, rows=10**7),  # certain, but of no account
        _rates(0.2),
        _rates(0.0, 0.0),
    ],
)
def test_a_flat_response_is_right_where_the_click_rate_is_flat(
    rates: list[ClickRate],
) -> None:
    assert _found(response=(0.2, 0.2, 0.2), rates=rates) == []


@pytest.mark.parametrize(("grid", "what"), [((), "no value"), ((3.0,), "one value")])
def test_a_field_of_one_value_or_none_says_nothing(
    grid: tuple[float, ...], what: str
) -> None:
    (told,) = _found(grid=grid, response=grid)
    assert told.startswith(f"the training split holds {what}")
