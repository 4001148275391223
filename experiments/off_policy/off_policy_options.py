"""How a policy is judged by another one's log."""

from typing import Annotated

from pydantic import Field

from clickwright.experiments.off_policy.overlap_rules import OverlapRules
from clickwright.schemas.strict_yaml import StrictModel


class OffPolicyOptions(StrictModel):
    """Intervals, clipping, and when nothing is said at all."""

    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    """Of the two-sided intervals."""
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 2_000
    seed: Annotated[int, Field(ge=0)] = 0
    clip: Annotated[float, Field(gt=0.0)] | None = None
    """Largest weight of the clipped estimate. Absent: the root of the number of rows,
    at which its bias vanishes with more data."""
    overlap: OverlapRules = OverlapRules()
