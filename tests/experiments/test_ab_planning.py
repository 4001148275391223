"""How many units and days an experiment needs."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from clickwright.experiments.statistics.baseline import Baseline
from clickwright.experiments.statistics.confidence_sequence import two_sided_critical
from clickwright.experiments.statistics.planning import (
    detectable_effect,
    plan,
    units_needed,
)
from clickwright.schemas.errors import DataError
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import parse

RATE = Baseline.of_rate(0.1)
CTR = {"kind": "ratio", "numerator": "click", "denominator": "exposures"}
REVENUE = {"kind": "mean", "value": "revenue"}


def definition(
    rule: str = "fixed",
    weights: tuple[float, ...] = (0.5, 0.5),
    metric: dict[str, Any] = CTR,
    **changes: Any,
) -> Experiment:
    content = {
        "id": "crosses",
        "hypothesis": "Crosses raise clicks.",
        "model": "ctr",
        "arms": {
            name: {"weight": weight, "target": {"model": "ctr"}}
            for name, weight in zip(("control", "a", "b"), weights, strict=False)
        },
        "start": "2026-11-01T00:00:00Z",
        "end": "2026-11-29T00:00:00Z",
        "metrics": [
            metric | {"name": "metric", "role": "primary", "minimum_effect": 0.1}
        ],
        "stopping": {"rule": rule, "minimum_days": 3, "maximum_days": 14},
    }
    return parse(Experiment, content | changes, "test")


def test_a_rate_needs_the_units_of_the_textbook() -> None:
    z = stats.norm.isf(0.025) + stats.norm.isf(0.2)

    units = units_needed(definition(), RATE, 0.1)

    assert units == pytest.approx(2 * z**2 * (0.1 * 0.9 + 0.11 * 0.89) / 0.01**2, abs=2)


@pytest.mark.parametrize("rule", ["fixed", "sequential"])
@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.9, 0.1), (0.4, 0.3, 0.3)])
def test_units_and_effect_are_two_ways_to_say_the_same(
    rule: str, weights: tuple[float, ...]
) -> None:
    experiment = definition(rule, weights)

    for effect in (0.01, 0.05, 0.3):
        units = units_needed(experiment, RATE, effect, power=0.9)
        found = detectable_effect(experiment, RATE, units, power=0.9)
        assert found == pytest.approx(effect, rel=1e-2)


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.8, 0.2)])
def test_the_planned_units_detect_the_effect_as_often_as_planned(
    weights: tuple[float, float],
) -> None:
    random = np.random.default_rng(0)
    mean = Baseline(mean=2.0, variance=9.0)
    units = units_needed(definition(weights=weights), mean, 0.1, power=0.8)
    sizes = [round(units * weight) for weight in weights]

    # 20,000 experiments: arms' means, and variances, of values that grew by a tenth.
    arms = list(zip((2.0, 2.2), (3.0, 3.3), sizes, strict=True))
    means = [random.normal(m, sd / np.sqrt(n), 20_000) for m, sd, n in arms]
    variances = [
        sd**2 * random.chisquare(n - 1, 20_000) / (n - 1) / n for _, sd, n in arms
    ]
    z = (means[1] - means[0]) / np.sqrt(sum(variances))

    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=0.01)


def test_looking_every_day_costs_units_and_keeps_the_power() -> None:
    fixed = units_needed(definition("fixed"), RATE, 0.1)
    sequential = units_needed(definition("sequential"), RATE, 0.1)
    random = np.random.default_rng(1)

    sizes = sequential * np.arange(1, 15) / 14
    steps = random.standard_normal((20_000, 14)) * np.sqrt(sequential / 14)
    # Standard errors that the effect is worth at each look.
    drift = 0.01 / np.sqrt((0.1 * 0.9 + 0.11 * 0.89) * 2 / sizes)
    z = np.cumsum(steps, axis=1) / np.sqrt(sizes) + drift
    boundary = np.array([two_sided_critical(size, 0.05) for size in sizes])

    assert fixed < sequential < 3 * fixed
    assert (z[:, -1] > boundary[-1]).mean() == pytest.approx(0.8, abs=0.01)
    assert 0.8 <= (z > boundary).any(axis=1).mean() < 0.9


def test_more_arms_and_uneven_ones_need_more_units() -> None:
    even = units_needed(definition(), RATE, 0.1)
    uneven = units_needed(definition(weights=(0.9, 0.1)), RATE, 0.1)
    three = units_needed(definition(weights=(0.4, 0.3, 0.3)), RATE, 0.1)

    before, after = 0.1 * 0.9, 0.11 * 0.89
    want = (before / 0.9 + after / 0.1) / (before / 0.5 + after / 0.5)
    assert uneven == pytest.approx(even * want, rel=0.001)
    assert three > even * 1.5


def test_a_plan_counts_the_days_that_layer_and_ramp_leave() -> None:
    experiment = definition(
        layer={"name": "feed", "buckets": [0, 5000]},
        ramp=[
            {"at": "2026-11-01T00:00:00Z", "share": 0.1},
            {"at": "2026-11-03T00:00:00Z", "share": 1.0},
        ],
    )
    needed = units_needed(experiment, RATE, 0.1)

    found = plan(experiment, RATE, units_per_day=10_000)

    assert found.units == needed
    assert found.units_by_arm == {"control": -(-needed // 2), "a": -(-needed // 2)}
    # 500 on each of two days, then 5,000.
    assert found.days == 2 + -(-(needed - 1000) // 5000)
    assert found.enough is True
    assert [(day.days, day.units) for day in found.by_day] == [
        (1, 500),
        (2, 1000),
        (3, 6000),
        (7, 26_000),
        (14, 61_000),
    ]
    effects = [day.minimum_effect or 0.0 for day in found.by_day]
    assert effects == sorted(effects, reverse=True)
    assert found.minimum_effect == 0.1


def test_a_plan_says_when_the_time_is_too_short() -> None:
    experiment = definition()

    slow = plan(experiment, RATE, units_per_day=1000)
    never = plan(experiment, RATE, units_per_day=0.01)
    unknown = plan(experiment, RATE)

    assert slow.days == 30 and slow.enough is False
    assert never.days is None and never.enough is False
    assert never.by_day[0].minimum_effect is None
    assert unknown.days is None and unknown.enough is None and unknown.by_day == ()


@pytest.mark.parametrize("metric", [CTR, CTR | {"scale": 1000.0}, REVENUE])
def test_a_baseline_is_read_from_past_units(metric: dict[str, Any]) -> None:
    random = np.random.default_rng(2)
    gladly = random.beta(2, 18, 50_000)
    exposures = 1 + random.poisson(4, 50_000)
    units = pa.table(
        {
            "exposures": exposures,
            "click": random.binomial(exposures, gladly),
            "revenue": 5 * gladly + random.gamma(1.0, 0.2, 50_000),
            "revenue_before": gladly,
        }
    )
    columns = units.to_pandas()

    found = Baseline.of_units(units, definition(metric=metric, cuped={"days": 14}))

    if metric["kind"] == "mean":
        explained = np.corrcoef(columns.revenue, columns.revenue_before)[0, 1] ** 2
        mean, variance = columns.revenue.mean(), columns.revenue.var() * (1 - explained)
    else:
        ratio = columns.click.sum() / columns.exposures.sum()
        rest = (columns.click - ratio * columns.exposures) / columns.exposures.mean()
        scale = metric.get("scale", 1.0)
        mean, variance = ratio * scale, rest.var() * scale**2
    assert found.mean == pytest.approx(mean)
    assert found.variance == pytest.approx(variance)


def test_past_units_that_say_nothing_are_refused() -> None:
    units = pa.table({"exposures": [1, 2, 3], "click": [0, 0, 0]})

    with pytest.raises(DataError, match="a mean of 0 and a variance of 0"):
        Baseline.of_units(units, definition())
    with pytest.raises(DataError, match="needs the column `click`"):
        Baseline.of_units(units.drop_columns("click"), definition())
    with pytest.raises(DataError, match="1 units"):
        Baseline.of_units(units.slice(0, 1), definition())
    with pytest.raises(DataError, match="mean of 0"):
        Baseline.of_units(
            units.drop_columns("exposures").append_column("exposures", [[0, 0, 0]]),
            definition(),
        )


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(DataError, match="Received: 1.5"):
        Baseline.of_rate(1.5)
    with pytest.raises(DataError, match="power must lie between 0 and 1"):
        units_needed(definition(), RATE, 0.1, power=1.0)
    with pytest.raises(DataError, match="effect to detect must be above 0"):
        units_needed(definition(), RATE, 0.0)
    with pytest.raises(DataError, match="units a day must be above 0"):
        plan(definition(), RATE, units_per_day=0.0)


@pytest.mark.parametrize("rule", ["fixed", "sequential"])
def test_plans_reach_from_huge_effects_to_tiny_ones(rule: str) -> None:
    assert units_needed(definition(rule), Baseline.of_rate(0.9), 10.0) == 8
    assert units_needed(definition(rule), RATE, 1e-6) > 1e14
    assert detectable_effect(definition(rule), RATE, 7) is None
