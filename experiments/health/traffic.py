"""What the exposures of an experiment were answered by, and when."""

import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from clickwright.schemas.experiment import Experiment

if TYPE_CHECKING:
    import duckdb


def traffic(
    connection: "duckdb.DuckDBPyConnection",
    exposures: "duckdb.DuckDBPyRelation",
    experiment: Experiment,
    until: datetime.datetime,
) -> pa.Table:
    """Counts exposures by arm and version; overrides are left out.

    Args:
        connection: the relation's.
        exposures: rows of `EXPOSURE`, each once.
        experiment: the definition.
        until: later exposures are left out.

    Returns:
        `variant`, `version`, `exposures`, `failures` (control answered in the arm's
        place), `before_start`, `after_end`, `after_now` (in the future; not in the
        rest), `shadowed` (copied to the shadow), `compared` (with it), `shadow_sum` and
        `shadow_largest` (of the differences of its scores), `first_bucket`, `last_bucket`; by variant, its
        most frequent version first.
    """
    return connection.sql(
        """
        SELECT variant, version,
            count(*) FILTER ("at" <= $until) AS exposures,
            count(failed_variant) FILTER ("at" <= $until) AS failures,
            count(*) FILTER ("at" < $start) AS before_start,
            count(*) FILTER ("at" >= $end AND "at" <= $until) AS after_end,
            count(*) FILTER ("at" > $now) AS after_now,
            count(shadow_version) FILTER ("at" <= $until) AS shadowed,
            count(shadow_difference) FILTER ("at" <= $until) AS compared,
            sum(shadow_difference::DOUBLE) FILTER ("at" <= $until) AS shadow_sum,
            max(shadow_difference) FILTER ("at" <= $until) AS shadow_largest,
            min(bucket) FILTER ("at" <= $until) AS first_bucket,
            max(bucket) FILTER ("at" <= $until) AS last_bucket
        FROM exposures
        WHERE experiment = $experiment AND NOT override
        GROUP BY variant, version ORDER BY variant, exposures DESC, version
        """,
        params={
            "until": until,
            "now": max(until, datetime.datetime.now(datetime.UTC)),
            "start": experiment.start,
            "end": experiment.end,
            "experiment": experiment.id,
        },
    ).to_arrow_table()
