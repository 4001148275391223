"""When two policies are too far apart to judge one by the other's log."""

from typing import Annotated

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[float, Field(ge=0.0)]


class OverlapRules(StrictModel):
    """What a log must offer; where it does not, nothing is estimated."""

    effective_units: Count = 100.0
    """Least number of equally weighted units that the weighted log is worth."""
    effective_share: Share = 0.01
    """The same as a part of all units."""
    effective_rewards: Count = 10.0
    """Least number of equally weighted rewards: a handful of clicks with large weights
    decides nothing, and its resamples do not show how little it is."""
    mean_weight_errors: Annotated[float, Field(gt=0.0)] = 4.0
    """The weights must have the mean 1. How many standard errors it may lie away: more
    means wrong propensities, or choices that the logging policy never makes."""
    unsupported: Share = 0.01
    """Most probability that the new policy may give to choices nowhere in the log."""
