"""Units get the arm that is theirs, and keep it."""

import datetime
import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats
from ab_definition import END, START, arms, definition
from hypothesis import given
from hypothesis import strategies as st

from clickwright.experiments.assignment import (
    Assignment,
    assign,
    assign_all,
    assign_among,
)
from clickwright.experiments.hashing import Scheme
from clickwright.schemas.experiment import Experiment

SCHEMES: tuple[Scheme, ...] = ("clickwright", "growthbook_v1", "growthbook_v2")
UNITS = [f"user-{n}" for n in range(20_000)]
THREE = {"control": 0.5, "crosses": 0.3, "ranks": 0.2}


def ramped(
    share: float, scheme: Scheme = "clickwright", **weights: float
) -> Experiment:
    return definition(
        ramp=[{"at": START.isoformat(), "share": share}],
        hash={"scheme": scheme},
        arms=arms(**(weights or THREE)),
    )


def counts(experiment: Experiment, names: list[str]) -> list[int]:
    variants = assign_all(experiment, UNITS, START)["variant"].to_pylist()
    return [variants.count(name) for name in names]


# Of `cases.json`, which all of GrowthBook's SDKs are tested with (version 0.7.1):
# the variation of the users 1 to 9 in `my-test`; None: not in the experiment.
GROWTHBOOK_RUNS = [
    ((0.5, 0.5), 1.0, [1, 0, 0, 1, 1, 1, 0, 1, 0]),
    ((0.1, 0.9), 1.0, [1, 1, 0, 1, 1, 1, 0, 1, 1]),
    ((0.5, 0.5), 0.4, [None, 0, 0, None, 1, None, 0, 1, None]),
]


@pytest.mark.parametrize(("weights", "coverage", "variations"), GROWTHBOOK_RUNS)
def test_units_get_the_variations_of_growthbook(
    weights: tuple[float, float], coverage: float, variations: list[int | None]
) -> None:
    experiment = definition(
        hash={"scheme": "growthbook_v1", "salt": "my-test"},
        arms=arms(control=weights[0], treatment=weights[1]),
        ramp=[{"at": START.isoformat(), "share": coverage}],
    )
    names = [None if n is None else ("control", "treatment")[n] for n in variations]

    assert [
        assign(experiment, str(user), START).variant for user in range(1, 10)
    ] == names


def test_a_seed_and_the_second_version_give_the_variation_of_growthbook() -> None:
    experiment = definition(hash={"scheme": "growthbook_v2", "salt": "foo"})

    assert assign(experiment, "1", START).variant == "treatment"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_arms_get_units_by_their_weights(scheme: Scheme) -> None:
    found = counts(ramped(1.0, scheme), list(THREE))

    expected = [weight * len(UNITS) for weight in THREE.values()]
    assert sum(found) == len(UNITS)
    assert scipy.stats.chisquare(found, expected).pvalue > 0.001


@given(
    weights=st.lists(st.integers(1, 9_998), min_size=1, max_size=4, unique=True),
    shares=st.lists(st.integers(0, 10_000), min_size=2, max_size=5),
    scheme=st.sampled_from(SCHEMES),
)
def test_a_growing_ramp_moves_no_unit_between_arms(
    weights: list[int], shares: list[int], scheme: Scheme
) -> None:
    borders = [0, *sorted(weights), 10_000]
    split = {
        f"arm{n}": (high - low) / 10_000
        for n, (low, high) in enumerate(itertools.pairwise(borders))
    }
    experiment = definition(
        control="arm0",
        arms=arms(**split),
        hash={"scheme": scheme},
        ramp=[
            {
                "at": (START + datetime.timedelta(hours=n)).isoformat(),
                "share": share / 10_000,
            }
            for n, share in enumerate(sorted(shares))
        ],
    )

    before: list[str | None] = [None] * 300
    for hour in range(len(shares)):
        at = START + datetime.timedelta(hours=hour)
        now = assign_all(experiment, UNITS[:300], at)["variant"].to_pylist()
        for old, new in zip(before, now, strict=True):
            assert old is None or old == new
        before = now


def test_at_a_full_ramp_every_unit_has_an_arm_even_where_floats_do_not_sum_to_1() -> (
    None
):
    tenths: dict[str, Any] = {f"a{n}": 0.1 for n in range(9)}
    experiment = ramped(1.0, control=0.1, **tenths)

    assert assign_all(experiment, UNITS, START)["variant"].null_count == 0


def test_ten_percent_of_the_ramp_are_ten_percent_of_each_arm() -> None:
    found = counts(ramped(0.1), list(THREE))

    expected = np.array(list(THREE.values())) * 0.1 * len(UNITS)
    error = np.sqrt(expected)
    assert np.all(np.abs(found - expected) < 4 * error)


def test_experiments_of_one_layer_share_no_unit_and_leave_none_out() -> None:
    one = definition(id="one", layer={"name": "feed", "buckets": [0, 3_000]})
    other = definition(id="other", layer={"name": "feed", "buckets": [3_000, 10_000]})

    first = np.array(assign_all(one, UNITS, START)["variant"].is_valid())
    second = np.array(assign_all(other, UNITS, START)["variant"].is_valid())

    assert np.all(first ^ second)
    assert 0.28 < first.mean() < 0.32
    outside = assign(one, UNITS[int(np.argmin(first))], START)
    assert (outside.variant, outside.reason) == (None, "outside layer")


def test_an_override_gives_its_arm_whatever_the_ramp_and_the_layer_say() -> None:
    experiment = definition(
        overrides={"qa": "treatment"},
        ramp=[{"at": START.isoformat(), "share": 0.0}],
        layer={"name": "feed", "buckets": [0, 1]},
    )

    found = assign(experiment, "qa", START)

    assert (found.variant, found.propensity) == ("treatment", 1.0)
    assert found.reason == "override"
    assert assign(experiment, "qa", END).variant is None


def test_a_unit_that_does_not_take_part_is_told_why() -> None:
    experiment = ramped(0.0)

    before = START - datetime.timedelta(seconds=1)
    assert assign(experiment, "u", START).reason == "outside ramp"
    assert assign(experiment, "u", before).reason == "not running"
    assert assign(experiment, "u", END).reason == "not running"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("at", [START - datetime.timedelta(days=1), START, END])
def test_many_units_are_assigned_as_each_alone(
    scheme: Scheme, at: datetime.datetime
) -> None:
    experiment = definition(
        arms=arms(**THREE),
        hash={"scheme": scheme},
        layer={"name": "feed", "buckets": [2_000, 9_000]},
        ramp=[{"at": START.isoformat(), "share": 0.7}],
        overrides={"user-7": "ranks"},
    )

    table = assign_all(experiment, pa.array(UNITS[:500]), at)

    assert table["unit"].to_pylist() == UNITS[:500]
    for row in table.to_pylist():
        unit = row.pop("unit")
        assert Assignment(**row) == assign(experiment, unit, at)


def test_of_the_experiments_of_a_model_one_takes_the_unit() -> None:
    halves = [
        definition(id="one", layer={"name": "feed", "buckets": [0, 5_000]}),
        definition(
            id="other",
            layer={"name": "feed", "buckets": [5_000, 10_000]},
            overrides={"qa": "treatment"},
        ),
    ]

    chosen = {}
    for unit in UNITS[:100]:
        found = assign_among(halves, unit, START)
        assert found is not None and found[1] == assign(found[0], unit, START)
        chosen[unit] = found[0].id
    overridden = assign_among(halves, "qa", START)

    assert set(chosen.values()) == {"one", "other"}
    assert overridden is not None and overridden[0].id == "other"
    assert assign_among(halves, "qa", END) is None
