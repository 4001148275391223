"""The true lift, where a simulator knows it."""

from clickwright.schemas.strict_yaml import StrictModel


class KnownTruth(StrictModel):
    """How a measured effect stands to the true one."""

    metric: str
    arm: str
    lift: float
    """The true relative lift of the arm over control."""
    covered: bool | None
    """Whether the interval at fixed horizon covered it; None without an interval."""
    always_covered: bool | None
    """Whether the always-valid interval covered it."""
