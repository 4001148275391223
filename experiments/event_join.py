"""Outcomes joined to the exposures of an experiment."""

import contextlib
import datetime
import pathlib
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clickwright.experiments.events.database import database, reading
from clickwright.experiments.events.event_store import EventStore
from clickwright.experiments.join_report import JoinReport
from clickwright.experiments.unit_auc import group_aucs, score_keys
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.experiment import EXPOSURE_COUNTS, Experiment, GaucMetric

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_DAY = 86_400_000_000
_AT_A_TIME = 80_000_000
"""Scores that are sorted together, 8 bytes each."""


class EventJoin:
    """Joins once and answers what the analysis asks, in bounded memory.

    An outcome with a request belongs to that request's exposure. One without belongs to
    the last exposure of its unit before it. It counts when it came at most the
    attribution window after its exposure. Ids count once. Overrides and units that were
    seen in more than one arm are left out, and counted.

    Use it as a context manager: the database is gone afterwards.

    Args:
        experiment: the definition.
        exposures: the exposure log.
        outcomes: the outcome log.
        until: what is later is left out; everything counts if absent.

    Attributes:
        connection: the database.
        exposures: all exposures of the log, each once, whatever experiment they are of.

    Raises:
        ConfigError: GAUC is asked for of more than one outcome.
        DataError: a log cannot be read.
        MachineError: memory or disk do not suffice.
    """

    connection: duckdb.DuckDBPyConnection
    exposures: duckdb.DuckDBPyRelation

    def __init__(
        self,
        experiment: Experiment,
        exposures: EventStore,
        outcomes: EventStore,
        until: datetime.datetime | None = None,
    ) -> None:
        self.experiment = experiment
        self._exposure_store = exposures
        self._outcome_store = outcomes
        self._until = 2**62 if until is None else _micros(until)
        self._start = _micros(experiment.start)
        self._window = experiment.attribution.window // datetime.timedelta(
            microseconds=1
        )
        self._label = _gauc_label(experiment)
        self._resources = contextlib.ExitStack()
        self._has_days = False

    def __enter__(self) -> Self:
        with self._resources:
            self.connection = self._resources.enter_context(database())
            with self._reading():
                self._join()
            self._resources = self._resources.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    def units(self) -> pa.Table:
        """One row a unit, in the order of their ids.

        Returns:
            `unit`, `variant`, `first_at`, `exposures`, `errors`, `latency_ms` (sums),
            the sum of each outcome that a metric needs, `auc_weight` and `auc_weighted`
            where a metric is a GAUC, `<value>_before` with CUPED, and a column a slice:
            the unit's first value, null without any.

            The AUC of a unit is over all its scored items; its weight is their number,
            and 0 where none or all of them are positive. What was before is over the
            `days` before the unit's first exposure, in outcomes by unit and in what
            belongs to other experiments of the same log; or it is null where a file of
            covariates lacks the unit.
        """
        values = "".join(
            f', coalesce(o."{name}", 0) AS "{name}"'
            for name in self.experiment.outcomes
        )
        before = "".join(f', b."{name}"' for name in self._before)
        slices = "".join(f', u."slice {name}" AS "{name}"' for name in self._slices)
        with self._reading():
            found = self._table(
                "SELECT u.number, u.unit, u.variant, u.first_at, u.exposures, u.errors, "
                f"u.latency_ms{values}{before}{slices} FROM unit u "
                "LEFT JOIN (SELECT unit, "
                f"{self._sums()} FROM counted GROUP BY unit) o USING (unit) "
                f"{self._join_before()} WHERE NOT u.crossed ORDER BY u.number"
            )
            number = found["number"].to_numpy()
            found = found.drop_columns(["number"])
            return self._with_auc(
                found,
                number,
                "SELECT unit, number AS key FROM unit "
                "WHERE NOT crossed AND unit IN (SELECT unit FROM positive)",
                "e.unit = g.unit",
            )

    def unit_days(self) -> pa.Table:
        """One row a unit and day of its exposures, by unit and day.

        Returns:
            `unit` (its place in `units`, counted over crossovers as well), `variant`,
            `day` (date32, UTC), and the sums of `units` over that day: an outcome is on
            the day of its exposure. What was before is the same on all days of a unit.
        """
        before = "".join(f', b."{name}"' for name in self._before)
        columns = ", ".join(f'd."{name}"' for name in self._day_columns())
        with self._reading():
            self._make_days()
            days = self._rows("SELECT min(day), max(day) FROM unit_day")[0]
            first, last = (0, 0) if days[0] is None else days
            found = self._table(
                f"SELECT d.number AS unit, u.variant, d.day, {columns}{before} "
                f"FROM unit_day d JOIN unit u USING (number) {self._join_before()} "
                "ORDER BY d.number, d.day"
            )
            width = last - first + 1
            found = self._with_auc(
                found,
                found["unit"].to_numpy() * width + found["day"].to_numpy() - first,
                "SELECT DISTINCT unit, p.day, "
                f"u.number * {width} + p.day - {first} AS key "
                "FROM positive p JOIN unit u USING (unit) WHERE NOT u.crossed",
                "e.unit = g.unit AND e.day = g.day",
            )
        at = found.schema.get_field_index("day")
        return found.set_column(
            at, "day", found["day"].cast(pa.int32()).cast(pa.date32())
        )

    def daily_counts(self) -> pa.Table:
        """One row a day and arm, in this order.

        Returns:
            `day` (date32, UTC), `variant`, `units` (active that day), `new_units` (first
            seen that day), and the sums of the day.
        """
        sums = ", ".join(
            f'sum(d."{name}")'
            + ("::BIGINT" if name in ("exposures", "errors") else "")
            + f' AS "{name}"'
            for name in self._day_columns()
        )
        with self._reading():
            self._make_days()
            return self._table(
                "SELECT DATE '1970-01-01' + d.day::INTEGER AS day, u.variant, "
                "count(*) AS units, "
                f"count(*) FILTER (d.day = epoch_us(u.first_at) // {_DAY}) AS new_units, "
                f"{sums} FROM unit_day d JOIN unit u USING (number) "
                "GROUP BY ALL ORDER BY ALL"
            )

    def report(self) -> JoinReport:
        """Counts what was joined and what was left out."""
        with self._reading():
            (own,) = self._table(
                'SELECT min("at") FILTER (NOT override) AS first_at, '
                'max("at") FILTER (NOT override) AS last_at, '
                "count(*) FILTER (NOT override) AS exposures, "
                "count(*) FILTER (override) AS overrides FROM every_exposure "
                f"WHERE experiment = '{self.experiment.id}' "
                f'AND epoch_us("at") <= {self._until}'
            ).to_pylist()
            states = dict(self._rows("SELECT state, count(*) FROM outcome GROUP BY 1"))
            ((units, crossovers),) = self._rows(
                "SELECT count(*) FILTER (NOT crossed), count(*) FILTER (crossed) "
                "FROM unit"
            )
        lost = self._exposure_store.lost().get(self.experiment.id, 0)
        return JoinReport(
            **own,
            units=units,
            crossovers=crossovers,
            lost_exposures=lost,
            repeated_exposures=self._repeated_exposures,
            repeated_outcomes=self._repeated_outcomes,
            outcomes=sum(states.values()),
            counted=states.get("counted", 0),
            late=states.get("late", 0),
            before_exposure=states.get("before", 0),
            orphans=states.get("orphan", 0),
            others=states.get("other", 0),
            earlier=states.get("earlier", 0),
        )

    def _join(self) -> None:
        self.exposures, self._repeated_exposures = (
            self._exposure_store.relation_and_repeats(self.connection)
        )
        outcomes, self._repeated_outcomes = self._outcome_store.relation_and_repeats(
            self.connection
        )
        self.exposures.create_view("every_exposure")
        outcomes.create_view("every_outcome")
        self.connection.execute(
            "CREATE TEMP VIEW own AS SELECT request_id, unit, variant, "
            f'epoch_us("at") AS micros, epoch_us("at") // {_DAY} AS day, latency_ms, '
            "failed_variant, candidates, scores, attributes FROM every_exposure "
            f"WHERE experiment = '{self.experiment.id}' AND NOT override "
            f'AND epoch_us("at") <= {self._until}'
        )
        self._make_units()
        self._make_outcomes()
        self._make_before()

    def _make_units(self) -> None:
        slices = "".join(
            f", arg_min(attributes['{name}'], micros) AS \"slice {name}\""
            for name in self.experiment.slices
        )
        self._slices = self.experiment.slices
        self.connection.execute(
            "CREATE TEMP TABLE unit AS SELECT *, "
            "row_number() OVER (ORDER BY unit) - 1 AS number FROM ("
            "SELECT unit, min(variant) AS variant, "
            "min(variant) <> max(variant) AS crossed, "
            "make_timestamptz(min(micros)) AS first_at, "
            "count(*) AS exposures, count(failed_variant) AS errors, "
            f"sum(latency_ms::DOUBLE) AS latency_ms{slices} FROM own GROUP BY unit)"
        )

    def _make_outcomes(self) -> None:
        names = ", ".join(f"'{name}'" for name in self.experiment.outcomes)
        wanted = (
            'SELECT request_id, unit, name, value, position, epoch_us("at") AS micros '
            f"FROM every_outcome WHERE name IN ({names or 'NULL'}) "
            f'AND epoch_us("at") <= {self._until}'
        )
        state = (
            f"CASE WHEN o.micros < e.micros THEN 'before' "
            f"WHEN o.micros > e.micros + {self._window} THEN 'late' ELSE 'counted' END"
        )
        nobody = f"CASE WHEN o.micros < {self._start} THEN 'earlier' ELSE "
        self.connection.execute(
            f"CREATE TEMP TABLE outcome AS WITH wanted AS ({wanted}) "
            "SELECT o.request_id, coalesce(e.unit, o.unit) AS unit, o.name, o.value, "
            "o.position, o.micros, "
            f"e.micros // {_DAY} AS day, CASE "
            f"WHEN e.request_id IS NULL THEN {nobody} 'orphan' END "
            f"WHEN NOT e.own THEN 'other' ELSE {state} END AS state "
            "FROM wanted o LEFT JOIN (SELECT request_id, unit, "
            'epoch_us("at") AS micros, '
            f"experiment = '{self.experiment.id}' AND NOT override AS own "
            f'FROM every_exposure WHERE epoch_us("at") <= {self._until}) e '
            "ON o.request_id = e.request_id WHERE o.request_id IS NOT NULL "
            "UNION ALL "
            "SELECT NULL, o.unit, o.name, o.value, NULL, o.micros, "
            f"e.micros // {_DAY}, CASE "
            f"WHEN e.micros IS NOT NULL THEN {state} "
            f"WHEN u.unit IS NOT NULL THEN {nobody} 'before' END "
            f"ELSE {nobody} 'orphan' END END "
            "FROM (SELECT * FROM wanted WHERE request_id IS NULL) o "
            "ASOF LEFT JOIN (SELECT unit, micros FROM own WHERE unit IN "
            "(SELECT unit FROM wanted WHERE request_id IS NULL)) e "
            "ON o.unit = e.unit AND o.micros >= e.micros "
            "LEFT JOIN unit u ON o.unit = u.unit"
        )
        self.connection.execute(
            "CREATE TEMP VIEW counted AS SELECT * FROM outcome WHERE state = 'counted'"
        )

    def _make_before(self) -> None:
        """What is known of the units from before, by `number`."""
        self._before: list[str] = []
        cuped = self.experiment.cuped
        if cuped is None:
            return
        if cuped.covariates is not None:
            self._read_covariates(cuped.covariates)
            return
        since = f"epoch_us(u.first_at) - {cuped.days} * {_DAY}"
        within = f"e.micros >= {since} AND e.micros < epoch_us(u.first_at)"
        # Counts of exposures are known where another experiment was logged.
        self.connection.execute(
            "CREATE TEMP TABLE exposed_before AS SELECT u.number, "
            "count(*)::DOUBLE AS exposures, count(e.failed_variant)::DOUBLE AS errors, "
            "sum(e.latency_ms::DOUBLE) AS latency_ms FROM (SELECT unit, failed_variant, "
            'latency_ms, epoch_us("at") AS micros FROM every_exposure '
            f"WHERE experiment <> '{self.experiment.id}') e "
            f"JOIN unit u USING (unit) WHERE {within} GROUP BY 1"
        )
        counts = []
        if self._rows("SELECT 1 FROM exposed_before LIMIT 1"):
            counts = list(EXPOSURE_COUNTS)
        columns = [f'coalesce(x."{name}", 0) AS "{name}_before"' for name in counts]
        columns += [
            f'coalesce(o."{name}", 0) AS "{name}_before"'
            for name in self.experiment.outcomes
        ]
        if not columns:
            return
        self.connection.execute(
            "CREATE TEMP TABLE before AS SELECT "
            f"{', '.join(['number', *columns])} FROM unit "
            "LEFT JOIN exposed_before x USING (number) LEFT JOIN ("
            f"SELECT u.number, {self._sums()} FROM outcome e JOIN unit u USING (unit) "
            f"WHERE {within} AND (state IN ('earlier', 'other') "
            "OR state = 'before' AND request_id IS NULL) GROUP BY 1) o USING (number)"
        )
        self._before = [
            f"{name}_before" for name in (*counts, *self.experiment.outcomes)
        ]

    def _read_covariates(self, path: pathlib.Path) -> None:
        if not path.is_file():
            raise DataError(
                "There is no such file of covariates.",
                where=str(path),
                fix="give a Parquet file: `unit`, and one column for each value",
            )
        quoted = "'" + str(path).replace("'", "''") + "'"
        columns = self._rows(f"DESCRIBE SELECT * FROM read_parquet({quoted})")
        needed = {c for metric in self.experiment.metrics for c in metric.columns}
        names = [str(column[0]) for column in columns]
        used = [name for name in names if name in needed]
        if "unit" not in names or not used:
            raise DataError(
                f"The file has the columns {', '.join(names)}; needed are `unit` and "
                f"some of {', '.join(sorted(needed))}.",
                where=str(path),
                fix="name the columns as the metrics do",
            )
        if self._rows(
            f"SELECT unit FROM read_parquet({quoted}) GROUP BY 1 HAVING count(*) > 1 "
            "LIMIT 1"
        ):
            raise DataError(
                "A unit stands in more than one row.",
                where=str(path),
                fix="write one row a unit",
            )
        values = ", ".join(f'c."{name}"::DOUBLE AS "{name}_before"' for name in used)
        self.connection.execute(
            f"CREATE TEMP TABLE before AS SELECT u.number, {values} FROM unit u "
            f"LEFT JOIN read_parquet({quoted}) c ON u.unit = c.unit::VARCHAR"
        )
        self._before = [f"{name}_before" for name in used]

    def _make_days(self) -> None:
        if self._has_days:
            return
        values = "".join(
            f', coalesce(o."{name}", 0) AS "{name}"'
            for name in self.experiment.outcomes
        )
        self.connection.execute(
            "CREATE TEMP TABLE unit_day AS SELECT e.number, e.day, e.exposures, "
            f"e.errors, e.latency_ms{values} FROM ("
            "SELECT u.number, own.day, count(*) AS exposures, "
            "count(failed_variant) AS errors, "
            "sum(own.latency_ms::DOUBLE) AS latency_ms "
            "FROM own JOIN unit u USING (unit) WHERE NOT u.crossed GROUP BY 1, 2) e "
            f"LEFT JOIN (SELECT u.number, c.day, {self._sums()} FROM counted c "
            "JOIN unit u USING (unit) GROUP BY 1, 2) o USING (number, day)"
        )
        self._has_days = True

    def _with_auc(
        self, rows: pa.Table, key: NDArray[np.int64], groups: str, match: str
    ) -> pa.Table:
        """Adds the AUC of each row's items.

        Args:
            rows: what it is added to.
            key: [rows] ascending.
            groups: query of the groups that have positive items: their `key` and the
                columns that `match` compares.
            match: which exposures `e` belong to a group `g`.
        """
        if self._label is None:
            return rows
        weight, auc = np.zeros(len(key)), np.zeros(len(key))
        for group, value, items in self._aucs(groups, match):
            at = np.searchsorted(key, group)
            weight[at], auc[at] = items, value
        rows = rows.append_column("auc_weight", pa.array(weight))
        return rows.append_column("auc_weighted", pa.array(auc * weight))

    def _aucs(self, groups: str, match: str) -> Iterator[tuple[Any, Any, Any]]:
        """Key, AUC and items of groups, some groups at a time."""
        self.connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS positive AS SELECT request_id, "
            "any_value(unit) AS unit, any_value(day) AS day, "
            f"list(DISTINCT position) AS positions FROM counted "
            f"WHERE name = '{self._label}' AND value > 0 AND position IS NOT NULL "
            "AND request_id IS NOT NULL GROUP BY request_id"
        )
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE scored AS {groups}")
        scored = f"FROM own e JOIN scored g ON {match}"
        ((items, last),) = self._rows(
            "SELECT coalesce(sum(e.candidates), 0)::BIGINT, coalesce(max(g.key), 0) "
            f"{scored}"
        )
        passes = max(-(-items // _AT_A_TIME), last // 2**31 + 1)
        for number in range(passes):
            reader = self.connection.sql(
                f"SELECT g.key // {passes} AS key, e.scores, p.positions {scored} "
                "LEFT JOIN positive p USING (request_id) "
                f"WHERE e.scores IS NOT NULL AND g.key % {passes} = {number}"
            ).to_arrow_reader(2**17)
            parts = [
                score_keys(batch["key"].to_numpy(), batch["scores"], batch["positions"])
                for batch in reader
            ]
            group, auc, weight = group_aucs(_drained(parts))
            yield group * passes + number, auc, weight

    def _day_columns(self) -> list[str]:
        return [*EXPOSURE_COUNTS, *self.experiment.outcomes]

    def _sums(self) -> str:
        return (
            ", ".join(
                f"sum(value) FILTER (name = '{name}') AS \"{name}\""
                for name in self.experiment.outcomes
            )
            or "0 AS nothing"
        )

    def _join_before(self) -> str:
        return "LEFT JOIN before b USING (number)" if self._before else ""

    def _table(self, query: str) -> pa.Table:
        found = self.connection.sql(query).to_arrow_table()
        for name in ("first_at", "last_at"):  # DuckDB gives the machine's time zone
            at = found.schema.get_field_index(name)
            if at >= 0:
                found = found.set_column(
                    at, name, found[name].cast(pa.timestamp("us", "UTC"))
                )
        return found

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def _reading(self) -> contextlib.AbstractContextManager[None]:
        return reading(self._exposure_store.folder.parent)


def _drained(parts: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """All parts as one array, each let go as soon as it is copied."""
    joined = np.empty(sum(map(len, parts)), np.uint64)
    start = 0
    while parts:
        part = parts.pop()
        joined[start : start + len(part)] = part
        start += len(part)
    return joined


def _micros(at: datetime.datetime) -> int:
    return (at - _EPOCH) // datetime.timedelta(microseconds=1)


def _gauc_label(experiment: Experiment) -> str | None:
    labels = sorted({m.label for m in experiment.metrics if isinstance(m, GaucMetric)})
    if len(labels) > 1:
        raise ConfigError(
            f"GAUC is asked for of {', '.join(labels)}; one outcome can be its label.",
            where=f"experiment {experiment.id}, `metrics`",
            fix="keep one metric of the kind `gauc`",
        )
    return labels[0] if labels else None
