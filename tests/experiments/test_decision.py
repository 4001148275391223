"""What an experiment's numbers ask for, and the journal that keeps it."""

import datetime
import pathlib
from typing import Any

import ab_definition
import pytest
from ab_definition import CTR, LATENCY, START

from clickwright.experiments.decision.decide import closing_time, decide
from clickwright.experiments.decision.decision import Decision
from clickwright.experiments.decision.decision_journal import (
    DecisionJournal,
    turning_points,
)
from clickwright.experiments.health.check import Check
from clickwright.experiments.health.health_report import HealthReport
from clickwright.experiments.report.ab_report import AbReport
from clickwright.experiments.report.verdict import Verdict
from clickwright.experiments.statistics.effect import Effect
from clickwright.schemas.errors import DataError, MachineError
from clickwright.schemas.experiment import Experiment


def definition(**changes: Any) -> Experiment:
    """Two arms, 14 days, an attribution window of a day."""
    stopping = {"minimum_days": 3, "maximum_days": 14, "minimum_units": 100}
    return ab_definition.definition(
        **{"metrics": [CTR, LATENCY], "stopping": stopping, **changes}
    )


def effect(**changes: Any) -> Effect:
    """The primary metric of the treatment, open so far."""
    numbers: dict[str, Any] = {
        "metric": "ctr",
        "role": "primary",
        "kind": "ratio",
        "direction": "increase",
        "arm": "treatment",
        "units_control": 5_000,
        "units_arm": 5_000,
        "control_mean": 0.1,
        "arm_mean": 0.103,
        "difference": 0.003,
        "p_value": 0.04,
        "adjusted_p": 0.04,
        "lift": 0.03,
        "lift_low": 0.001,
        "lift_high": 0.06,
        "always_low": -0.01,
        "always_high": 0.07,
    }
    return Effect(**numbers | changes)


def guardrail(**changes: Any) -> Effect:
    """The latency of the treatment, which holds."""
    numbers = {"metric": "latency_ms", "role": "guardrail", "direction": "decrease"}
    return effect(**{**numbers, "margin": 0.2, "harm_low": 0.01, **changes})


def report(*effects: Effect, experiment: Experiment, trusted: bool = True) -> AbReport:
    check = Check(
        name="sample ratio",
        status="ok" if trusted else "fail",
        value=1e-9,
        rule="p < 0.001",
        text="The arms' units do not fit their weights.",
    )
    return AbReport(
        experiment=experiment,
        at=START,
        first_at=START,
        last_at=START,
        exposures=10_000,
        verdict=Verdict(outcome="running", headline="", sentence=""),
        health=HealthReport.of((check,)),
        arms=(),
        effects=effects,
    )


def decided(
    *effects: Effect, days: float, trusted: bool = True, **changes: Any
) -> Decision:
    experiment = definition(**changes)
    found = report(*effects, experiment=experiment, trusted=trusted)
    return decide(found, experiment, START + datetime.timedelta(days=days))


WINNER = effect(always_low=0.01, always_significant=True)
LOSER = effect(
    difference=-0.003, lift=-0.03, always_high=-0.01, always_significant=True
)
BREACH = guardrail(breached=True, harm_low=0.31)
FIXED: dict[str, Any] = {
    "stopping": {"rule": "fixed", "minimum_days": 3, "maximum_days": 14}
}


def test_a_breached_guardrail_takes_the_arm_back_within_the_first_hour() -> None:
    decision = decided(WINNER, BREACH, days=0.04)

    assert (decision.action, decision.arm) == ("rollback", "treatment")
    assert "breaks the guardrail latency_ms" in decision.reason
    assert "+20.00%" in decision.reason
    assert "at least +31.00%" in decision.reason


def test_a_breached_guardrail_takes_the_arm_back_in_an_untrusted_result() -> None:
    assert decided(effect(), BREACH, days=5, trusted=False).action == "rollback"


def test_a_breached_guardrail_is_left_to_a_person_where_the_definition_says_so() -> (
    None
):
    assert decided(effect(), BREACH, days=5, on_guardrail="alert").action == "alert"


def test_of_two_breaches_the_worse_one_is_named() -> None:
    worse = guardrail(metric="error_rate", breached=True, harm_low=2.0)

    assert "error_rate" in decided(BREACH, worse, days=1).reason


@pytest.mark.parametrize(("days", "action"), [(10, "continue"), (15, "stop")])
def test_an_untrusted_winner_is_never_promoted(days: float, action: str) -> None:
    decision = decided(WINNER, guardrail(), days=days, trusted=False)

    assert decision.action == action
    assert "do not fit their weights" in decision.reason
    assert decision.numbers["health"] == {"trusted": False, "sample ratio": "fail"}


def test_a_winner_waits_for_the_fewest_days() -> None:
    assert decided(WINNER, days=2.9).action == "continue"
    assert decided(WINNER, days=3).action == "promote"


def test_a_winner_waits_for_the_fewest_units() -> None:
    few = WINNER.model_copy(update={"units_arm": 99})

    decision = decided(few, days=5)

    assert decision.action == "continue"
    assert "99 of at least 100 units" in decision.reason


def test_a_fixed_horizon_does_not_end_a_sequential_experiment() -> None:
    assert decided(effect(p_value=1e-9, adjusted_p=1e-9), days=5).action == "continue"


def test_a_fixed_rule_is_read_at_the_end_only() -> None:
    assert decided(WINNER, days=13, **FIXED).action == "continue"
    # The last exposures still wait for their outcomes.
    assert decided(WINNER, days=14.5, **FIXED).action == "continue"
    assert decided(WINNER, days=15, **FIXED).action == "promote"


def test_a_fixed_rule_reads_what_is_corrected_for_several_arms() -> None:
    assert decided(effect(adjusted_p=0.08), days=15, **FIXED).action == "stop"


def test_a_metric_that_must_fall_wins_by_falling() -> None:
    falling = LOSER.model_copy(update={"direction": "decrease"})

    assert decided(falling, days=5).action == "promote"
    assert decided(LOSER, days=5).action == "stop"


def test_the_best_of_several_arms_is_promoted() -> None:
    better = WINNER.model_copy(update={"arm": "wider", "difference": 0.005})

    decision = decided(WINNER, better, LOSER, days=5)

    assert (decision.action, decision.arm) == ("promote", "wider")


def test_a_worse_arm_does_not_end_what_another_may_still_win() -> None:
    open_ = effect(arm="wider")

    assert decided(LOSER, open_, days=5).action == "continue"


def test_time_without_a_winner_ends_the_experiment() -> None:
    decision = decided(effect(), days=15)

    assert decision.action == "stop"
    assert "has not moved for sure" in decision.reason


def test_an_experiment_without_exposures_ends_too() -> None:
    assert decided(days=5).action == "continue"
    assert decided(days=15).action == "stop"


def test_nothing_is_read_before_the_start() -> None:
    decision = decided(WINNER, days=-1)

    assert decision.action == "continue"
    assert "It begins at 2026-11-01 00:00 UTC." in decision.reason


def test_the_longest_time_counts_where_it_comes_before_the_end() -> None:
    experiment = definition(stopping={"maximum_days": 7.0})

    assert closing_time(experiment) == START + datetime.timedelta(days=8)


def test_a_decision_holds_the_numbers_it_stood_on() -> None:
    decision = decided(WINNER, guardrail(), days=5)

    assert decision.numbers["ctr of treatment"]["always_low"] == 0.01
    assert decision.numbers["latency_ms of treatment"]["margin"] == 0.2
    assert decision.numbers["rule"]["days"] == 5
    assert decision.numbers["rule"]["alpha"] == 0.05


# The journal.


def test_the_journal_gives_back_what_was_decided(tmp_path: pathlib.Path) -> None:
    journal = DecisionJournal(tmp_path / "experiments")
    first = decided(effect(), days=1)
    other = first.model_copy(update={"experiment": "other"})
    last = decided(WINNER, days=5)

    assert journal.of("crosses") == []
    for decision in (first, other, last):
        journal.append(decision)

    assert journal.of("crosses") == [first, last]


def test_a_line_that_a_crash_cut_off_is_replaced(tmp_path: pathlib.Path) -> None:
    journal = DecisionJournal(tmp_path)
    first, last = decided(effect(), days=1), decided(WINNER, days=5)
    journal.append(first)
    with journal.path.open("ab") as file:
        file.write(last.model_dump_json().encode()[:-30])

    assert journal.of("crosses") == [first]
    journal.append(last)

    assert journal.of("crosses") == [first, last]


def test_a_damaged_line_is_named(tmp_path: pathlib.Path) -> None:
    journal = DecisionJournal(tmp_path)
    journal.append(decided(effect(), days=1))
    with journal.path.open("ab") as file:
        file.write(b'{"action": "promte"}\n')

    with pytest.raises(DataError, match="line 2"):
        journal.of("crosses")


def test_a_journal_that_cannot_be_written_is_said(tmp_path: pathlib.Path) -> None:
    journal = DecisionJournal(tmp_path)
    journal.path.mkdir()

    with pytest.raises(MachineError, match="cannot be written"):
        journal.append(decided(effect(), days=1))


def test_repeated_decisions_are_shown_once() -> None:
    same, again = decided(effect(), days=1), decided(effect(), days=2)
    person = again.model_copy(update={"by": "person"})
    last = decided(WINNER, days=5)

    assert turning_points([same, again, person, last, last]) == [same, person, last]


def test_a_decision_that_was_carried_out_is_shown_as_done() -> None:
    intended = decided(WINNER, days=5)
    done = intended.model_copy(update={"done": ("ctr: stable is version 2",)})

    assert turning_points([intended, done]) == [done]
