"""Files that a reader finds as they were or as they are to be, never in part."""

import json
import os
import pathlib
import tempfile

from clickwright.schemas.errors import storage_error


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a file whole, folders above it included.

    Raises:
        MachineError: the folder cannot be written to, or the disk is full.
    """
    staged = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            dir=path.parent,
            prefix=f".{path.name}.",
            delete=False,
        ) as file:
            staged = pathlib.Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        staged.chmod(0o644)  # a temporary file is its owner's alone
        staged.replace(path)
    except OSError as error:
        if staged is not None:
            staged.unlink(missing_ok=True)
        raise storage_error(error, path) from error


def write_json(path: pathlib.Path, content: object) -> None:
    """Writes JSON whole; NaN and infinity are refused.

    Raises:
        MachineError: the folder cannot be written to, or the disk is full.
    """
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
