"""What one estimator says of a policy."""

from typing import Literal

from clickwright.schemas.strict_yaml import StrictModel


class OffPolicyEstimate(StrictModel):
    """The value of the new policy: the reward that a choice of it earns on average."""

    estimator: Literal["ips", "snips", "clipped", "dr", "dm"]
    value: float
    low: float
    high: float
    difference: float
    """From the mean reward of the logging policy."""
    difference_low: float
    """Both means from the same resamples: what they share cancels."""
    difference_high: float
