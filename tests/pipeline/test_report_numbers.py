import datetime
import math

import pytest

from clickwright.pipeline.report import charts
from clickwright.pipeline.report.comparison import METRICS, Metric, metric_rows
from clickwright.pipeline.report.statistics import Bucket
from clickwright.schemas.html_page import formats
from clickwright.schemas.html_page.figure import plain

BY_KEY: dict[str, Metric] = {m.key: m for m in METRICS}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (3600.0, "1 h 00 min"),
        (7170.0, "2 h 00 min"),  # 1 h 59 min 30 s
        (None, "–"),
    ],
)
def test_durations_carry_over(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.00004, "<0.01%"),
        (0.25, "25.00%"),
        (math.nan, "–"),
    ],
)
def test_a_share_above_zero_never_reads_as_zero(value: float, text: str) -> None:
    assert formats.share(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(999, "999"), (98_112, "98.1k"), (999_960, "1M"), (1_000_000, "1M")],
)
def test_short_counts_carry_over(value: int, text: str) -> None:
    assert formats.short_count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (24.0, "24"),
        (1704067388.0, "1,704,067,388"),
        (1054.37, "1,054"),
        (0.30521, "0.3052"),
        (0.00001, "1.000e-05"),
    ],
)
def test_quantities_keep_four_digits(value: float, text: str) -> None:
    assert formats.quantity(value) == text


def test_unknown_numbers_read_as_a_dash() -> None:
    for write in (formats.metric, formats.signed, formats.count, formats.quantity):
        assert [write(None), write(math.nan), write(math.inf)] == ["–"] * 3
    assert formats.moment(None) == "–"


def test_a_moment_names_its_zone() -> None:
    moment = datetime.datetime(2026, 3, 14, 9, 26, 53, tzinfo=datetime.UTC)
    assert formats.moment(moment) == "2026-03-14 09:26:53 UTC"


@pytest.mark.parametrize(
    ("key", "value", "reference", "verdict", "arrow"),
    [
        ("auc", 0.80, 0.79, "better", "▲"),
        ("auc", 0.78, 0.79, "worse", "▼"),
        ("auc", 0.79001, 0.79, "same", ""),
        ("logloss", 0.33, 0.34, "better", "▼"),
        ("ece", 0.02, 0.01, "worse", "▲"),
        ("pcoc", 1.02, 0.95, "better", "▲"),  # 0.02 from 1 instead of 0.05
        ("pcoc", 1.10, 0.95, "worse", "▲"),
        ("pcoc", 1.05, 0.95, "same", "▲"),  # as far from 1 on the other side
    ],
)
def test_each_metric_knows_what_is_better(
    key: str, value: float, reference: float, verdict: str, arrow: str
) -> None:
    difference = BY_KEY[key].compare(value, reference)

    assert difference.value == pytest.approx(value - reference)
    assert (difference.verdict, difference.arrow) == (verdict, arrow)


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_nothing_compares_with_the_unknown(unknown: float | None) -> None:
    for difference in (
        BY_KEY["auc"].compare(unknown, 0.8),
        BY_KEY["auc"].compare(0.8, unknown),
    ):
        assert (difference.value, difference.verdict) == (None, "same")


def test_metrics_that_nobody_knows_have_no_row() -> None:
    rows = metric_rows({"auc": 0.7}, {"auc": 0.71}, {}, {"logloss": 0.3})

    assert [r.metric.key for r in rows] == ["auc", "logloss"]
    assert (rows[0].valid, rows[0].test, rows[0].blessed) == (0.7, 0.71, None)


def test_density_integrates_to_one_and_joins_buckets_without_width() -> None:
    # 30 rows of exactly 2, 10 from 2 to 4, 40 from 4 to 8, 20 of exactly 8.
    buckets = [Bucket(2, 2, 30), Bucket(2, 4, 10), Bucket(4, 8, 40), Bucket(8, 8, 20)]

    steps = charts._density(buckets, logarithmic=False)

    assert [(low, high) for low, high, _, _ in steps] == [(2, 4), (4, 8)]
    assert [(d, part) for _, _, d, part in steps] == [
        pytest.approx((0.2, 0.4)),
        pytest.approx((0.15, 0.6)),
    ]
    assert sum((high - low) * d for low, high, d, _ in steps) == pytest.approx(1)


def test_a_column_of_one_value_is_one_step_around_it() -> None:
    assert charts._density([Bucket(7, 7, 3)], logarithmic=False) == [(6.5, 7.5, 1, 1)]


def test_density_on_a_logarithmic_axis_is_a_decade() -> None:
    steps = charts._density([Bucket(1, 10, 1), Bucket(10, 1000, 3)], logarithmic=True)

    assert [(d, part) for _, _, d, part in steps] == [(0.25, 0.25), (0.375, 0.75)]


def test_quantiles_are_linear_within_a_bucket() -> None:
    buckets = [Bucket(0, 10, 50), Bucket(10, 30, 50)]

    assert charts._quantiles(buckets, (0.0, 0.25, 0.5, 0.75, 1.0)) == [
        0,
        5,
        10,
        20,
        30,
    ]
    assert charts._quantiles([], (0.5,)) is None


def test_text_in_charts_is_cut_and_never_markup() -> None:
    assert plain("<b>&", 16) == "&lt;b&gt;&amp;"
    assert plain("a" * 20, 16) == "a" * 15 + "…"
    assert plain("") == "(empty)"
