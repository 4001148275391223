"""What each unit of an experiment did, from the logs."""

import datetime

import pyarrow as pa

from clickwright.experiments.event_join import EventJoin
from clickwright.experiments.events.event_store import EventStore
from clickwright.schemas.experiment import Experiment


def unit_table(
    exposures: EventStore,
    outcomes: EventStore,
    experiment: Experiment,
    until: datetime.datetime | None = None,
) -> pa.Table:
    """Joins the logs of an experiment; one row a unit, as `EventJoin.units` has it.

    Who needs more of the same logs keeps an `EventJoin`: it reads them once.

    Raises:
        DataError: a log cannot be read.
        MachineError: memory or disk do not suffice.
    """
    with EventJoin(experiment, exposures, outcomes, until) as join:
        return join.units()
