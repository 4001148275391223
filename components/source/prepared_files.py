"""What lies in a `PreparedData` artifact."""

import pathlib
from typing import Self

from clickwright.components.spans.span_record import SpanRecord
from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.strict_yaml import StrictModel

_FILE_NAME = "prepared.json"
ITEMS_FILE = "items.parquet"
"""Item data, in the folder itself."""


class PreparedFiles(StrictModel):
    """A log that can be ingested; paths are relative to the artifact's folder."""

    splits: tuple[str, ...]
    """Folders below `folder`: train, valid and test, or all."""
    fingerprint: str
    """Changes whenever the files do."""
    format: str = "parquet"
    folder: str = ""
    """Where the splits lie, and events beside them."""
    span: int | None = None
    """The newest span in it; None for a log without spans."""
    record: SpanRecord | None = None
    """What the run reads of which spans; None where it does not go by spans."""

    def write(self, folder: pathlib.Path) -> None:
        """Writes `prepared.json`.

        Raises:
            MachineError: the folder cannot be written.
        """
        write_text(folder / _FILE_NAME, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, folder: pathlib.Path) -> Self:
        """Reads what `write` has written."""
        text = (folder / _FILE_NAME).read_text(encoding="utf-8")
        return cls.model_validate_json(text)
