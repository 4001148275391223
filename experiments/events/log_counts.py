"""What the logs of a folder hold, as a record."""

import datetime

from clickwright.schemas.strict_yaml import StrictModel


class ArmCount(StrictModel):
    """Exposures of an arm."""

    experiment: str
    variant: str
    exposures: int
    units: int
    first_at: datetime.datetime
    last_at: datetime.datetime


class OutcomeCount(StrictModel):
    """Outcomes of a name."""

    name: str
    outcomes: int
    total: float
    """Sum of the values."""
    first_at: datetime.datetime
    last_at: datetime.datetime


class LogCounts(StrictModel):
    """Both logs of a folder, each id once."""

    arms: tuple[ArmCount, ...]
    outcomes: tuple[OutcomeCount, ...]
    repeated_exposures: int
    repeated_outcomes: int
    lost: dict[str, int]
    """Exposures that could not be logged, by experiment."""
    size: int
    """Bytes of all files."""
