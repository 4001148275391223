"""What the ledger knows of one run."""

import dataclasses
from collections.abc import Mapping
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
        manifest: the files, by path below the entry; of each part in a folder.
    """

    number: int
    data: str
    config: str
    span: SpanRecord | None
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
            manifest,
        )

    @staticmethod
    def facts(
        data: str, config: str, span: SpanRecord | None = None
    ) -> Mapping[str, str]:
        """What the manifest says of a run."""
        spans = {} if span is None else {"span": span.model_dump_json()}
        return {"data": data, "config": config, **spans}

    def holds(self, part: str) -> bool:
        """Whether a part is there."""
        return any(name.startswith(f"{part}/") for name in self.manifest.files)
