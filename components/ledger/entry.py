"""What the ledger knows of one run."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Self

from clickwright.components.spans.span_record import SpanRecord
from clickwright.schemas.manifest import Manifest

STATISTICS, REPORT, MODEL = "statistics", "report", "model"
"""What an entry may hold; statistics are always there."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One run that the ledger keeps.

    Attributes:
        number: later runs have higher ones.
        data: fingerprint of the data.
        config: digest of configuration and feature spec.
        span: what it read of which spans; None where it does not go by spans.
        earlier: the same of the runs before it, the oldest first.
        manifest: the files, by path below the entry; of each part in a folder.
    """

    number: int
    data: str
    config: str
    span: SpanRecord | None
    earlier: tuple[SpanRecord, ...]
    manifest: Manifest

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Reads a manifest."""
        facts = manifest.provenance
        span = facts.get("span")
        return cls(
            manifest.version,
            facts.get("data", ""),
            facts.get("config", ""),
            None if span is None else SpanRecord.model_validate_json(span),
            tuple(
                SpanRecord.model_validate_json(line)
                for line in json.loads(facts.get("earlier_spans", "[]"))
            ),
            manifest,
        )

    @staticmethod
    def facts(
        data: str,
        config: str,
        span: SpanRecord | None = None,
        earlier: Sequence[SpanRecord] = (),
    ) -> Mapping[str, str]:
        """What the manifest says of a run."""
        facts = {"data": data, "config": config}
        if span is not None:
            facts["span"] = span.model_dump_json()
        if earlier:
            lines = [record.model_dump_json() for record in earlier]
            facts["earlier_spans"] = json.dumps(lines)
        return facts

    def holds(self, part: str) -> bool:
        """Whether a part is there."""
        return any(name.startswith(f"{part}/") for name in self.manifest.files)
