"""What an experiment can detect after some days."""

from clickwright.schemas.strict_yaml import StrictModel


class DayPlan(StrictModel):
    """What can be detected after so many days."""

    days: int
    units: int
    """Of all arms."""
    minimum_effect: float | None
    """The smallest relative effect that is detected with the wanted power; None while
    there are too few units to detect any."""
