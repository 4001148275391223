"""Whether an effect wears off, or grows, as units get used to their arm."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickwright.experiments.statistics.comparison import compare
from clickwright.experiments.statistics.day_effect import DayEffect
from clickwright.schemas.experiment import Experiment


def by_day(unit_days: pa.Table, experiment: Experiment) -> list[DayEffect]:
    """Compares the arms on the primary metric by day since a unit's first exposure.

    Each day stands for itself: its units are those that were exposed on it, so late
    days have fewer units, and those that come back more often.

    Args:
        unit_days: one row a unit and day, as `cumulative` has it.
        experiment: the definition.

    Returns:
        Effects by day, then by arm.

    Raises:
        DataError: a column that the metric needs is missing.
    """
    alone = only_primary(experiment)
    first = unit_days.group_by("unit").aggregate([("day", "min")])
    position = pc.index_in(unit_days["unit"], first["unit"].combine_chunks())
    first_day = first["day_min"].take(position).to_numpy()
    age = (unit_days["day"].to_numpy() - first_day).astype("timedelta64[D]").astype(int)
    return [
        DayEffect(day=int(day), effect=effect)
        for day in np.unique(age)
        for effect in compare(unit_days.filter(pa.array(age == day)), alone)
    ]


def only_primary(experiment: Experiment) -> Experiment:
    """The experiment as if it had its primary metric alone."""
    return experiment.model_copy(update={"metrics": (experiment.primary,)})
