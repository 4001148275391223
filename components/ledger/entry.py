"""What the ledger knows of one run."""

import dataclasses
from collections.abc import Mapping
from typing import Self

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
        manifest: the files, by path below the entry; of each part in a folder.
    """

    number: int
    data: str
    config: str
    manifest: Manifest

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Reads a manifest."""
        facts = manifest.provenance
        return cls(
            manifest.version, facts.get("data", ""), facts.get("config", ""), manifest
        )

    @staticmethod
    def facts(data: str, config: str) -> Mapping[str, str]:
        """What the manifest says of a run."""
        return {"data": data, "config": config}

    def holds(self, part: str) -> bool:
        """Whether a part is there."""
        return any(name.startswith(f"{part}/") for name in self.manifest.files)
