"""What a run's evaluation promised, as facts of an arm's lineage."""

import math
from collections.abc import Mapping

from clickwright.experiments.off_policy.off_policy_report import OffPolicyReport

METRICS = ("auc", "gauc", "ne")
OFF_POLICY = ("off_policy_lift", "off_policy_lift_low", "off_policy_lift_high")
_ESTIMATOR = "snips"


def off_policy_facts(report: OffPolicyReport | None) -> dict[str, str]:
    """The lift over the logging policy that an off-policy estimate promises.

    Args:
        report: of the arm's model; None where there is none.

    Returns:
        Facts by name; none where nothing was estimated, or the log earned nothing that
        a lift could be relative to.
    """
    if report is None or report.logged <= 0:
        return {}
    found = report.estimate(_ESTIMATOR)
    if found is None:
        return {}
    differences = (found.difference, found.difference_low, found.difference_high)
    return {
        name: f"{value / report.logged:.6g}"
        for name, value in zip(OFF_POLICY, differences, strict=True)
    }


def number(facts: Mapping[str, str], name: str) -> float | None:
    """A fact that is a number; None where there is none."""
    try:
        value = float(facts[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None
