"""Where an effect stood after a day."""

import datetime

from clickwright.experiments.statistics.effect import Effect
from clickwright.schemas.strict_yaml import StrictModel


class CumulativePoint(StrictModel):
    """An effect on all that happened up to a day."""

    day: datetime.date
    """UTC; the last day whose exposures are in it."""
    effect: Effect
