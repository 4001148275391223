"""Names and states of the files of a log.

Segments and parts of Parquet share one sequence of numbers. A part replaces the segment
of its number: while both are there, the segment does not count.
"""

import dataclasses
import os
import pathlib

import pyarrow as pa
import pyarrow.parquet

from clickwright.schemas.errors import storage_error

FOLDERS = {"exposure": "exposures", "outcome": "outcomes"}
"""Where a log keeps each kind."""

_ROW_GROUP = 2**17


@dataclasses.dataclass(frozen=True)
class Files:
    """What lies in a folder.

    Attributes:
        segments: those without a part, in the order they were written.
        parts: files of Parquet, likewise.
        replaced: segments with a part.
        staged: what a writer left that was killed.
        last: the highest number in use; 0 if there is none.
    """

    segments: list[pathlib.Path]
    parts: list[pathlib.Path]
    replaced: list[pathlib.Path]
    staged: list[pathlib.Path]
    last: int


def list_files(folder: pathlib.Path) -> Files:
    """Looks through a folder once."""
    names = sorted(os.listdir(folder))
    parts = {name.partition(".")[0] for name in names if name.endswith(".parquet")}
    segments = [name for name in names if name.endswith(".jsonl")]
    numbers = [int(name.partition(".")[0]) for name in segments]
    numbers += [int(number) for number in parts if number.isdigit()]
    return Files(
        segments=[folder / n for n in segments if n.partition(".")[0] not in parts],
        parts=[folder / f"{number}.parquet" for number in sorted(parts) if number],
        replaced=[folder / n for n in segments if n.partition(".")[0] in parts],
        staged=[folder / n for n in names if n.startswith(".staged-")],
        last=max(numbers, default=0),
    )


def segment_path(folder: pathlib.Path, number: int) -> pathlib.Path:
    """Where the segment of a number lies."""
    return folder / f"{number:012d}.jsonl"


def part_path(folder: pathlib.Path, number: int) -> pathlib.Path:
    """Where the part of a number lies."""
    return folder / f"{number:012d}.parquet"


def write_part(rows: pa.Table, path: pathlib.Path) -> None:
    """Writes Parquet whole and onto the disk, then gives it its name.

    Raises:
        MachineError: the disk is full or refuses.
    """
    staged = path.with_name(f".staged-{path.name}")
    try:
        with pyarrow.parquet.ParquetWriter(
            staged, rows.schema, compression="zstd"
        ) as writer:
            writer.write_table(rows, row_group_size=_ROW_GROUP)
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        staged.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise storage_error(error, path) from error


def sync_folder(folder: pathlib.Path) -> None:
    """Brings the names in a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
