"""Sequences of items a user, the last two of which are for validation and test."""

import json
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from clickwright.schemas.errors import DataError
from clickwright.schemas.file_source import FileSource, RawFile
from clickwright.schemas.source import write_splits

if TYPE_CHECKING:
    import pyarrow

ITEMS_FILE_NAME = "items.parquet"
"""Name of the item data beside the splits."""


class LeaveOneOutSource(FileSource):
    """One text file of sequences, and one JSON file of the items' attributes.

    A line of the text is a user and the items that this user came to, oldest first,
    all numbered from 1; the JSON gives a list of attributes for each item. Here items
    are numbered from 0, as an `identity` vocabulary wants it.

    A user has one row a split. Of a sequence of `n` items the test row asks for the
    last one after the `n - 1` before it, the valid row for the last but one, and the
    train row for the one before, which leaves a model `n - 2` items to learn from.

    Beside the splits lies `items.parquet`, with the columns `item` and `attribute`.

    References:
        Zhou et al., S3-Rec: Self-Supervised Learning for Sequential Recommendation
        with Mutual Information Maximization, CIKM 2020; files and splits are those of
        https://github.com/RUCAIBox/CIKM2020-S3Rec, made of the Amazon reviews of
        McAuley et al., SIGIR 2015, users and items with five or more of them.
    """

    base_address = (
        "https://raw.githubusercontent.com/RUCAIBox/CIKM2020-S3Rec/"
        "2a81540ae18615d88ef88227b0c066e5b74781e5/data"
    )
    subfolder = "s3rec_seq"
    sequences: ClassVar[RawFile]
    attributes: ClassVar[RawFile]

    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Writes one Parquet file a split, and the item data."""
        # Imported here: the command line reads this module and needs no Arrow.
        import pyarrow.parquet

        place, (sequences, attributes) = self.find(raw)
        tables = leave_one_out(place / sequences.name)
        pyarrow.parquet.write_table(
            item_data(place / attributes.name), directory / ITEMS_FILE_NAME
        )
        return write_splits(tables, directory), {}


def leave_one_out(path: pathlib.Path) -> "Mapping[str, pyarrow.Table]":
    """Reads the sequences; returns the rows of each split.

    Raises:
        DataError: a line holds something else than positive numbers, or fewer than
            four items.
    """
    import pyarrow as pa

    text = path.read_text(encoding="utf-8")
    counts = np.array([line.count(" ") for line in text.splitlines()])  # items
    try:
        numbers = np.array(text.split(), np.int64)
    except ValueError as error:
        raise _bad(path, f"A line holds what is no number: {error}.") from error
    if len(numbers) != counts.sum() + len(counts):
        raise _bad(path, "Numbers must be parted by one space each.")
    if numbers.min(initial=1) < 1:
        raise _bad(path, f"Numbers start at 1. Received: {numbers.min()}.")
    if counts.min(initial=4) < 4:
        raise _bad(path, f"A user must have 4 items. Received: {counts.min()}.")
    starts = np.cumsum(counts + 1) - counts  # of the items; the user stands before
    values = numbers - 1
    tables = {}
    for n, split in enumerate(("test", "valid", "train"), start=1):
        lengths = counts - n
        ends = np.cumsum(lengths)
        into = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        history = values[np.repeat(starts, lengths) + into]
        tables[split] = pa.table(
            {
                "next": np.ones(len(counts), np.int64),
                "user": numbers[starts - 1],
                "history": pa.ListArray.from_arrays(
                    pa.array(np.append(0, ends), pa.int32()), history
                ),
                "item": values[starts + lengths],
            }
        )
    return {split: tables[split] for split in ("train", "valid", "test")}


def item_data(path: pathlib.Path) -> "pyarrow.Table":
    """Reads the attributes of the items, in the order of their numbers."""
    import pyarrow as pa

    given = json.loads(path.read_bytes())
    items = sorted(given, key=int)
    return pa.table(
        {
            "item": pa.array([int(item) - 1 for item in items], pa.int64()),
            "attribute": pa.array(
                [given[item] for item in items], pa.list_(pa.int64())
            ),
        }
    )


def _bad(path: pathlib.Path, what: str) -> DataError:
    return DataError(what, where=str(path), fix="fetch the file again")
