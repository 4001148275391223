"""Rows of several spans, laid out as the splits of one."""

import dataclasses
import pathlib
from collections.abc import Mapping

from clickwright.components.spans.span_choice import SpanChoice
from clickwright.components.spans.span_record import SpanRead, SpanRecord, State


@dataclasses.dataclass(frozen=True)
class LaidSpans:
    """What `lay_spans` has written, or would write.

    Attributes:
        folder: holds `span-<newest>/` with the splits `train`, `valid` and `test`, of
            Parquet files; it may not be there yet.
        source: folder of the newest span in the log.
        fingerprint: changes whenever these rows do.
        choice: the spans.
        read: what they hold.
        rows: rows of each split; empty where nothing is written yet.
        reused: whether an earlier run had written them.
    """

    folder: pathlib.Path
    source: pathlib.Path
    fingerprint: str
    choice: SpanChoice
    read: tuple[SpanRead, ...]
    rows: Mapping[str, int] = dataclasses.field(default_factory=dict)
    reused: bool = False

    def record(self, state: State, run_id: str) -> SpanRecord:
        """A line of the journal."""
        return SpanRecord(
            span=self.choice.newest,
            state=state,
            run_id=run_id,
            parent=self.choice.parent,
            rows=self.rows["train"],
            read=self.read,
        )
