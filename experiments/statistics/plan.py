"""How many units and days an experiment needs."""

from typing import Literal

from clickwright.experiments.statistics.baseline import Baseline
from clickwright.experiments.statistics.day_plan import DayPlan
from clickwright.schemas.strict_yaml import StrictModel


class Plan(StrictModel):
    """The units that detect the primary metric's `minimum_effect`."""

    metric: str
    rule: Literal["sequential", "fixed"]
    alpha: float
    """Shared by the arms that are compared with control."""
    power: float
    """Chance to detect an effect of `minimum_effect`; at least, if sequential: it may
    be detected before the last look."""
    baseline: Baseline
    minimum_effect: float
    units: int
    """Of all arms."""
    units_by_arm: dict[str, int]
    days: int | None = None
    """Until there are as many; None without units a day, or beyond ten years."""
    enough: bool | None = None
    """Whether that is within `stopping.maximum_days` and before `end`."""
    by_day: tuple[DayPlan, ...] = ()
    """For days 1, 2, 3, 7, then each seventh, until the experiment must end."""
