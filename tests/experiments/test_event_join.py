"""What is joined to which exposure, and what is left out and counted."""

import datetime
import pathlib
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from event_rows import START, exposure, exposures, hours, outcome, outcomes

from clickwright.experiments import event_join
from clickwright.experiments.event_join import EventJoin
from clickwright.experiments.events import files, frames
from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.events.event_store import EventStore
from clickwright.experiments.events.lost_counts import LostCounts
from clickwright.experiments.unit_table import unit_table
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.events import Exposure, Outcome
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import parse

CTR = {
    "name": "ctr",
    "kind": "ratio",
    "numerator": "click",
    "denominator": "exposures",
    "role": "primary",
    "minimum_effect": 0.02,
}
REVENUE = {"name": "revenue", "kind": "mean", "value": "revenue"}
GAUC = {"name": "gauc", "kind": "gauc", "label": "click"}


def definition(*metrics: dict[str, Any], **values: Any) -> Experiment:
    arm = {"weight": 0.5, "target": {"model": "ctr"}}
    given = {
        "id": "test",
        "hypothesis": "Better.",
        "model": "ctr",
        "arms": {"control": arm, "treatment": arm},
        "start": START.isoformat(),
        "end": hours(24 * 14).isoformat(),
        "metrics": [CTR, REVENUE, *metrics],
        "attribution": {"window": "24h"},
    }
    return parse(Experiment, given | values, "test.yaml")


def logged(
    folder: pathlib.Path, shown: list[Exposure], followed: list[Outcome]
) -> tuple[EventStore, EventStore]:
    """The first half of each log in Parquet, the other in a segment."""
    logs: tuple[tuple[frames.Kind, list[Any], Any], ...] = (
        ("exposure", shown, exposures),
        ("outcome", followed, outcomes),
    )
    for kind, records, table in logs:
        half = len(records) // 2
        with EventLog(folder, kind) as log:
            log.append_table(table(*records[:half]))
        data = b"".join(map(frames.encode, records[half:]))
        files.segment_path(log.folder, 99).write_bytes(data)
    return EventStore(folder), EventStore(folder, "outcome")


def rows(table: pa.Table, *columns: str) -> dict[Any, Any]:
    """The columns asked for, by unit."""
    return {
        row["unit"]: row[columns[0]] if len(columns) == 1 else [row[c] for c in columns]
        for row in table.to_pylist()
    }


def test_a_unit_has_one_row_with_its_sums(tmp_path: pathlib.Path) -> None:
    shown = [
        exposure(1, unit="a", at=hours(5), latency_ms=1.5, attributes={"device": "tv"}),
        exposure(2, unit="a", at=hours(2), latency_ms=2.0, attributes={"device": "pc"}),
        exposure(3, unit="a", at=hours(1), latency_ms=4.0),
        exposure(4, unit="b", variant="treatment", failed_variant="treatment"),
    ]
    followed = [
        outcome(1, request_id="r1", at=hours(6)),
        outcome(2, request_id="r2", at=hours(2)),
        outcome(3, request_id="r2", at=hours(3), name="revenue", value=2.5),
        outcome(4, request_id="r2", at=hours(3), name="revenue", value=-1.0),
        outcome(5, request_id="r2", at=hours(3), name="not_asked_for"),
    ]
    table = unit_table(
        *logged(tmp_path, shown, followed), definition(slices=["device"])
    )

    assert table.schema.field("first_at").type == pa.timestamp("us", "UTC")
    assert table.to_pylist() == [
        {
            "unit": "a",
            "variant": "control",
            "first_at": hours(1),
            "exposures": 3,
            "errors": 0,
            "latency_ms": 7.5,
            "click": 2.0,
            "revenue": 1.5,
            "device": "pc",  # the first that is known
        },
        {
            "unit": "b",
            "variant": "treatment",
            "first_at": START,
            "exposures": 1,
            "errors": 1,
            "latency_ms": 2.5,
            "click": 0.0,
            "revenue": 0.0,
            "device": None,
        },
    ]


def test_outcomes_count_within_the_window_after_their_exposure_and_once(
    tmp_path: pathlib.Path,
) -> None:
    micro = datetime.timedelta(microseconds=1)
    shown = [exposure(n, at=hours(10)) for n in range(6)]
    shown += [exposure(7, experiment="another"), exposure(8, override=True)]
    followed = [
        outcome(0, at=hours(10)),
        outcome(1, at=hours(34)),
        outcome(2, at=hours(34) + micro),
        outcome(3, at=hours(10) - micro),
        outcome(4, at=hours(11)),
        outcome(4, at=hours(12), value=9.0),
        outcome(5, request_id="unknown", at=hours(11)),
        outcome(6, request_id="unknown", at=hours(-1)),
        outcome(7),
        outcome(8),
    ]
    stores = logged(tmp_path, shown, followed)
    with EventJoin(definition(), *stores) as join:
        assert rows(join.units(), "click") == {
            "u0": 1,
            "u1": 1,
            "u2": 0,
            "u3": 0,
            "u4": 1,
            "u5": 0,
        }
        report = join.report()
    assert report.model_dump(exclude={"first_at", "last_at", "crossovers"}) == {
        "exposures": 6,
        "overrides": 1,
        "units": 6,
        "lost_exposures": 0,
        "repeated_exposures": 0,
        "repeated_outcomes": 1,
        "outcomes": 9,
        "counted": 3,
        "late": 1,
        "before_exposure": 1,
        "orphans": 1,
        "others": 2,
        "earlier": 1,
    }


def test_outcomes_by_unit_belong_to_the_last_exposure_before_them(
    tmp_path: pathlib.Path,
) -> None:
    shown = [
        exposure(1, unit="a", at=hours(2)),
        exposure(2, unit="a", at=hours(50)),
        exposure(3, unit="a", at=hours(40)),
    ]

    def of(number: int, unit: str, hour: float) -> Outcome:
        return outcome(number, request_id=None, unit=unit, at=hours(hour))

    followed = [
        of(1, "a", 1),  # before any
        of(2, "a", 2),
        of(3, "a", 27),  # late for the first, before the next
        of(4, "a", 41),
        of(5, "a", 60),
        of(6, "a", 74.5),
        of(7, "b", 3),
        of(8, "a", -5),
    ]
    with EventJoin(definition(), *logged(tmp_path, shown, followed)) as join:
        report, days = join.report(), join.unit_days()
        assert rows(join.units(), "click") == {"a": 3}
    assert (report.counted, report.late, report.before_exposure) == (3, 2, 1)
    assert (report.orphans, report.earlier) == (1, 1)
    assert [(row["day"].day, row["click"]) for row in days.to_pylist()] == [
        (1, 1),
        (2, 1),
        (3, 1),
    ]


def test_units_seen_in_two_arms_are_left_out_and_counted(
    tmp_path: pathlib.Path,
) -> None:
    shown = [
        exposure(1, unit="a"),
        exposure(2, unit="a", variant="treatment"),
        exposure(3, unit="b"),
        exposure(4, unit="b", variant="treatment", override=True),
    ]
    with EventJoin(definition(), *logged(tmp_path, shown, [outcome(1)])) as join:
        assert rows(join.units(), "exposures") == {"b": 1}
        assert join.report().crossovers == 1
        assert join.unit_days().num_rows == 1
        assert join.daily_counts()["units"].to_pylist() == [1]


def test_what_is_later_than_asked_for_is_left_out(tmp_path: pathlib.Path) -> None:
    shown = [exposure(1, unit="a", at=hours(1)), exposure(2, unit="a", at=hours(30))]
    followed = [
        outcome(1, request_id="r1", at=hours(2)),
        outcome(2, request_id="r1", at=hours(3)),
        outcome(3, request_id="r2", at=hours(31)),
    ]
    table = unit_table(*logged(tmp_path, shown, followed), definition(), hours(2))
    assert rows(table, "exposures", "click") == {"a": [1, 1]}


def test_days_add_up_to_units_and_to_daily_counts(tmp_path: pathlib.Path) -> None:
    random = np.random.default_rng(1)
    shown = [
        exposure(
            n,
            unit=f"u{random.integers(20)}",
            at=hours(float(random.uniform(0, 100))),
            latency_ms=float(random.random()),
        )
        for n in range(300)
    ]
    shown = [
        exposure(
            **{
                **{f: getattr(e, f) for f in e.__slots__},
                "variant": "treatment" if int(e.unit[1:]) % 2 else "control",
            }
        )
        for e in shown
    ]
    followed = [
        outcome(n, request_id=f"r{n}", at=shown[n].at + datetime.timedelta(hours=1))
        for n in range(0, 300, 3)
    ]
    with EventJoin(definition(), *logged(tmp_path, shown, followed)) as join:
        units, days, daily = join.units(), join.unit_days(), join.daily_counts()
    sums = [("exposures", "sum"), ("click", "sum"), ("latency_ms", "sum")]
    by_unit = days.group_by("unit").aggregate(sums).sort_by("unit")
    by_day = (
        days.group_by(["day", "variant"])
        .aggregate([*sums, ("unit", "count")])
        .sort_by([("day", "ascending"), ("variant", "ascending")])
    )

    assert days.schema.field("day").type == pa.date32()
    assert by_unit["unit"].to_pylist() == list(range(units.num_rows))
    for name in ("exposures", "click", "latency_ms"):
        np.testing.assert_allclose(by_unit[f"{name}_sum"], units[name])
        np.testing.assert_allclose(by_day[f"{name}_sum"], daily[name])
    assert daily["units"].to_pylist() == by_day["unit_count"].to_pylist()
    assert sum(daily["new_units"].to_pylist()) == units.num_rows
    assert daily["click"].to_numpy().sum() == len(followed)


def test_the_auc_of_a_unit_is_over_all_its_scored_items(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(number: int, unit: str, hour: float, *scores: float) -> Exposure:
        return exposure(number, unit=unit, at=hours(hour), scores=scores or None)

    def click(number: int, position: int | None, **values: Any) -> Outcome:
        return outcome(
            request_id=f"r{number}",
            outcome_id=f"{number}-{position}",
            position=position,
            at=hours(40),
            **values,
        )

    log = [
        shown(1, "a", 20, 0.1, 0.9, 0.5),
        shown(2, "a", 30, 0.4, 0.95),
        shown(3, "a", 31),
        shown(4, "b", 20, 0.5, 0.7),  # no click
        shown(5, "c", 20, 0.5),  # nothing else
        shown(6, "d", 20, 0.2, 0.2),
        shown(7, "e", 20, 0.2, 0.1),
    ]
    followed = [
        click(1, 1),
        click(3, 0),
        click(2, 0),
        click(5, 0),
        click(6, 1),
        click(7, None),
        click(7, 0, name="revenue"),
    ]
    stores = logged(tmp_path, log, followed)
    # Positives 0.9 and 0.4; negatives 0.1, 0.5, 0.95: 2 and 1 of 3 pairs.
    expected: dict[str, list[float]] = {
        "a": [5, 2.5],
        "b": [0, 0],
        "c": [0, 0],
        "d": [2, 1],
        "e": [0, 0],
    }
    with EventJoin(definition(GAUC), *stores) as join:
        units = join.units()
        assert rows(units, "auc_weight", "auc_weighted") == {
            unit: [weight, pytest.approx(weighted)]
            for unit, (weight, weighted) in expected.items()
        }
        monkeypatch.setattr(event_join, "_AT_A_TIME", 2)
        assert join.units() == units
        days = [
            (row["unit"], row["day"].day, row["auc_weight"], row["auc_weighted"])
            for row in join.unit_days().to_pylist()
        ]
    assert days == [
        (0, 1, 3, 3),
        (0, 2, 2, 0),
        (1, 1, 0, 0),
        (2, 1, 0, 0),
        (3, 1, 2, 1),
        (4, 1, 0, 0),
    ]
    with pytest.raises(ConfigError, match="click, revenue"):
        EventJoin(definition(GAUC, {**GAUC, "name": "g2", "label": "revenue"}), *stores)


def test_what_a_unit_did_before_its_first_exposure_is_a_covariate(
    tmp_path: pathlib.Path,
) -> None:
    def by_unit(number: int, hour: float) -> Outcome:
        return outcome(number, request_id=None, unit="a", at=hours(hour))

    shown = [
        exposure(1, unit="a", at=hours(30)),
        exposure(2, unit="a", at=hours(29), experiment="earlier", latency_ms=3.0),
        exposure(3, unit="a", at=hours(-40), experiment="earlier"),
        exposure(4, unit="b", at=hours(1)),
        exposure(5, unit="a", at=hours(31), experiment="earlier"),
    ]
    followed = [
        by_unit(1, 5.9),  # too early
        by_unit(2, 6.1),
        by_unit(3, 29.9),
        by_unit(4, 30),  # not before
        outcome(5, request_id="r2", at=hours(29.5)),
        outcome(6, request_id="r1", at=hours(29.5)),  # a clock was wrong
        outcome(7, request_id="gone", unit="b", at=hours(-1)),
    ]
    experiment = definition(cuped={"days": 1})
    table = unit_table(*logged(tmp_path, shown, followed), experiment)

    assert rows(table, "click", "click_before", "revenue_before") == {
        "a": [1, 3, 0],
        "b": [0, 1, 0],
    }
    assert rows(table, "exposures_before", "latency_ms_before") == {
        "a": [1, 3],
        "b": [0, 0],
    }


def test_counts_of_exposures_are_no_covariates_where_none_were_logged_before(
    tmp_path: pathlib.Path,
) -> None:
    table = unit_table(
        *logged(tmp_path, [exposure(1)], []), definition(cuped={"days": 1})
    )
    assert [name for name in table.column_names if name.endswith("_before")] == [
        "click_before",
        "revenue_before",
    ]


def test_covariates_come_from_a_file_and_are_null_where_it_lacks_a_unit(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "o'ne.parquet"
    content = {"unit": ["u1", "z"], "click": [3, 4], "other": [1, 1]}
    pyarrow.parquet.write_table(pa.table(content), path)
    stores = logged(tmp_path / "log", [exposure(1), exposure(2)], [])
    experiment = definition(cuped={"covariates": str(path)})
    with EventJoin(experiment, *stores) as join:
        assert rows(join.units(), "click_before") == {"u1": 3, "u2": None}
        assert rows(join.unit_days(), "click_before") == {0: 3, 1: None}

    for broken, message in (
        ({"unit": ["a"], "clicks": [1]}, "needed are `unit` and some of click"),
        ({"unit": ["a", "a"], "click": [1, 2]}, "more than one row"),
    ):
        pyarrow.parquet.write_table(pa.table(broken), path)
        with pytest.raises(DataError, match=message):
            unit_table(*stores, experiment)
    path.unlink()
    with pytest.raises(DataError, match="no such file"):
        unit_table(*stores, experiment)


def test_logs_without_records_have_no_units(tmp_path: pathlib.Path) -> None:
    experiment = definition(GAUC, cuped={"days": 3}, slices=["device"])
    with EventJoin(experiment, *logged(tmp_path, [], [])) as join:
        assert join.units().num_rows == join.unit_days().num_rows == 0
        assert join.daily_counts().num_rows == 0
        assert join.report().first_at is None


def test_a_damaged_file_of_the_log_is_named(tmp_path: pathlib.Path) -> None:
    stores = logged(tmp_path, [exposure(1)], [])
    path = stores[0].files()[0]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=path.name):
        unit_table(*stores, definition())


def test_lost_exposures_are_those_of_the_experiment(tmp_path: pathlib.Path) -> None:
    stores = logged(tmp_path, [exposure(1)], [])
    counts = LostCounts(tmp_path / "exposures")
    for name in ("test", "another", "test"):
        counts.add(name)
    counts.close()
    with EventJoin(definition(), *stores) as join:
        assert join.report().lost_exposures == 2


def test_the_database_of_a_join_is_gone_afterwards(tmp_path: pathlib.Path) -> None:
    with EventJoin(definition(), *logged(tmp_path, [exposure(1)], [])) as join:
        connection = join.connection
    with pytest.raises(duckdb.ConnectionException):
        connection.execute("SELECT 1")
