"""An effect on units that have known their arm for some days."""

from clickwright.experiments.statistics.effect import Effect
from clickwright.schemas.strict_yaml import StrictModel


class DayEffect(StrictModel):
    """The effect on what units did so many days after their first exposure."""

    day: int
    """0 on the day of the first exposure."""
    effect: Effect
