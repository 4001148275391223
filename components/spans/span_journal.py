"""Which spans models have seen."""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Self

import pydantic

from clickwright.components.spans.span_record import SpanRead, SpanRecord
from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.errors import DataError


class SpanJournal:
    """The runs on spans, the oldest first.

    Args:
        records: what is known of them.
    """

    def __init__(self, records: Iterable[SpanRecord] = ()) -> None:
        self.records = list(records)

    @classmethod
    def read(cls, path: pathlib.Path) -> Self:
        """Reads a file of one JSON object a line; it need not be there yet.

        Raises:
            DataError: a line is damaged.
        """
        journal = cls()
        if not path.exists():
            return journal
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            try:
                journal.records.append(SpanRecord.model_validate_json(line))
            except pydantic.ValidationError as error:
                problem = error.errors(include_url=False)[0]["msg"]
                raise DataError(
                    f"The journal of spans is damaged: {problem}.",
                    where=f"{path}, line {number}",
                    fix="mend or remove that line; without it the span counts as new",
                ) from error
        return journal

    def write(self, path: pathlib.Path) -> None:
        """Writes the file.

        Raises:
            MachineError: it cannot be written.
        """
        lines = [record.model_dump_json() for record in self.records]
        write_text(path, "\n".join(lines) + "\n")

    def newest_blessed(self, before: int | None = None) -> int | None:
        """The newest span of a blessed model, or the newest before some span."""
        return max(
            (
                record.span
                for record in self.records
                if record.state == "blessed"
                and (before is None or record.span < before)
            ),
            default=None,
        )

    def ended(self, span: int) -> SpanRecord | None:
        """The record of the latest run on a span, where it ended well."""
        latest = next((r for r in reversed(self.records) if r.span == span), None)
        if latest is None or latest.state not in ("blessed", "not_blessed"):
            return None
        return latest

    def seen(self) -> Mapping[int, SpanRead]:
        """The spans that blessed models have learned from, as they were then."""
        return {
            read.span: read
            for record in self.records
            if record.state == "blessed"
            for read in record.read
        }
