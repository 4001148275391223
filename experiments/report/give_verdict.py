"""From the numbers of an experiment to the first words of its report."""

from clickwright.experiments.decision.decide import decide
from clickwright.experiments.report.ab_report import AbReport
from clickwright.experiments.report.verdict import Verdict


def give_verdict(report: AbReport) -> Verdict:
    """Says what the rules of the experiment make of the numbers.

    A result that failed a health check has no effect in its verdict, whatever the
    numbers say, but a guardrail that is breached.
    """
    asked = decide(report, report.experiment, report.at)
    reasons = tuple(f"{check.name}: {check.text}" for check in report.health.failures)
    if asked.action in ("rollback", "alert"):
        return Verdict(
            outcome="harm",
            arm=asked.arm,
            headline=f"{asked.arm} breaks a guardrail",
            sentence=asked.reason,
            reasons=reasons,
        )
    if not report.health.trusted:
        return Verdict(
            outcome="untrusted",
            headline="Untrusted: read no effect",
            sentence="Something other than the model may be what the numbers show.",
            reasons=reasons,
        )
    if asked.action == "promote":
        return Verdict(
            outcome="better",
            arm=asked.arm,
            headline=f"{asked.arm} is better",
            sentence=asked.reason,
        )
    if asked.action == "stop" and asked.arm is not None:
        return Verdict(
            outcome="worse",
            arm=asked.arm,
            headline=f"{asked.arm} is worse",
            sentence=asked.reason,
        )
    if asked.action == "stop":
        return Verdict(
            outcome="no difference",
            headline="Over without a sure difference",
            sentence=asked.reason,
        )
    return Verdict(headline="Undecided", sentence=asked.reason)
