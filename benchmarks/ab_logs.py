"""Logs of an A/B test of any size, for the benchmarks that read them."""

import datetime
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickwright.experiments.events.event_log import EventLog
from clickwright.schemas.events import EXPOSURE, OUTCOME

START = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
DAYS = 14
CANDIDATES = 10
CLICK_RATE = 0.1
LIFT = 0.02
_CHUNK = 500_000
_DEVICES = ("phone", "desktop", "tablet")


def write_logs(folder: pathlib.Path, exposures: int, seed: int = 0) -> None:
    """Logs exposures and outcomes of an experiment called `benchmark`.

    A tenth as many units; `control` and `treatment` by halves; each exposure scores ten
    candidates and is clicked by 10 %, 2 % more often with treatment; a click earns
    money in one case of ten. One click in a hundred is logged twice.

    Args:
        folder: folder of the logs.
        exposures: how many.
        seed: of all chance.
    """
    random = np.random.default_rng(seed)
    units = max(exposures // 10, 1)
    with EventLog(folder, "exposure") as log, EventLog(folder, "outcome") as results:
        for first in range(0, exposures, _CHUNK):
            count = min(_CHUNK, exposures - first)
            logged, followed = _chunk(random, first, count, exposures, units)
            log.append_table(logged)
            results.append_table(followed)


def _chunk(
    random: np.random.Generator, first: int, count: int, total: int, units: int
) -> tuple[pa.Table, pa.Table]:
    length = DAYS * 86_400_000_000
    start = int(START.timestamp() * 1e6)
    number = np.arange(first, first + count)
    at = start + (length * (number / total)).astype(np.int64)
    unit = random.integers(units, size=count)
    bucket = (unit * 7919 + 13) % 10_000
    treated = bucket >= 5_000
    scores = random.random((count, CANDIDATES), np.float32)
    rate = CLICK_RATE * (0.5 + (unit % 1_000) / 1_000) * (1 + LIFT * treated)
    clicked = random.random(count) < rate
    position = (scores + 0.3 * random.gumbel(size=scores.shape)).argmax(1)[clicked]

    request = _named("r", number)
    device = pa.array(_DEVICES).take(pa.array(unit % 3))
    columns = {
        "request_id": request,
        "unit": _named("user-", unit),
        "experiment": _same("benchmark", count),
        "variant": pc.if_else(pa.array(treated), "treatment", "control"),
        "model": _same("ctr", count),
        "version": pa.array(np.where(treated, 2, 1)),
        "label": pc.if_else(pa.array(treated), "canary", "stable"),
        "bucket": pa.array(bucket, pa.int32()),
        "propensity": _same(0.5, count),
        "at": pa.array(at, pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
        "latency_ms": pa.array(random.gamma(4, 1, count), pa.float32()),
        "candidates": _same(CANDIDATES, count),
        "scores": pa.ListArray.from_arrays(
            np.arange(0, scores.size + 1, CANDIDATES, dtype=np.int32),
            pa.array(scores.ravel()),
        ),
        "override": _same(False, count),
        "attributes": pa.MapArray.from_arrays(
            np.arange(count + 1, dtype=np.int32), _same("device", count), device
        ),
    }
    logged = _table(columns, count, EXPOSURE)

    paid = random.random(len(position)) < 0.1
    again = random.random(len(position)) < 0.01
    clicks = request.filter(pa.array(clicked))
    later = at[clicked] + random.integers(1, 600_000_000, len(position))
    parts = []
    for name, chosen, value in (
        ("click", np.ones(len(paid), bool), np.ones(len(paid))),
        ("click", again, np.ones(len(paid))),
        ("revenue", paid, random.gamma(2, 5, len(paid))),
    ):
        requests = clicks.filter(pa.array(chosen))
        parts.append(
            _table(
                {
                    "outcome_id": pc.binary_join_element_wise(name, requests, "-"),
                    "request_id": requests,
                    "name": _same(name, len(requests)),
                    "value": pa.array(value[chosen]),
                    "position": pa.array(position[chosen], pa.int32()),
                    "at": pa.array(later[chosen], pa.timestamp("us")).cast(
                        pa.timestamp("us", "UTC")
                    ),
                },
                len(requests),
                OUTCOME,
            )
        )
    return logged, pa.concat_tables(parts)


def _table(columns: dict[str, pa.Array], count: int, schema: pa.Schema) -> pa.Table:
    return pa.table(
        [
            columns[field.name].cast(field.type)
            if field.name in columns
            else pa.nulls(count, field.type)
            for field in schema
        ],
        schema,
    )


def _named(prefix: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def _same(value: object, count: int) -> pa.Array:
    return pa.repeat(value, count)
