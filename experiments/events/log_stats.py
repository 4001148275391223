"""What the logs of a folder hold, in numbers."""

import pathlib

import duckdb

from clickwright.experiments.events.database import database, reading
from clickwright.experiments.events.event_store import EventStore
from clickwright.experiments.events.log_counts import (
    ArmCount,
    LogCounts,
    OutcomeCount,
)


def log_stats(folder: pathlib.Path) -> LogCounts:
    """Counts the logs of a folder, each id once.

    Raises:
        DataError: there is no such folder, or a file cannot be read.
    """
    stores = EventStore(folder, "exposure"), EventStore(folder, "outcome")
    with database() as connection, reading(folder):
        (exposures, exposures_again), (outcomes, outcomes_again) = (
            store.relation_and_repeats(connection) for store in stores
        )
        exposures.create_view("exposure")
        outcomes.create_view("outcome")
        arms = _rows(
            connection,
            "SELECT experiment, variant, count(*) AS exposures, "
            'count(DISTINCT unit) AS units, min("at") AS first_at, '
            'max("at") AS last_at FROM exposure GROUP BY ALL ORDER BY ALL',
        )
        names = _rows(
            connection,
            "SELECT name, count(*) AS outcomes, sum(value) AS total, "
            'min("at") AS first_at, max("at") AS last_at '
            "FROM outcome GROUP BY ALL ORDER BY ALL",
        )
    return LogCounts(
        arms=tuple(ArmCount(**row) for row in arms),
        outcomes=tuple(OutcomeCount(**row) for row in names),
        repeated_exposures=exposures_again,
        repeated_outcomes=outcomes_again,
        lost=stores[0].lost(),
        size=sum(store.size() for store in stores),
    )


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict]:
    return connection.sql(query).to_arrow_table().to_pylist()
