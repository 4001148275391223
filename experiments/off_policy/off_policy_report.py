"""What a log says of a new policy, or why it says nothing."""

from clickwright.experiments.off_policy.off_policy_estimate import OffPolicyEstimate
from clickwright.experiments.off_policy.off_policy_options import OffPolicyOptions
from clickwright.experiments.off_policy.overlap import Overlap
from clickwright.schemas.strict_yaml import StrictModel


class OffPolicyReport(StrictModel):
    """The overlap of both policies, and the estimates that it allows."""

    overlap: Overlap
    refusals: tuple[str, ...]
    """Why nothing is estimated, one sentence each."""
    logged: float
    """Mean reward of the logging policy."""
    logged_low: float
    logged_high: float
    estimates: tuple[OffPolicyEstimate, ...]
    """None where there are refusals."""
    clip: float
    clipped_share: float
    """Part of the rows with a larger weight."""
    options: OffPolicyOptions

    def estimate(self, estimator: str) -> OffPolicyEstimate | None:
        """What one estimator says; None where it says nothing."""
        return next((e for e in self.estimates if e.estimator == estimator), None)
