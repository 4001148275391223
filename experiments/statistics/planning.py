"""From an effect to the units that detect it, and back."""

import dataclasses
import datetime
import math
from collections.abc import Iterator
from typing import Self

from scipy import optimize, stats

from clickwright.experiments.statistics.baseline import Baseline
from clickwright.experiments.statistics.comparison import treatments
from clickwright.experiments.statistics.confidence_sequence import two_sided_critical
from clickwright.experiments.statistics.day_plan import DayPlan
from clickwright.experiments.statistics.plan import Plan
from clickwright.schemas.errors import DataError
from clickwright.schemas.experiment import BUCKETS, Experiment

POWER = 0.8
"""Chance that is wanted to detect an effect as large as the smallest that matters."""

_FEWEST = 8  # units of two arms: below, t-tests have hardly any freedom
_MOST = 100.0  # log of the units
_LARGEST = 10.0  # effect
_LONGEST = 3650  # days


def plan(
    experiment: Experiment,
    baseline: Baseline,
    *,
    units_per_day: float | None = None,
    power: float = POWER,
) -> Plan:
    """Says how many units detect the primary metric's `minimum_effect`, and when.

    Args:
        experiment: the definition.
        baseline: what one unit does without it.
        units_per_day: units that come for the first time, each day, and ask for the
            model; layer and ramp take their share of them.
        power: chance that is wanted.

    Raises:
        DataError: no number of units detects it, or an argument is out of range.
    """
    if units_per_day is not None and not 0 < units_per_day < math.inf:
        raise DataError(
            f"The units a day must be above 0. Received: {units_per_day}.",
            fix="count the distinct units of a usual day",
        )
    metric = experiment.primary
    effect = metric.minimum_effect or 0.0  # a primary metric always has one
    units = units_needed(experiment, baseline, effect, power=power)
    ending = min(
        experiment.stopping.maximum_days,
        (experiment.end - experiment.start) / datetime.timedelta(days=1),
    )
    days, by_day = None, []
    entering = _entering(experiment, units_per_day) if units_per_day else iter(())
    for day, entered in entering:
        if days is None and entered >= units:
            days = day
        if day <= ending and (day <= 3 or day % 7 == 0):
            found = detectable_effect(experiment, baseline, entered, power=power)
            by_day.append(DayPlan(days=day, units=int(entered), minimum_effect=found))
        if days is not None and day >= ending:
            break
    return Plan(
        metric=metric.name,
        rule=experiment.stopping.rule,
        alpha=experiment.stopping.alpha,
        power=power,
        baseline=baseline,
        minimum_effect=effect,
        units=units,
        units_by_arm={
            name: math.ceil(arm.weight * units) for name, arm in experiment.arms.items()
        },
        days=days,
        enough=days is not None and days <= ending if units_per_day else None,
        by_day=tuple(by_day),
    )


def units_needed(
    experiment: Experiment, baseline: Baseline, effect: float, *, power: float = POWER
) -> int:
    """Units of all arms that detect a relative effect.

    Args:
        experiment: its arms and stopping rule.
        baseline: what one unit does without it.
        effect: relative, above 0.
        power: chance that is wanted.

    Raises:
        DataError: an argument is out of range.
    """
    _check(power)
    if not 0 < effect < math.inf:
        raise DataError(
            f"An effect to detect must be above 0. Received: {effect}.",
            fix="give the smallest relative effect that matters, such as 0.02",
        )
    pair = _Pair.of(experiment)

    def spare(log_units: float) -> float:
        return pair.spare(math.exp(log_units), baseline, effect, power)

    least = math.log(_FEWEST)
    if spare(least) >= 0:
        return math.ceil(_FEWEST / pair.share)
    return math.ceil(math.exp(optimize.brentq(spare, least, _MOST)) / pair.share)


def detectable_effect(
    experiment: Experiment, baseline: Baseline, units: float, *, power: float = POWER
) -> float | None:
    """The smallest relative effect that so many units of all arms detect.

    Args:
        experiment: its arms and stopping rule.
        baseline: what one unit does without it.
        units: of all arms.
        power: chance that is wanted.

    Returns:
        The effect; None where they are too few for one of ten times the mean.

    Raises:
        DataError: the power is out of range.
    """
    _check(power)
    pair = _Pair.of(experiment)

    def spare(effect: float) -> float:
        return pair.spare(units * pair.share, baseline, effect, power)

    if units * pair.share < _FEWEST or spare(_LARGEST) < 0:
        return None
    return float(optimize.brentq(spare, 0.0, _LARGEST, xtol=1e-12))


@dataclasses.dataclass(frozen=True)
class _Pair:
    """Control and the arm with least units, which decides."""

    control: float
    arm: float
    alpha: float
    sequential: bool

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        arms = treatments(experiment)
        return cls(
            experiment.arms[experiment.control].weight,
            min(experiment.arms[arm].weight for arm in arms),
            experiment.stopping.alpha / len(arms),
            experiment.stopping.rule == "sequential",
        )

    @property
    def share(self) -> float:
        return self.control + self.arm

    def spare(
        self, units: float, baseline: Baseline, effect: float, power: float
    ) -> float:
        """By how much an effect exceeds what is detected at the last look.

        Detected is, with the wanted chance, what lies so many standard errors off 0 as
        the boundary and the quantile of the power together.
        """
        boundary = (
            two_sided_critical(units, self.alpha)
            if self.sequential
            else stats.norm.isf(self.alpha / 2)
        )
        variance = baseline.variance * self.share / self.control
        variance += baseline.variance_of_arm(effect) * self.share / self.arm
        reach = (boundary + stats.norm.ppf(power)) * math.sqrt(variance / units)
        return float(effect * baseline.mean - reach)


def _entering(experiment: Experiment, per_day: float) -> Iterator[tuple[int, float]]:
    """Units that take part after each day, as layer and ramp let them in."""
    first, behind = experiment.layer.buckets
    per_day *= (behind - first) / BUCKETS
    entered = 0.0
    for day in range(_LONGEST):
        at = experiment.start + datetime.timedelta(days=day)
        entered += per_day * experiment.share_at(at)
        yield day + 1, entered


def _check(power: float) -> None:
    if not 0 < power < 1:
        raise DataError(
            f"The power must lie between 0 and 1. Received: {power}.",
            fix="give the chance to detect the effect, such as 0.8",
        )
