"""Whether the arms hold as many units as their weights say.

They do not when exposures are lost, when an arm's answers keep units away, or when units
are assigned in another way than the definition says. Then the arms differ in more than
their model, and no effect can be read.
"""

import dataclasses
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from clickwright.experiments.health.check import Check
from clickwright.schemas.experiment import Experiment

ALARM = 0.001
"""p-value below which a sample ratio is wrong. Low, because it is looked at often."""
FEWEST_EXPECTED = 8
"""Units that an arm must be due, or the test says nothing."""

_RULE = f"fails at p < {ALARM:g} (chi-squared test against the weights)"


@dataclasses.dataclass(frozen=True)
class SampleRatio:
    """Units of each arm against those that its weight makes due.

    Attributes:
        units: units by arm.
        weights: weights by arm; they sum to 1.
    """

    units: Mapping[str, int]
    weights: Mapping[str, float]

    @property
    def tested(self) -> bool:
        """Whether there are units enough in every arm that is due any."""
        least = min(weight for weight in self.weights.values() if weight)
        return sum(self.units.values()) * least >= FEWEST_EXPECTED

    @property
    def p_value(self) -> float:
        """Probability of a ratio as far off, or more, if the weights hold."""
        from scipy import stats

        total = sum(self.units.values())
        due = {arm: total * weight for arm, weight in self.weights.items() if weight}
        if any(count for arm, count in self.units.items() if arm not in due):
            return 0.0  # an arm without weight
        if len(due) < 2:
            return 1.0
        observed = [self.units.get(arm, 0) for arm in due]
        return float(stats.chisquare(observed, list(due.values())).pvalue)

    def __str__(self) -> str:
        total = sum(self.units.values())
        arms = [*self.weights, *(arm for arm in self.units if arm not in self.weights)]
        return ", ".join(
            f"{arm} {self.units.get(arm, 0):,} ({self.units.get(arm, 0) / total:.2%}, "
            f"due {self.weights.get(arm, 0):.2%})"
            for arm in arms
        )


def sample_ratio_checks(units: pa.Table, experiment: Experiment) -> list[Check]:
    """Compares the arms' units with their weights: over all, by day, by slice.

    Args:
        units: one row a unit: `variant`, `first_at`, and one column a slice.
        experiment: says the weights.

    Returns:
        Two checks, and one a slice. Where many days or values are looked at, the
        p-value of the worst is multiplied by their number (Bonferroni).

    References:
        Fabijan et al., "Diagnosing sample ratio mismatch in online controlled
        experiments", KDD 2019.
    """
    weights = {name: arm.weight for name, arm in experiment.arms.items()}
    overall = SampleRatio(_counts(units), weights)
    days = units.select(["variant"]).append_column(
        "value",
        pc.floor_temporal(units["first_at"], unit="day").cast(pa.date32()),
    )
    checks = [
        _overall(overall),
        _worst("sample ratio by day", "day of the first exposure", days, weights),
    ]
    for name in experiment.slices:
        if name in units.column_names:
            values = units.select(["variant"]).append_column("value", units[name])
            checks.append(_worst(f"sample ratio by {name}", name, values, weights))
    return checks


def _overall(ratio: SampleRatio) -> Check:
    name = "sample ratio"
    if not ratio.tested:
        return Check(
            name=name, status="ok", rule=_RULE, text="Too few units to test the ratio."
        )
    p = ratio.p_value
    return Check(
        name=name,
        status="fail" if p < ALARM else "ok",
        value=p,
        rule=_RULE,
        text=f"Units: {ratio} (p = {p:.3g}).",
    )


def _worst(
    name: str, what: str, values: pa.Table, weights: Mapping[str, float]
) -> Check:
    grouped = values.group_by(["value", "variant"]).aggregate([([], "count_all")])
    by_value: dict[str, dict[str, int]] = {}
    for row in grouped.to_pylist():
        by_value.setdefault(str(row["value"]), {})[row["variant"]] = row["count_all"]
    ratios = {key: SampleRatio(found, weights) for key, found in by_value.items()}
    tested = {key: r.p_value for key, r in ratios.items() if r.tested}
    rule = f"{_RULE}, times the number of values"
    if not tested:
        return Check(
            name=name, status="ok", rule=rule, text=f"No {what} has units enough."
        )
    worst = min(tested, key=lambda key: tested[key])
    p = min(1.0, tested[worst] * len(tested))
    return Check(
        name=name,
        status="fail" if p < ALARM else "ok",
        value=p,
        rule=rule,
        text=f"Furthest off of {len(tested)}: {what} {worst}, {ratios[worst]} "
        f"(p = {p:.3g} after correction).",
    )


def _counts(units: pa.Table) -> dict[str, int]:
    return {
        pair["values"]: pair["counts"]
        for pair in pc.value_counts(units["variant"]).to_pylist()
    }
