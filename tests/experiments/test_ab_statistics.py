"""Effects of an experiment's arms: tests, intervals and what they promise."""

import datetime
import json
import math
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from clickwright.experiments.health.sample_ratio import SampleRatio
from clickwright.experiments.statistics.comparison import compare
from clickwright.experiments.statistics.confidence_sequence import (
    one_sided_critical,
    two_sided_critical,
)
from clickwright.experiments.statistics.cumulative import cumulative
from clickwright.experiments.statistics.effect import Effect
from clickwright.experiments.statistics.holm import holm
from clickwright.experiments.statistics.lift_bounds import lift_bounds
from clickwright.experiments.statistics.novelty import by_day
from clickwright.experiments.statistics.slices import by_slice
from clickwright.schemas.errors import DataError
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
CTR = {
    "name": "ctr",
    "kind": "ratio",
    "numerator": "click",
    "denominator": "exposures",
    "role": "primary",
    "minimum_effect": 0.02,
}
REVENUE = {"name": "revenue_per_user", "kind": "mean", "value": "revenue"}
ERRORS = {
    "name": "error_rate",
    "kind": "ratio",
    "numerator": "errors",
    "denominator": "exposures",
    "role": "guardrail",
    "direction": "decrease",
    "margin": 0.5,
}


def definition(*metrics: dict[str, Any], count: int = 2, **changes: Any) -> Experiment:
    """Arms of equal weight, the first of them control."""
    names = ("control", "treatment", "other")[:count]
    content = {
        "id": "crosses",
        "hypothesis": "Crosses raise clicks.",
        "model": "ctr",
        "arms": {
            name: {"weight": 1 / count, "target": {"model": "ctr"}} for name in names
        },
        "start": "2026-11-01T00:00:00Z",
        "end": "2026-11-15T00:00:00Z",
        "metrics": metrics or (CTR, REVENUE),
    }
    return parse(Experiment, content | changes, "test")


def primary(**content: Any) -> dict[str, Any]:
    return {"role": "primary", "minimum_effect": 0.1} | content


def arithmetic_units() -> pa.Table:
    """Units that look like chance and are the same everywhere."""
    i = np.arange(4000)
    treated = (i * 7919 + i // 7) % 2
    exposures = 1 + (i * 37) % 11
    before = (i * 53) % 13 + (i * 29) % 5
    noise = ((i * 101 + 3 * treated) % 17) * 0.25
    return pa.table(
        {
            "variant": np.where(treated, "treatment", "control"),
            "exposures": exposures,
            "click": ((i * 53 + 11 * treated) % 13) % (exposures + 1),
            "revenue": before * 0.5 + noise + 0.2 * treated,
            "revenue_before": before,
        }
    )


def drawn_units(
    seed: int, count: int = 4000, arms: tuple[str, ...] = ("control", "treatment")
) -> dict[str, NDArray[Any]]:
    """Units of arms that do not differ."""
    random = np.random.default_rng(seed)
    exposures = 1 + random.poisson(4, count)
    return {
        "variant": np.array(arms)[np.arange(count) % len(arms)],
        "exposures": exposures,
        "click": random.binomial(exposures, random.beta(2, 8, count)),
        "revenue": random.gamma(2.0, 1.0, count),
        "errors": np.zeros(count),
    }


def found(units: Any, experiment: Experiment, metric: str = "ctr") -> Effect:
    table = units if isinstance(units, pa.Table) else pa.table(units)
    return next(e for e in compare(table, experiment) if e.metric == metric)


# Golden numbers: gbstats 0.8, TwoSidedTTest and SequentialTwoSidedTTest with their
# defaults, on SampleMeanStatistic, RatioStatistic and RegressionAdjustedStatistic
# (theta by compute_theta) of `arithmetic_units`; differences are absolute.
GOLDEN: dict[str, dict[str, Any]] = {
    "ctr": {
        "difference": -0.00025953731731931384,
        "interval": (-0.023579800941128395, 0.023060726306489768),
        "p_value": 0.9825926334619584,
        "se": 0.011894410102946455,
        "always": (-0.036422989119560635, 0.03590391448492201),
        "lift": (-0.05397929775307601, 0.05279072348110992),
    },
    "revenue_per_user": {
        "difference": 0.19562401549281372,
        "interval": (0.048706607832941146, 0.3425414231526863),
        "p_value": 0.009075053362193275,
        "se": 0.07493464374176508,
        "always": (-0.032205305492357034, 0.42345333647798444),
        "lift": (0.007773781715551379, 0.05744373314759171),
    },
    "cuped": {
        "difference": 0.19577048796891416,
        "interval": (0.11898539357443193, 0.2725555823633964),
        "p_value": 6.03874629856449e-07,
        "se": 0.03916393739005558,
        "always": (0.07669748225167994, 0.3148434936861484),
        "lift": (0.019653295993343305, 0.045613050148838076),
    },
}


@pytest.mark.parametrize("name", GOLDEN)
def test_effects_are_those_of_gbstats(name: str) -> None:
    golden = GOLDEN[name]
    adjusted = name == "cuped"
    experiment = definition(cuped={"days": 14} if adjusted else None)
    metric = "revenue_per_user" if adjusted else name

    effect = found(arithmetic_units(), experiment, metric)

    assert effect.cuped is adjusted
    assert effect.difference == pytest.approx(golden["difference"], rel=1e-9)
    assert effect.se == pytest.approx(golden["se"], rel=1e-9)
    assert effect.p_value == pytest.approx(golden["p_value"], rel=1e-6)
    interval = (effect.difference_low, effect.difference_high)
    assert interval == pytest.approx(golden["interval"], rel=1e-9)
    reach = two_sided_critical(4000, 0.05) * golden["se"]
    always = (golden["difference"] - reach, golden["difference"] + reach)
    assert always == pytest.approx(golden["always"], rel=1e-9)
    # Ours inverts the test, theirs is the delta method: equal as errors get small.
    low, high = golden["lift"]
    assert (effect.lift_low, effect.lift_high) == pytest.approx(
        (low, high), abs=0.05 * (high - low)
    )


@pytest.mark.parametrize(
    ("units", "alpha", "critical"),
    # gbstats 0.8: half the width of SequentialTwoSidedTTest over the standard error.
    [
        (150, 0.05, 5.680432795470851),
        (150, 0.01, 6.081512961491403),
        (1_500_000, 0.05, 3.711182862755668),
        (1_500_000, 0.01, 4.167097989569782),
    ],
)
def test_the_boundary_is_that_of_gbstats(
    units: int, alpha: float, critical: float
) -> None:
    assert two_sided_critical(units, alpha) == pytest.approx(critical, rel=1e-12)


def test_the_boundary_is_narrowest_where_it_is_tuned_for() -> None:
    widths = [
        two_sided_critical(20_000, 0.05, tuned_for)
        for tuned_for in (2_000, 20_000, 200_000)
    ]

    assert min(widths) == widths[1]
    assert widths[1] > stats.norm.isf(0.025)


@pytest.fixture(scope="module")
def walks() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Units at each of 400 looks, and 4,000 random walks in standard errors."""
    random = np.random.default_rng(5)
    units = np.unique(np.geomspace(100, 100_000, 400).astype(int)).astype(float)
    steps = np.sqrt(np.diff(units, prepend=0.0))
    sums = np.cumsum(random.standard_normal((4000, len(units))) * steps, axis=1)
    return units, sums / np.sqrt(units)


def test_the_truth_stays_within_the_boundary_at_all_looks(
    walks: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    units, z = walks
    two = np.array([two_sided_critical(n, 0.05) for n in units])
    one = np.array([one_sided_critical(n, 0.05) for n in units])

    assert (np.abs(z) > 1.96).any(axis=1).mean() > 0.3  # why there are sequences
    assert 0.01 < (np.abs(z) > two).any(axis=1).mean() <= 0.05
    assert 0.01 < (z > one).any(axis=1).mean() <= 0.05
    assert one[-1] < two[-1]


def test_an_interval_agrees_with_its_test() -> None:
    experiment = definition(stopping={"minimum_units": 20})
    decided = set()
    for seed in range(40):
        units = drawn_units(seed, 400)
        treated = units["variant"] == "treatment"
        units["revenue"] = units["revenue"] * np.where(treated, 1 + seed / 60, 1.0)
        effect = found(units, experiment, "revenue_per_user")
        holds = effect.lift_low <= 0 <= effect.lift_high  # type: ignore[operator]
        always = effect.always_low <= 0 <= effect.always_high  # type: ignore[operator]

        assert holds == (effect.p_value >= 0.05)  # type: ignore[operator]
        assert always != effect.always_significant
        assert effect.always_low < effect.lift_low  # type: ignore[operator]
        assert effect.always_high > effect.lift_high  # type: ignore[operator]
        decided.add((holds, always))

    assert decided == {(True, True), (False, True), (False, False)}


def test_each_bound_is_a_lift_that_the_test_just_does_not_reject() -> None:
    control, arm, own, other, shared = 0.5, 0.6, 0.02**2, 0.03**2, 0.01**2

    bounds = lift_bounds(control, own, arm, other, shared, 2.5)

    assert bounds is not None
    for lift in bounds:
        variance = other + (1 + lift) ** 2 * own + lift**2 * shared
        z = (arm - (1 + lift) * control) / math.sqrt(variance)
        assert abs(z) == pytest.approx(2.5)


def test_an_arm_without_clicks_has_an_interval_and_a_control_without_has_none() -> None:
    units = drawn_units(0)
    treated = units["variant"] == "treatment"

    dead = found(units | {"click": np.where(treated, 0, units["click"])}, definition())
    born = found(units | {"click": np.where(treated, units["click"], 0)}, definition())

    assert dead.lift == -1
    assert dead.lift_high is not None and dead.lift_high < -0.9
    assert dead.always_significant
    assert born.lift is born.lift_low is born.always_high is None
    assert born.always_significant and born.p_value is not None


def test_a_control_that_never_fails_does_not_hide_an_arm_that_does() -> None:
    experiment = definition(CTR, ERRORS)
    units = drawn_units(1)
    treated = units["variant"] == "treatment"
    failing = np.where(treated & (np.arange(len(treated)) % 50 == 1), 1.0, 0.0)

    assert not found(units, experiment, "error_rate").breached
    effect = found(units | {"errors": failing}, experiment, "error_rate")

    assert effect.breached
    assert effect.harm_low is None  # nothing to be relative to
    assert effect.margin == 0.5
    assert effect.adjusted_p is None


@pytest.mark.parametrize(
    ("direction", "factor", "breached"),
    [
        ("decrease", 1.10, False),  # worse, but within the margin
        ("decrease", 1.50, True),
        ("decrease", 0.50, False),
        ("increase", 0.90, False),
        ("increase", 0.50, True),
        ("increase", 1.50, False),
    ],
)
def test_a_guardrail_is_breached_beyond_its_margin_alone(
    direction: str, factor: float, breached: bool
) -> None:
    guard = {"name": "guard", "kind": "mean", "value": "revenue", "role": "guardrail"}
    experiment = definition(CTR, guard | {"direction": direction, "margin": 0.2})
    units = drawn_units(2)
    treated = units["variant"] == "treatment"
    units["revenue"] = units["revenue"] * np.where(treated, factor, 1.0)

    effect = found(units, experiment, "guard")

    harm = factor - 1 if direction == "decrease" else 1 - factor
    assert effect.breached is breached
    assert effect.harm_low is not None
    assert harm - 0.2 < effect.harm_low < harm
    assert (effect.harm_low > 0.2) is breached


def test_a_few_units_breach_no_guardrail_and_have_no_always_valid_interval() -> None:
    experiment = definition(CTR, ERRORS, stopping={"minimum_units": 100})
    units = drawn_units(3, 190)
    errors = np.where(units["variant"] == "treatment", units["exposures"] > 3, 0)

    effect = found(units | {"errors": errors}, experiment, "error_rate")

    assert effect.p_value is not None and effect.p_value < 1e-9
    assert not effect.breached and not effect.always_significant
    assert effect.always_low is None


@pytest.mark.parametrize(("count", "breached"), [(4000, True), (190, False)])
def test_an_arm_that_always_fails_is_seen_though_nothing_has_a_spread(
    count: int, breached: bool
) -> None:
    units = drawn_units(3, count)
    errors = np.where(units["variant"] == "treatment", units["exposures"], 0)

    effect = found(units | {"errors": errors}, definition(CTR, ERRORS), "error_rate")

    assert effect.p_value is None
    assert effect.difference == 1
    assert effect.breached is effect.always_significant is breached


def test_covariates_take_away_the_variance_that_they_explain() -> None:
    random = np.random.default_rng(4)
    units = drawn_units(4, 20_000)
    past = random.gamma(2.0, 1.0, 20_000)
    units["revenue"] = past + random.gamma(2.0, 0.5, 20_000)
    explained = np.corrcoef(past, units["revenue"])[0, 1] ** 2
    experiment = definition(cuped={"days": 14})

    effect = found(units | {"revenue_before": past}, experiment, "revenue_per_user")
    plain = found(units, experiment, "revenue_per_user")

    assert effect.cuped and not plain.cuped
    assert effect.variance_reduction == pytest.approx(explained, abs=0.01)
    assert effect.se == pytest.approx(plain.se * math.sqrt(1 - explained), rel=0.02)  # type: ignore[operator]


def test_a_ratio_is_adjusted_by_the_ratio_before() -> None:
    random = np.random.default_rng(6)
    units = drawn_units(6, 20_000)
    rate = random.beta(1, 4, 20_000)
    units["exposures"] = 5 + random.poisson(5, 20_000)
    units["click"] = random.binomial(units["exposures"], rate)
    units["exposures_before"] = random.poisson(10, 20_000)
    units["click_before"] = random.binomial(units["exposures_before"], rate)
    experiment = definition(cuped={"days": 14})

    both = found(units, experiment)
    one = found({k: v for k, v in units.items() if k != "exposures_before"}, experiment)

    assert both.variance_reduction is not None and one.variance_reduction is not None
    assert both.variance_reduction > 0.3
    assert 0 < one.variance_reduction < both.variance_reduction


@pytest.mark.parametrize("before", [0.0, None])
def test_a_past_that_says_nothing_adjusts_nothing(before: float | None) -> None:
    units = pa.table(drawn_units(7))
    plain = found(units, definition(), "revenue_per_user")
    past = pa.array([before] * units.num_rows, pa.float64())

    effect = found(
        units.append_column("revenue_before", past),
        definition(cuped={"days": 14}),
        "revenue_per_user",
    )

    assert effect == plain


def test_units_without_a_past_are_adjusted_to_none() -> None:
    units = arithmetic_units()
    past = units["revenue_before"].to_numpy().astype(float)
    past[::3] = np.nan
    column = units.column_names.index("revenue_before")
    some = units.set_column(column, "revenue_before", pa.array(past, from_pandas=True))

    effect = found(some, definition(cuped={"days": 14}), "revenue_per_user")
    whole = found(units, definition(cuped={"days": 14}), "revenue_per_user")

    assert effect.variance_reduction is not None
    assert whole.variance_reduction is not None
    assert 0.3 < effect.variance_reduction < whole.variance_reduction


def test_a_gauc_weighs_units_by_their_items_and_a_scale_scales() -> None:
    units = drawn_units(8)
    auc = np.linspace(0.4, 0.9, 4000)
    units |= {
        "auc_weight": units["exposures"],
        "auc_weighted": auc * units["exposures"],
    }
    gauc = {"name": "gauc", "kind": "gauc", "label": "click"}
    ecpm = CTR | {"name": "ecpm", "numerator": "revenue", "scale": 1000.0}
    experiment = definition(CTR, gauc, ecpm | {"role": "secondary"})
    control = units["variant"] == "control"

    of = {name: found(units, experiment, name) for name in ("gauc", "ecpm")}

    weights = units["exposures"][control]
    assert of["gauc"].control_mean == pytest.approx(
        np.average(auc[control], weights=weights)
    )
    per_exposure = units["revenue"][control].sum() / weights.sum()
    assert of["ecpm"].control_mean == pytest.approx(1000 * per_exposure)
    assert of["ecpm"].difference_low < of["ecpm"].difference  # type: ignore[operator]


def test_holm_adjusts_what_is_known() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([None, None]) == [None, None]
    assert holm([]) == []


def test_p_values_are_adjusted_for_all_arms_and_secondary_metrics() -> None:
    costs = {"name": "costs", "kind": "mean", "value": "exposures"}
    experiment = definition(CTR, REVENUE, costs, count=3)
    units = pa.table(drawn_units(9, 6000, ("control", "treatment", "other")))

    effects = compare(units, experiment)

    assert [(e.metric, e.arm) for e in effects] == [
        (metric, arm)
        for metric in ("ctr", "revenue_per_user", "costs")
        for arm in ("treatment", "other")
    ]
    assert [e.adjusted_p for e in effects[:2]] == holm([e.p_value for e in effects[:2]])
    assert [e.adjusted_p for e in effects[2:]] == holm([e.p_value for e in effects[2:]])


def test_more_arms_share_the_alpha_of_the_always_valid_intervals() -> None:
    units = drawn_units(10)
    alone = found(units, definition())
    third = drawn_units(11, 2000, ("other",))
    together = {name: np.concatenate([units[name], third[name]]) for name in units}

    among = found(together, definition(count=3))

    assert (among.lift_low, among.lift_high) == (alone.lift_low, alone.lift_high)
    assert among.always_low < alone.always_low  # type: ignore[operator]


def test_an_arm_that_only_shadows_is_not_compared() -> None:
    arms = {
        name: {"weight": weight, "target": {"model": "ctr"}}
        for name, weight in (("control", 0.5), ("treatment", 0.5), ("shadow", 0.0))
    }

    effects = compare(pa.table(drawn_units(12)), definition(arms=arms))

    assert {effect.arm for effect in effects} == {"treatment"}


@pytest.mark.parametrize(
    "change",
    [
        {"variant": np.full(4000, "control")},  # no unit in the arm
        {"variant": np.array(["control"] * 3999 + ["treatment"])},
        {"exposures": np.zeros(4000)},
        {"click": np.zeros(4000)},
    ],
)
def test_units_that_determine_nothing_have_no_effect(
    change: dict[str, NDArray[Any]],
) -> None:
    effect = found(drawn_units(13) | change, definition())

    assert effect.p_value is effect.lift is effect.lift_low is effect.always_low is None
    assert not effect.always_significant
    assert effect.units_control + effect.units_arm >= 3999


def test_no_units_at_all_have_no_effect() -> None:
    effect = found(pa.table(drawn_units(14)).slice(0, 0), definition())

    assert (effect.units_control, effect.units_arm, effect.lift) == (0, 0, None)


def test_a_metric_without_its_column_is_named() -> None:
    units = drawn_units(15)
    del units["revenue"]

    with pytest.raises(
        DataError, match="`revenue_per_user` needs the column `revenue`"
    ):
        compare(pa.table(units), definition())


# By day, by slice.


def daily(seed: int, lift_by_age: tuple[float, ...]) -> pa.Table:
    """Units that come on every day from their first; the lift depends on their age."""
    random = np.random.default_rng(seed)
    count, days = 6000, len(lift_by_age)
    rows = []
    for age, lift in enumerate(lift_by_age):
        units = np.arange(count)
        first = units % 3
        treated = (units // 3) % 2 == 1
        exposures = 1 + random.poisson(8, count)
        rate = 0.2 * (1 + np.where(treated, lift, 0.0))
        table = pa.table(
            {
                "unit": [f"u{unit}" for unit in units],
                "variant": np.where(treated, "treatment", "control"),
                "day": pa.array(np.datetime64("2026-11-01") + first + age, pa.date32()),
                "exposures": exposures,
                "click": random.binomial(exposures, rate),
                "revenue": random.gamma(2.0, 1.0, count),
                "revenue_before": (units % 7).astype(float),
            }
        )
        rows.append(table.filter(pa.array(first + age < days)))
    return pa.concat_tables(rows)


def summed(unit_days: pa.Table) -> pa.Table:
    """One row a unit."""
    sums = unit_days.group_by(["unit", "variant", "revenue_before"]).aggregate(
        [(name, "sum") for name in ("exposures", "click", "revenue")]
    )
    return sums.rename_columns(
        [name.removesuffix("_sum") for name in sums.column_names]
    )


def test_the_last_cumulative_point_is_the_whole_comparison() -> None:
    unit_days = daily(0, (0.1,) * 5)
    experiment = definition(cuped={"days": 14})
    whole = compare(summed(unit_days), experiment)

    points = cumulative(unit_days, experiment)

    days = [datetime.date(2026, 11, day) for day in range(1, 6)]
    assert [point.day for point in points] == [day for day in days for _ in range(2)]
    for point, effect in zip(points[-2:], whole, strict=True):
        assert point.effect.metric == effect.metric
        assert point.effect.units_arm == effect.units_arm
        assert point.effect.lift_low == pytest.approx(effect.lift_low)
        assert point.effect.always_high == pytest.approx(effect.always_high)
    units = [point.effect.units_control for point in points[::2]]
    assert units == sorted(units) and units[0] < units[-1] == 3000


def test_an_effect_that_wears_off_is_seen_by_day_since_first_exposure() -> None:
    effects = by_day(daily(1, (0.4, 0.2, 0.0)), definition())

    assert [(found.day, found.effect.metric) for found in effects] == [
        (0, "ctr"),
        (1, "ctr"),
        (2, "ctr"),
    ]
    for found, true in zip(effects, (0.4, 0.2, 0.0), strict=True):
        assert found.effect.lift == pytest.approx(true, abs=0.06)
    assert effects[2].effect.units_control == 1000


def test_a_past_unknown_for_some_units_weighs_units_and_not_their_days() -> None:
    unit_days = daily(2, (0.1, 0.1))
    past = unit_days["revenue_before"].to_numpy().copy()
    unknown = np.array([unit[-1] == "3" for unit in unit_days["unit"].to_pylist()])
    past[unknown] = np.nan
    at = unit_days.column_names.index("revenue_before")
    some = unit_days.set_column(at, "revenue_before", pa.array(past, from_pandas=True))
    experiment = definition(cuped={"days": 14})

    whole = compare(summed(some), experiment)

    last = cumulative(some, experiment)[-1].effect
    assert last.metric == whole[-1].metric
    assert last.difference == pytest.approx(whole[-1].difference)


def test_no_days_have_no_points() -> None:
    none = daily(3, (0.1,)).slice(0, 0)
    experiment = definition(slices=["device"])

    assert cumulative(none, experiment) == []
    assert by_day(none, experiment) == []
    assert by_slice(none.append_column("device", none["unit"]), experiment) == []


def test_a_slice_with_another_effect_is_found_and_others_are_not() -> None:
    units = drawn_units(16, 12_000)
    random = np.random.default_rng(17)
    device = random.choice(["phone", "desktop", "tablet"], 12_000, p=(0.6, 0.3, 0.1))
    segment = random.choice(["student", "other"], 12_000)
    better = (units["variant"] == "treatment") & (device == "desktop")
    units["click"] = units["click"] + random.binomial(1, np.where(better, 0.4, 0.0))
    table = pa.table(units | {"device": device}).append_column(
        "segment", pa.array([None if s == "other" else s for s in segment], pa.string())
    )
    experiment = definition(slices=["device", "segment", "absent"])

    effects = by_slice(table, experiment)

    assert [(e.slice, e.value) for e in effects[:3]] == [
        ("device", "phone"),
        ("device", "desktop"),
        ("device", "tablet"),
    ]
    assert {e.value for e in effects[3:]} == {None, "student"}
    assert {e.slice for e in effects[3:]} == {"segment"}
    by_value = {e.value: e for e in effects}
    adjusted = by_value["desktop"].effect.adjusted_p
    assert adjusted is not None and adjusted < 1e-6
    phone = by_value["phone"].effect
    assert phone.adjusted_p is not None and phone.p_value is not None
    assert phone.adjusted_p >= phone.p_value
    assert by_value["desktop"].heterogeneity_p < 1e-4  # type: ignore[operator]
    assert by_value["student"].heterogeneity_p > 0.05  # type: ignore[operator]


def test_a_slice_of_very_many_values_is_cut_to_the_largest() -> None:
    units = drawn_units(18)
    value = np.where(np.arange(4000) < 2000, "big", np.arange(4000).astype(str))

    effects = by_slice(
        pa.table(units | {"device": value}), definition(slices=["device"])
    )

    assert effects[0].value == "big"
    assert len(effects) == 20


# A real experiment: players of a game whose first gate stands at level 30 or 40.


def gates(units: pa.Table) -> dict[str, Effect]:
    metrics = [
        primary(name=name, kind="mean", value=name, role=role)
        for name, role in (("retention_1", "secondary"), ("retention_7", "primary"))
    ]
    return {e.metric: e for e in compare(units, definition(*metrics))}


def test_the_gate_of_cookie_cats_is_judged_as_scipy_judges_it(
    shared_data: pathlib.Path,
) -> None:
    read = pyarrow.csv.read_csv(shared_data / "cookie_cats_ab" / "cookie_cats.csv")
    moved = read["test_version"].to_numpy() == "gate_40"
    retained = {
        name: read[name].to_numpy().astype(float)
        for name in ("retention_1", "retention_7")
    }
    units = pa.table(retained | {"variant": np.where(moved, "treatment", "control")})

    effects = gates(units)

    ratio = SampleRatio(
        {"control": int((~moved).sum()), "treatment": int(moved.sum())},
        {"control": 0.5, "treatment": 0.5},
    )
    z = (moved.sum() - (~moved).sum()) / math.sqrt(len(moved))
    assert ratio.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)
    assert ratio.p_value == pytest.approx(0.0086, abs=1e-4)  # no alarm at 0.001
    for name, value in retained.items():
        control, arm = value[~moved], value[moved]
        test = stats.ttest_ind(arm, control, equal_var=False)
        effect = effects[name]
        assert effect.control_mean == pytest.approx(control.mean(), rel=1e-12)
        assert effect.arm_mean == pytest.approx(arm.mean(), rel=1e-12)
        assert effect.p_value == pytest.approx(test.pvalue, rel=1e-9)
        interval = test.confidence_interval(0.95)
        assert effect.difference_low == pytest.approx(interval.low, rel=1e-9)
        assert effect.difference_high == pytest.approx(interval.high, rel=1e-9)
        measured = arm.mean() / control.mean() - 1
        for bound, side in ((effect.lift_low, -1), (effect.lift_high, 1)):
            farthest = measured + side * 0.2
            lift = optimize.brentq(_excess, measured, farthest, args=(control, arm))
            assert bound == pytest.approx(lift, rel=1e-4)
    # The rates that are published with the data.
    assert effects["retention_1"].control_mean == pytest.approx(0.4482, abs=5e-5)
    assert effects["retention_7"].arm_mean == pytest.approx(0.1820, abs=5e-5)


def _excess(
    lift: float, control: NDArray[np.float64], arm: NDArray[np.float64]
) -> float:
    """How far p of the test of a lift is above 0.05."""
    test = stats.ttest_ind(arm, (1 + lift) * control, equal_var=False)
    return float(test.pvalue - 0.05)


@pytest.mark.slow
def test_a_thousand_simulated_experiments_keep_what_is_promised(
    tmp_path: pathlib.Path,
) -> None:
    script = ROOT / "benchmarks" / "ab_statistics.py"
    record = tmp_path / "figures.json"

    subprocess.run(
        [sys.executable, str(script), "--experiments", "1000", "--record", str(record)],
        check=True,
        timeout=3600,
    )

    figures = json.loads(record.read_text())
    assert figures["A/A: fixed test rejects"] == pytest.approx(0.05, abs=0.014)
    assert figures["A/A: fixed test rejects on some day"] > 0.1
    assert figures["A/A: always-valid test rejects on some day"] <= 0.05
    assert figures["A/A: sample ratio p < 0.05"] == pytest.approx(0.05, abs=0.014)
    assert figures["A/A: sample ratio alarm at p < 0.001"] <= 0.004
    assert figures["A/A: guardrail breached at the margin on some day"] <= 0.05
    assert figures["A/B: 95 % interval covers the lift"] == pytest.approx(
        0.95, abs=0.014
    )
    assert figures["A/B: always-valid interval misses it on some day"] <= 0.05
    assert figures["A/B: power of the fixed test"] == pytest.approx(0.8, abs=0.03)
    theory = figures["CUPED: variance taken away, as theory has it"]
    assert theory > 0.2
    for found in ("mean of the reports", "between the A/B tests"):
        assert figures[f"CUPED: variance taken away, {found}"] == pytest.approx(
            theory, abs=0.05
        )
