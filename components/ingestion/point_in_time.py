"""Rows of a log, with the histories that are made from events."""

import pathlib
from collections.abc import Iterator

import pyarrow as pa

from clickwright.components.ingestion.histories import EventHistories
from clickwright.schemas.spec import FeatureSpec, SequenceFeature

_VALUES = 1 << 22
"""Most values of one list column that are made at once: 32 MiB of numbers."""


class PointInTime:
    """Adds to rows the histories that were known at their time.

    A history holds the events of the row's key before the row's time, by more than
    the lag; so nothing of the row's own second, nor of what came after, is in it.

    Args:
        spec: the feature spec.
        folder: holds a folder for each sequence that is made from events, as
            `EventHistories.write` wrote it.
    """

    def __init__(self, spec: FeatureSpec, folder: pathlib.Path) -> None:
        self._spec = spec
        self._columns = list(spec.columns())
        self._logs = {
            name: EventHistories.open(folder / name) for name in spec.event_logs()
        }
        lengths = [self._length(name) for name in self._logs]
        self._rows = max(1, _VALUES // max(lengths, default=1))

    def attach(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Yields the rows with all columns of the spec; long ones in several parts."""
        if not self._logs:
            yield batch
            return
        for start in range(0, batch.num_rows, self._rows):
            yield self._attached(batch.slice(start, self._rows))

    def _attached(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        times = arrays[str(self._spec.timestamp)].to_numpy()
        for name, events in self._spec.event_logs().items():
            arrays |= self._logs[name].before(
                arrays[events.key], times - events.lag, self._length(name)
            )
        return pa.RecordBatch.from_pydict(
            {name: arrays[name] for name in self._columns}
        )

    def _length(self, name: str) -> int:
        feature = self._spec.features[name]
        return feature.max_length if isinstance(feature, SequenceFeature) else 0
