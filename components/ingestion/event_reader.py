"""A log of events, checked and sorted."""

import logging
import os
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from tfx.dsl.io import fileio

from clickwright.components.ingestion.contract import cast_columns
from clickwright.components.ingestion.histories import EventHistories
from clickwright.components.ingestion.parquet_log import ParquetLog
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import Column, FeatureSpec

progress = logging.getLogger("clickwright.progress")


def read_events(
    path: str, spec: FeatureSpec, sequence: str, newest: int
) -> EventHistories:
    """Reads the events of a sequence feature.

    The file is held in memory: its columns, and 24 bytes an event to sort it.

    Args:
        path: a Parquet file.
        spec: the feature spec.
        sequence: the sequence feature, one with `events`.
        newest: time of the log's newest row.

    Raises:
        DataError: the file is absent or unreadable; a column is absent, of another
            type or has nulls; a time is negative or lies after the log's newest row.
    """
    events = spec.event_logs()[sequence]
    if not fileio.exists(path) or fileio.isdir(path):
        raise DataError(
            f"There is no file of events to make `{sequence}` from.",
            where=path,
            fix=f"put `{os.path.basename(path)}` beside the splits, or name the file "
            f"under `data.events.{sequence}` in the run's configuration",
        )
    columns = spec.columns()
    sources = spec.event_columns(sequence)
    wanted = {
        name: Column(source, columns[name].dtype, False, True)
        for name, source in sources.items()
    }
    key = Column(events.key, columns[events.key].dtype, False, True)
    time = Column(events.timestamp, "int64", False, True)
    log = ParquetLog(path)
    named = {column.name: column for column in (*wanted.values(), key, time)}
    log.check_names(named, fix="add it, or correct `events` in the feature spec")
    keys, times, values = _read(log, key, time, wanted)
    _check_times(times, f"{path}, column `{time.name}`", newest)
    codes = keys.dictionary_encode()
    found, unsorted = EventHistories.sort(
        codes.dictionary, codes.indices.to_numpy(), times, values
    )
    progress.info(
        "%d events of %d keys for `%s`; %d stood after a later one of their key and "
        "were sorted",
        len(times),
        len(codes.dictionary),
        sequence,
        unsorted,
        extra={"detail": f"{len(times):,} events for {sequence}"},
    )
    return found


def _read(
    log: ParquetLog, key: Column, time: Column, wanted: Mapping[str, Column]
) -> tuple[pa.Array, np.ndarray, dict[str, pa.Array]]:
    """Keys, times and the values of each list column."""
    columns = {"key": key, "time": time} | {
        f"value {name}": column for name, column in wanted.items()
    }
    names = {column.name: column for column in columns.values()}
    parts: dict[str, list[pa.Array]] = {name: [] for name in columns}
    row = 0
    for unit in log.units():
        for batch in log.batches(unit, names):
            for name, column in columns.items():
                # One by one: two of them may read a column as different types.
                cast = cast_columns(
                    batch, {column.name: column}, path=log.path, first_row=row
                )
                parts[name].append(cast[column.name])
            row += batch.num_rows
    if not row:
        raise DataError(
            "The file holds no events.",
            where=log.path,
            fix="give the events, or leave `events` out of the feature spec",
        )
    whole = {name: pa.chunked_array(p).combine_chunks() for name, p in parts.items()}
    values = {name: whole[f"value {name}"] for name in wanted}
    return whole["key"], whole["time"].to_numpy(), values


def _check_times(times: np.ndarray, where: str, newest: int) -> None:
    for bad, rule in (
        (times < 0, "must not be negative"),
        (times > newest, f"must not lie after the log's newest row, {newest}"),
    ):
        rows = np.flatnonzero(bad)
        if len(rows):
            raise DataError(
                f"The times of events {rule}. Received: {times[rows[0]]}, and such in "
                f"{len(rows):,} of {len(times):,} rows.",
                where=f"{where}, row {rows[0] + 1}",
                fix="give seconds since 1970, and no events beyond the end of the log",
            )
