"""What came of the requests that an arm got as copies."""

from clickwright.schemas.strict_yaml import StrictModel


class ShadowRecord(StrictModel):
    """An arm that answers nobody: its scores beside those that were answered."""

    arm: str
    requests: int
    """Copies that were answered."""
    mean_difference: float | None
    """Mean over requests of the largest difference of a score; None without any."""
    largest_difference: float | None
