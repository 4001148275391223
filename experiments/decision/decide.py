"""What the numbers of an experiment ask for."""

import datetime
import math
from collections.abc import Sequence

from clickwright.experiments.decision.decision import Action, Decision, Fields, Numbers
from clickwright.experiments.report.ab_report import AbReport
from clickwright.experiments.statistics.effect import Effect
from clickwright.schemas.experiment import Experiment

_DAY = datetime.timedelta(days=1)


def decide(report: AbReport, experiment: Experiment, at: datetime.datetime) -> Decision:
    """Decides whether an experiment goes on.

    The first rule that applies decides:

    1. A guardrail is breached: `rollback`, at any time and whatever the health checks
       say; a harm that is sure is no less of one in a damaged log. `alert` where the
       definition says `on_guardrail: alert`.
    2. A health check failed: `continue`, and `stop` once the time is over. Effects are
       not read.
    3. Before `minimum_days`, or with fewer units an arm than `minimum_units`:
       `continue`, and `stop` once the time is over.
    4. The primary metric has moved for sure, at any look by the always-valid test
       (`rule: sequential`) or once the time is over by the test at a fixed horizon
       (`rule: fixed`, corrected over the arms): `promote` the arm with the largest
       improvement; `stop` where every arm is worse.
    5. `stop` once the time is over, else `continue`.

    The time is over at `end`, or `maximum_days` after `start`; and then when the
    outcomes of the last exposures have had their attribution window.

    Args:
        report: what was found.
        experiment: the definition.
        at: now.

    Returns:
        The decision with the numbers it stands on. Nothing is done yet.
    """
    primary = report.primary()
    guardrails = [effect for effect in report.effects if effect.role == "guardrail"]
    closes = closing_time(experiment)
    over = at >= closes
    rule: Fields = {
        "rule": experiment.stopping.rule,
        "alpha": experiment.stopping.alpha,
        "days": round((min(at, experiment.end) - experiment.start) / _DAY, 4),
        "minimum_days": experiment.stopping.minimum_days,
        "maximum_days": experiment.stopping.maximum_days,
        "minimum_units": experiment.stopping.minimum_units,
        "closes": closes.isoformat(),
    }
    health: Fields = {"trusted": report.health.trusted}
    health |= {check.name: check.status for check in report.health.checks}
    numbers: Numbers = {"rule": rule, "health": health}
    for effect in (*primary, *guardrails):
        # Without the words that stand in its key.
        numbers[f"{effect.metric} of {effect.arm}"] = effect.model_dump(
            exclude={"metric", "arm", "kind"}
        )

    def decision(action: Action, reason: str, arm: str | None = None) -> Decision:
        return Decision(
            at=at,
            experiment=experiment.id,
            action=action,
            reason=reason,
            arm=arm,
            numbers=numbers,
        )

    waiting: Action = "stop" if over else "continue"
    if breached := [effect for effect in guardrails if effect.breached]:
        worst = max(breached, key=lambda effect: _or(effect.harm_low, -math.inf))
        action: Action = (
            "rollback" if experiment.on_guardrail == "rollback" else "alert"
        )
        return decision(action, _breach(worst), worst.arm)
    if not report.health.trusted:
        failed = "; ".join(check.text.rstrip(".") for check in report.health.failures)
        return decision(
            waiting, f"The result cannot be trusted, no effect is read: {failed}."
        )
    if lacking := _lacking(primary, experiment, at):
        return decision(waiting, lacking)
    if over or experiment.stopping.rule == "sequential":
        moved = [effect for effect in primary if _moved(effect, experiment)]
        better = [effect for effect in moved if _improvement(effect) > 0]
        if better:
            best = max(better, key=_improvement)
            return decision("promote", _found(best, experiment), best.arm)
        if moved and len(moved) == len(primary):
            worst = min(moved, key=_improvement)
            return decision("stop", _found(worst, experiment), worst.arm)
    if over:
        return decision("stop", f"The time is over. {_open(primary, experiment)}")
    if experiment.stopping.rule == "fixed":
        return decision(
            "continue",
            f"A fixed rule is read once, after {closes:%Y-%m-%d %H:%M} UTC.",
        )
    return decision("continue", _open(primary, experiment))


def closing_time(experiment: Experiment) -> datetime.datetime:
    """When the last exposure has had its attribution window."""
    longest = datetime.timedelta(days=experiment.stopping.maximum_days)
    last = min(experiment.end, experiment.start + longest)
    return last + experiment.attribution.window


def _lacking(
    primary: Sequence[Effect], experiment: Experiment, at: datetime.datetime
) -> str:
    """What is missing before the primary metric may be read; empty: nothing."""
    stopping = experiment.stopping
    if at < experiment.start:
        return f"It begins at {experiment.start:%Y-%m-%d %H:%M} UTC."
    measured = min(at, experiment.end) - experiment.start
    if measured < stopping.minimum_days * _DAY:
        return (
            f"{measured / _DAY:.1f} of at least {stopping.minimum_days:g} days have "
            "passed."
        )
    fewest = min(
        (min(effect.units_control, effect.units_arm) for effect in primary), default=0
    )
    if fewest < stopping.minimum_units:
        return (
            f"The smallest arm has {fewest:,} of at least {stopping.minimum_units:,} "
            "units."
        )
    return ""


def _moved(effect: Effect, experiment: Experiment) -> bool:
    if experiment.stopping.rule == "sequential":
        return effect.always_significant
    p_value = effect.p_value if effect.adjusted_p is None else effect.adjusted_p
    return p_value is not None and p_value < experiment.stopping.alpha


def _improvement(effect: Effect) -> float:
    """The difference in the wanted direction; 0 where there is none."""
    difference = _or(effect.difference, 0.0)
    return difference if effect.direction == "increase" else -difference


def _found(effect: Effect, experiment: Experiment) -> str:
    if experiment.stopping.rule == "sequential":
        test = "always valid"
        low, high = effect.always_low, effect.always_high
    else:
        test = "fixed horizon"
        low, high = effect.lift_low, effect.lift_high
    better = "better" if _improvement(effect) > 0 else "worse"
    return (
        f"`{effect.arm}` is {better} on {effect.metric}: lift {_percent(effect.lift)}, "
        f"between {_percent(low)} and {_percent(high)} ({test})."
    )


def _open(primary: Sequence[Effect], experiment: Experiment) -> str:
    said = "; ".join(
        f"`{effect.arm}` {_percent(effect.lift)}, between "
        f"{_percent(effect.always_low)} and {_percent(effect.always_high)}"
        if experiment.stopping.rule == "sequential"
        else f"`{effect.arm}` {_percent(effect.lift)}, between "
        f"{_percent(effect.lift_low)} and {_percent(effect.lift_high)}"
        for effect in primary
    )
    return f"{experiment.primary.name} has not moved for sure: {said}."


def _breach(effect: Effect) -> str:
    least = (
        "more than that"
        if effect.harm_low is None
        else f"at least {_percent(effect.harm_low)}"
    )
    return (
        f"`{effect.arm}` breaks the guardrail {effect.metric}: it may get worse by "
        f"{_percent(effect.margin)}, and has by {least}, for sure at any look."
    )


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.2%}"


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
