"""How much of a new policy a log shows."""

from typing import Self

import numpy as np

from clickwright.experiments.off_policy.bandit_log import BanditLog
from clickwright.experiments.off_policy.overlap_rules import OverlapRules
from clickwright.experiments.off_policy.unit_sums import unit_sums
from clickwright.schemas.strict_yaml import StrictModel


class Overlap(StrictModel):
    """Measures of the weights, of which every estimate lives.

    References:
        L. Kish, *Survey Sampling*, 1965 (effective sample size); A. Owen, *Monte Carlo
        theory, methods and examples*, 2013, chapter 9.3.
    """

    rows: int
    units: int
    effective_units: float
    """(sum w)^2 / sum w^2 over units: as many equally weighted ones say as much."""
    effective_rewards: float
    """The same over w * |reward|."""
    mean_weight: float
    """1 where the propensities are right and cover the new policy."""
    mean_weight_error: float
    """Its standard error."""
    largest_weight: float
    unsupported: float
    """Mean probability of the new policy's choices that are nowhere in the log."""

    @classmethod
    def of(cls, log: BanditLog) -> Self:
        """Measures a log."""
        weight = log.weight
        of_units = unit_sums(
            np.stack([weight, np.ones_like(weight), weight * abs(log.reward)], axis=1),
            log.unit,
        )
        weights, rows, rewards = of_units.T
        mean = float(weights.sum() / rows.sum())
        count = len(rows)
        spread = weights - mean * rows
        error = np.sqrt(count / max(count - 1, 1) * (spread**2).sum()) / rows.sum()
        return cls(
            rows=len(weight),
            units=count,
            effective_units=effective_size(weights),
            effective_rewards=effective_size(rewards),
            mean_weight=mean,
            mean_weight_error=float(error),
            largest_weight=float(weight.max()),
            unsupported=log.unsupported,
        )

    def refusals(self, rules: OverlapRules) -> tuple[str, ...]:
        """Says which rules are broken, one sentence each; none: it may be estimated."""
        found = []
        if self.effective_units < rules.effective_units:
            found.append(
                f"the weighted log is worth {self.effective_units:,.1f} units of "
                f"{self.units:,}; {rules.effective_units:,.0f} are needed"
            )
        share = self.effective_units / self.units
        if share < rules.effective_share:
            found.append(
                f"the weighted log is worth {share:.2%} of its units; "
                f"{rules.effective_share:.2%} are needed"
            )
        if self.effective_rewards < rules.effective_rewards:
            found.append(
                f"the weighted rewards are worth {self.effective_rewards:,.1f}; "
                f"{rules.effective_rewards:,.0f} are needed"
            )
        # Rounding alone keeps the mean of a policy's weights by itself from 1.
        away = abs(self.mean_weight - 1.0)
        if away > rules.mean_weight_errors * self.mean_weight_error + 1e-6:
            found.append(
                f"the mean weight is {self.mean_weight:.4f} +- "
                f"{self.mean_weight_error:.4f} and must be 1: the propensities are "
                "wrong, or the new policy makes choices that the log's never makes"
            )
        if self.unsupported > rules.unsupported:
            found.append(
                f"{self.unsupported:.2%} of the new policy's choices are nowhere in the "
                f"log; {rules.unsupported:.2%} are allowed"
            )
        return tuple(found)


def effective_size(weights: np.ndarray) -> float:
    """(sum w)^2 / sum w^2, and 0 where all weights are 0."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0
