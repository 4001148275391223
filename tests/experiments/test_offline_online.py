"""Past experiments: offline gains beside measured lifts."""

import datetime
import pathlib
from typing import Any

import numpy as np
import pytest
from ab_report_record import ab_report
from tiny_shop import Command

from clickwright.experiments.off_policy.bandit_log import BanditLog
from clickwright.experiments.off_policy.estimate_policy import estimate_policy
from clickwright.experiments.offline_online.history import past_results, promises
from clickwright.experiments.offline_online.offline_facts import off_policy_facts
from clickwright.experiments.offline_online.past_result import PastResult
from clickwright.experiments.report.ab_report import AbReport

DAY = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def reported(facts: dict[str, dict[str, str]], **changes: Any) -> AbReport:
    """A report whose arms have these facts."""
    report = ab_report()
    arms = tuple(
        arm.model_copy(update={"lineage": facts.get(arm.name, {})})
        for arm in report.arms
    )
    return report.model_copy(update={"arms": arms} | changes)


def result(
    number: int, auc: float, lift: float, width: float = 0.02, **more: Any
) -> PastResult:
    return PastResult(
        experiment=f"x{number}",
        model="ctr",
        arm="treatment",
        at=DAY + datetime.timedelta(days=number),
        metric="ctr",
        direction=more.pop("direction", "increase"),
        trusted=more.pop("trusted", True),
        offline={"auc": auc, "ne": -2 * auc},
        lift=lift,
        lift_low=lift - width / 2,
        lift_high=lift + width / 2,
        **more,
    )


def test_an_arm_has_its_offline_gain_over_control_and_its_measured_lift() -> None:
    report = reported(
        {
            "control": {"auc": "0.70", "ne": "0.9", "gauc": "nan"},
            "treatment": {
                "auc": "0.72",
                "ne": "0.85",
                "gauc": "0.6",
                "off_policy_lift": "0.1",
                "run": "text",
            },
            "bold": {},
        }
    )

    treatment, bold = past_results([report])

    assert treatment.offline == pytest.approx({"auc": 0.02, "ne": -0.05})
    assert treatment.off_policy_lift == 0.1
    assert treatment.off_policy_lift_low is None
    effect = report.primary()[0]
    assert (treatment.lift, treatment.lift_low) == (effect.lift, effect.lift_low)
    assert (bold.arm, bold.offline, bold.off_policy_lift) == ("bold", {}, None)


def test_of_an_experiment_the_last_report_counts() -> None:
    early = reported({}, at=DAY)
    late = reported({"control": {"auc": "0.5"}, "treatment": {"auc": "0.6"}})
    sick = late.health.model_copy(update={"trusted": False})

    results = past_results([late.model_copy(update={"health": sick}), early])

    assert [r.at for r in results] == [late.at] * 2
    assert not results[0].trusted
    assert results[0].gain is None


def test_promises_are_held_against_what_came() -> None:
    results = [
        result(1, 0.002, 0.04),
        result(2, 0.001, 0.01, width=0.04),
        result(3, -0.001, 0.005),
        result(4, 0.004, -0.06, direction="decrease"),
        result(5, 0.100, -0.5, trusted=False),
    ]

    found = {promise.predictor: promise for promise in promises(results)}

    assert sorted(found) == ["auc", "ne"]
    promised, gain = [0.002, 0.001, -0.001, 0.004], [0.04, 0.01, 0.005, 0.06]
    weight = [1 / 0.02**2, 1 / 0.04**2, 1 / 0.02**2, 1 / 0.02**2]
    parts = list(zip(weight, promised, gain, strict=True))
    slope = sum(w * x * y for w, x, y in parts) / sum(w * x * x for w, x, _ in parts)
    assert (found["auc"].arms, found["auc"].same_sign) == (4, 3)
    assert found["auc"].rank_correlation == pytest.approx(1.0)
    assert found["auc"].slope == pytest.approx(slope)
    assert found["ne"].same_sign == 3  # less is better
    assert found["ne"].slope == pytest.approx(slope / 2)


def test_two_arms_have_no_correlation_and_no_promise_has_no_slope() -> None:
    (auc, _) = promises([result(1, 0.0, 0.1), result(2, 0.0, 0.2)])

    assert (auc.arms, auc.same_sign) == (2, 0)
    assert auc.rank_correlation is None
    assert auc.slope is None


def test_an_off_policy_estimate_becomes_facts_of_an_arm() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(2000) < 0.5
    reward = (rng.random(2000) < np.where(first, 0.5, 0.2)).astype(float)
    half, target = np.full(2000, 0.5), np.where(first, 0.9, 0.1)
    report = estimate_policy(BanditLog(reward, half, target))
    found = report.estimate("snips")
    assert found is not None

    facts = off_policy_facts(report)

    assert {name: float(value) for name, value in facts.items()} == pytest.approx(
        {
            "off_policy_lift": found.value / reward.mean() - 1,
            "off_policy_lift_low": found.difference_low / reward.mean(),
            "off_policy_lift_high": found.difference_high / reward.mean(),
        },
        rel=1e-5,
    )
    refused = estimate_policy(BanditLog(reward[:9], half[:9], target[:9]))
    assert off_policy_facts(refused) == off_policy_facts(None) == {}


def test_the_command_prints_what_was_promised_and_what_came(
    command: Command, tmp_path: pathlib.Path
) -> None:
    report = reported(
        {
            "control": {"auc": "0.70"},
            "treatment": {
                "auc": "0.72",
                "off_policy_lift": "0.1",
                "off_policy_lift_low": "0.05",
                "off_policy_lift_high": "0.15",
            },
        }
    )
    (tmp_path / "first.json").write_text(report.model_dump_json())

    code, shown, _ = command("ab", "history", tmp_path)

    assert code == 0
    line = next(x.split() for x in shown.splitlines() if " treatment " in x)
    lift = report.primary()[0].lift
    assert line[:5] == [report.experiment.id, "treatment", "+0.0200", "-", "-"]
    assert " ".join(line).count("+10.00% (+5.00% to +15.00%)") == 1
    assert f"{lift:+.2%}" in line
    assert "AUC: the right sign for 1 of 1 arms" in shown
    assert "off-policy: the right sign for 1 of 1 arms" in shown


@pytest.mark.parametrize("content", [None, "{}", "not JSON"])
def test_what_is_no_report_is_refused(
    command: Command, tmp_path: pathlib.Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "x.json").write_text(content)

    code, _, said = command("ab", "history", tmp_path)

    assert code == 1
    assert ("no report" if content is None else "cannot be read") in said
