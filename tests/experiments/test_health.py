"""Checks that take the trust away from an experiment's effects."""

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from ab_report_record import START, experiment

from clickwright.experiments.health.check import Check
from clickwright.experiments.health.health import health
from clickwright.experiments.health.health_report import HealthReport
from clickwright.experiments.health.sample_ratio import ALARM, SampleRatio
from clickwright.experiments.join_report import JoinReport

WEIGHTS = {"control": 0.4, "treatment": 0.4, "bold": 0.2}
COUNTS = {"control": 400, "treatment": 400, "bold": 200}


def units(counts: dict[str, int] = COUNTS, **columns: Any) -> pa.Table:
    """Units of an arm after the other; columns are numpy arrays or constants."""
    variant = np.repeat(list(counts), list(counts.values()))
    total = len(variant)
    random = np.random.default_rng(0)
    shuffled = random.permutation(total)
    values: dict[str, Any] = {
        "first_at": [START + datetime.timedelta(days=i % 5) for i in range(total)],
        "exposures": np.full(total, 10.0),
        "errors": np.zeros(total),
        "latency_ms": random.gamma(100, 0.4, total),
        "click": random.binomial(10, 0.2, total).astype(float),
        "revenue": random.gamma(2, 5, total),
        "device": np.array(["phone", "desktop"])[np.arange(total) % 2],
    } | columns
    table = {"variant": variant} | {
        name: value if np.ndim(value) else np.full(total, value)
        for name, value in values.items()
    }
    found = pa.table(table).take(pa.array(shuffled))
    at = found.schema.get_field_index("first_at")
    moment = pa.timestamp("us", "UTC")
    return found.set_column(at, "first_at", found["first_at"].cast(moment))


def traffic(**changes: Any) -> pa.Table:
    """One row an arm; `changes` are by arm, a list makes several rows of it."""
    buckets = {
        "control": (5, 3_990),
        "treatment": (4_000, 7_999),
        "bold": (8_010, 9_999),
    }
    rows = []
    for version, (arm, (first, last)) in enumerate(buckets.items(), 1):
        row = {
            "variant": arm,
            "version": version,
            "exposures": 4_000,
            "failures": 0,
            "before_start": 0,
            "after_end": 0,
            "after_now": 0,
            "first_bucket": first,
            "last_bucket": last,
        }
        changed = changes.get(arm, {})
        rows += [row | c for c in (changed if isinstance(changed, list) else [changed])]
    return pa.Table.from_pylist(rows)


def joined(**changes: int) -> JoinReport:
    counts = dict.fromkeys(
        (
            "overrides",
            "crossovers",
            "lost_exposures",
            "repeated_exposures",
            "repeated_outcomes",
            "late",
            "before_exposure",
            "orphans",
            "others",
            "earlier",
        ),
        0,
    )
    known = {"exposures": 10_000, "units": 1_000, "outcomes": 2_000, "counted": 2_000}
    return JoinReport(first_at=START, last_at=START, **counts | known | changes)


def checked(
    table: pa.Table | None = None,
    answered: pa.Table | None = None,
    counts: JoinReport | None = None,
    **changes: Any,
) -> dict[str, Check]:
    """The checks by name; what is not given is healthy."""
    found = health(
        units() if table is None else table,
        traffic() if answered is None else answered,
        counts or joined(),
        experiment(**changes),
    )
    return {check.name: check for check in found.checks}


def failing(**given: Any) -> set[str]:
    return {name for name, check in checked(**given).items() if check.status != "ok"}


def test_a_healthy_experiment_is_trusted() -> None:
    found = health(units(), traffic(), joined(), experiment())

    assert {check.name: check.status for check in found.checks} == {
        "sample ratio": "ok",
        "sample ratio by day": "ok",
        "sample ratio by device": "ok",
        "crossovers": "ok",
        "lost exposures": "ok",
        "outcomes before their exposure": "ok",
        "outcomes without exposure": "ok",
        "enough units": "ok",
        "outcomes": "ok",
        "before the experiment": "ok",
        "latency": "ok",
        "arms that failed": "ok",
        "versions": "ok",
        "assignment": "ok",
        "clock": "ok",
    }
    assert found.trusted


def test_one_failed_check_takes_the_trust_away() -> None:
    found = health(units(), traffic(), joined(crossovers=40), experiment())

    assert not found.trusted
    assert [check.name for check in found.failures] == ["crossovers"]
    with pytest.raises(ValueError, match="must say whether no check failed"):
        HealthReport(checks=found.checks, trusted=True)


def test_the_alarm_of_the_sample_ratio_rings_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    draws = random.multinomial(5_000, list(WEIGHTS.values()), size=2_000)
    p = np.array(
        [
            SampleRatio(dict(zip(WEIGHTS, d.tolist(), strict=True)), WEIGHTS).p_value
            for d in draws
        ]
    )

    # Four standard errors of a share of 2,000.
    assert abs((p < 0.05).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 2_000)
    assert (p < ALARM).mean() < ALARM + 4 * np.sqrt(ALARM / 2_000)


def test_units_that_do_not_fit_the_weights_fail_overall() -> None:
    check = checked(units({"control": 480, "treatment": 340, "bold": 180}))[
        "sample ratio"
    ]

    # chi2 = 80^2/400 + 60^2/400 + 20^2/200 = 27 with two degrees of freedom.
    assert check.value == pytest.approx(np.exp(-13.5))
    assert check.status == "fail"
    assert "control 480 (48.00%, due 40.00%)" in check.text


def test_units_that_do_not_fit_on_one_day_fail_though_the_whole_fits() -> None:
    # On the first day no unit of the treatment, on the second none of control.
    day = np.concatenate([np.zeros(400), np.ones(400), np.arange(200) % 2]).astype(int)
    at = [START + datetime.timedelta(days=int(d)) for d in day]

    found = checked(units(first_at=at))

    assert found["sample ratio"].status == "ok"
    assert found["sample ratio by day"].status == "fail"
    assert "2026-11-0" in found["sample ratio by day"].text


def test_units_that_do_not_fit_in_one_slice_fail_though_the_whole_fits() -> None:
    device = np.where(np.arange(1_000) < 400, "tv", "phone")  # all of control

    found = checked(units(device=device))

    assert found["sample ratio"].status == "ok"
    assert found["sample ratio by device"].status == "fail"
    assert "device tv" in found["sample ratio by device"].text


def test_units_of_an_arm_without_weight_fail() -> None:
    assert SampleRatio({"a": 50, "b": 50, "c": 1}, {"a": 0.5, "b": 0.5}).p_value == 0


def test_a_single_arm_cannot_be_off() -> None:
    weights = {"control": 1.0, "shadow": 0.0}

    assert SampleRatio({"control": 500}, weights).p_value == 1


def test_few_units_are_no_wrong_ratio() -> None:
    found = checked(units({"control": 30, "treatment": 2, "bold": 2}))

    assert found["sample ratio"].status == "ok"
    assert found["sample ratio"].value is None
    assert found["enough units"].status == "fail"


@pytest.mark.parametrize(
    ("counts", "name", "status"),
    [
        ({"crossovers": 9, "units": 100}, "crossovers", "ok"),  # fewer than 10
        ({"crossovers": 10, "units": 10_000}, "crossovers", "ok"),  # less than 1%
        ({"crossovers": 11, "units": 1_000}, "crossovers", "fail"),
        ({"lost_exposures": 1}, "lost exposures", "warn"),
        ({"lost_exposures": 11}, "lost exposures", "fail"),
        ({"before_exposure": 30}, "outcomes before their exposure", "warn"),
        ({"orphans": 500, "outcomes": 2_500}, "outcomes without exposure", "warn"),
    ],
)
def test_what_the_join_left_out_counts(
    counts: dict[str, int], name: str, status: str
) -> None:
    assert checked(counts=joined(**counts))[name].status == status


def test_outcomes_of_the_primary_metric_that_never_came_fail() -> None:
    check = checked(units(click=0.0))["outcomes"]

    assert check.status == "fail"
    assert "no click for control, treatment, bold" in check.text


def test_outcomes_that_one_arm_lacks_fail() -> None:
    click = np.where(np.arange(1_000) < 400, 0.0, 1.0)

    check = checked(units(click=click))["outcomes"]

    assert check.status == "fail"
    assert "no click for control." in check.text


def test_outcomes_of_another_metric_that_never_came_warn() -> None:
    assert checked(units(revenue=0.0))["outcomes"].status == "warn"


def test_arms_that_differed_before_the_experiment_fail() -> None:
    before = np.random.default_rng(2).normal(10, 1, 1_000)
    before[:400] += 1

    found = checked(units(click_before=before))

    assert found["before the experiment"].status == "fail"
    assert "click" in found["before the experiment"].text
    before[:400] -= 1
    assert checked(units(click_before=before))["before the experiment"].status == "ok"


def test_an_arm_that_is_slower_is_named() -> None:
    latency = np.random.default_rng(3).gamma(100, 0.4, 1_000)
    latency[400:800] *= 1.5

    check = checked(units(latency_ms=latency))["latency"]

    assert check.status == "warn"
    assert check.value == pytest.approx(0.5, abs=0.02)
    assert "treatment takes" in check.text


@pytest.mark.parametrize(("failures", "status"), [(1, "warn"), (200, "fail")])
def test_an_arm_whose_requests_control_answered_is_named(
    failures: int, status: str
) -> None:
    check = checked(answered=traffic(bold={"failures": failures}))["arms that failed"]

    assert check.status == status
    assert f"{failures / 4_000:.3%} of bold" in check.text


def test_an_arm_answered_by_another_version_than_it_asks_for_fails() -> None:
    check = checked(answered=traffic(bold={"version": 7}))["versions"]  # asks for 3

    assert check.status == "fail"
    assert "bold asks for version 3 and was answered by 7" in check.text


def test_two_arms_answered_by_one_version_fail() -> None:
    check = checked(answered=traffic(treatment={"version": 1}))["versions"]

    assert check.status == "fail"
    assert "control and treatment were answered by the same version" in check.text


def test_an_arm_that_mixes_versions_is_named() -> None:
    mixed = [{"version": 2}, {"version": 5, "exposures": 30}]

    check = checked(answered=traffic(treatment=mixed))["versions"]

    assert check.status == "warn"
    assert "2 (4,000), 5 (30)" in check.text


def test_control_that_answers_for_an_arm_is_no_version_of_it() -> None:
    fallen_back = [{"version": 2}, {"version": 1, "exposures": 30, "failures": 30}]

    found = checked(answered=traffic(treatment=fallen_back))

    assert found["versions"].status == "ok"


def test_buckets_of_another_arm_fail() -> None:
    assert failing(answered=traffic(control={"last_bucket": 4_100})) == {"assignment"}


@pytest.mark.parametrize("when", ["before_start", "after_end", "after_now"])
def test_a_clock_that_went_wrong_is_seen(when: str) -> None:
    assert checked(answered=traffic(bold={when: 1}))["clock"].status == "warn"
    assert checked(answered=traffic(bold={when: 40}))["clock"].status == "fail"


def test_an_experiment_without_a_unit_is_untrusted_and_no_error() -> None:
    nobody = health(
        units().slice(0, 0),
        traffic().slice(0, 0),
        joined(units=0, exposures=0, outcomes=0, counted=0),
        experiment(),
    )

    assert {check.name for check in nobody.failures} == {"enough units", "outcomes"}
