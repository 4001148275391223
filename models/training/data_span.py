"""Which span of the data a transform graph was made from, beside it."""

import json
import pathlib

FILE_NAME = "data_span.json"


def write_data_span(folder: pathlib.Path, span: int) -> None:
    """Writes the number of the span into the graph's folder."""
    (folder / FILE_NAME).write_text(json.dumps({"span": span}) + "\n", encoding="utf-8")


def read_data_span(folder: pathlib.Path) -> int | None:
    """Reads it back; None where the data have no spans."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    return int(json.loads(path.read_text(encoding="utf-8"))["span"])
