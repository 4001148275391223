"""Exposures and outcomes that tests log and join."""

import datetime
from typing import Any

import pyarrow as pa

from clickwright.schemas.events import EXPOSURE, OUTCOME, Exposure, Outcome

START = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def hours(count: float) -> datetime.datetime:
    """So many hours after the start."""
    return START + datetime.timedelta(hours=count)


def exposure(number: int = 0, **values: Any) -> Exposure:
    """An exposure that is as good as any."""
    given: dict[str, Any] = {
        "request_id": f"r{number}",
        "unit": f"u{number}",
        "experiment": "test",
        "variant": "control",
        "model": "ctr",
        "version": 1,
        "bucket": 0,
        "propensity": 0.5,
        "at": START,
        "latency_ms": 2.5,
        "candidates": 3,
    }
    return Exposure(**(given | values))


def outcome(number: int = 0, **values: Any) -> Outcome:
    """An outcome that is as good as any."""
    given: dict[str, Any] = {
        "outcome_id": f"o{number}",
        "name": "click",
        "value": 1.0,
        "at": START,
        "request_id": f"r{number}",
    }
    return Outcome(**(given | values))


def table(records: list[Exposure] | list[Outcome], schema: pa.Schema) -> pa.Table:
    """Records as a table."""
    rows = [
        {
            name: list(value.items()) if isinstance(value, dict) else value
            for name in schema.names
            for value in [getattr(record, name)]
        }
        for record in records
    ]
    return pa.Table.from_pylist(rows, schema)


def exposures(*records: Exposure) -> pa.Table:
    """A table of exposures."""
    return table(list(records), EXPOSURE)


def outcomes(*records: Outcome) -> pa.Table:
    """A table of outcomes."""
    return table(list(records), OUTCOME)
