"""What a training depends on, as one short name."""

import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from clickwright.schemas.serving_files import GOLDEN_ROWS_FILE

_FORMAT = 3
"""Raised whenever old checkpoints would no longer mean the same."""
_TRAILER = 8
"""Bytes at the end of a gzip file: checksum and length of its content."""


def fingerprint(
    settings: Mapping[str, Any],
    examples: Sequence[pathlib.Path],
    transform_graph: pathlib.Path,
) -> str:
    """Digest of settings, data and preprocessing, 16 hexadecimal digits.

    Example files count by name, size and last bytes, which in a gzip file are the
    checksum of the content; folders do not count. Of the transform graph all files
    count by content, the vocabularies among them, but for rows kept for requests.

    Args:
        settings: spec, model and training parameters; JSON-like.
        examples: files of transformed examples.
        transform_graph: folder of the transform graph.
    """
    digest = hashlib.sha256()

    def add(*parts: str | bytes) -> None:
        for part in parts:
            content = part.encode() if isinstance(part, str) else part
            digest.update(len(content).to_bytes(8) + content)

    add(str(_FORMAT), json.dumps(settings, sort_keys=True))
    for file in examples:
        size = file.stat().st_size
        with file.open("rb") as stream:
            stream.seek(max(0, size - _TRAILER))
            add(file.parent.name, file.name, str(size), stream.read())
    for file in sorted(path for path in transform_graph.rglob("*") if path.is_file()):
        if file.name == GOLDEN_ROWS_FILE:  # nothing is learned from it
            continue
        add(file.relative_to(transform_graph).as_posix(), file.read_bytes())
    return digest.hexdigest()[:16]
