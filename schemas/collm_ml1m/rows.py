"""The published rows as a click log and a list of films."""

import pathlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clickwright.schemas.errors import DataError

NO_FILM = 0
"""Leads every history in the published files."""
_TYPES = {
    "uid": pa.int64(),
    "iid": pa.int64(),
    "label": pa.int64(),
    "timestamp": pa.int64(),
    "his": pa.list_(pa.int64()),
    "his_title": pa.list_(pa.string()),
    "title": pa.string(),
}


def read(path: pathlib.Path) -> pa.Table:
    """The columns of one split that are used.

    Raises:
        DataError: one is absent, or its values are of another type.
    """
    try:
        return (
            pq.read_table(path, columns=list(_TYPES))
            .select(list(_TYPES))
            .cast(pa.schema(_TYPES))
        )
    except (KeyError, pa.ArrowException) as error:
        raise DataError(
            f"The columns are not {', '.join(_TYPES)}, as published: {error}.",
            where=str(path),
            fix="convert the published file again, with all its columns",
        ) from error


def click_log(table: pa.Table) -> pa.Table:
    """One row a rating, in the columns of the spec."""
    return pa.table(
        {
            "click": table["label"],
            "timestamp": table["timestamp"],
            "user": table["uid"],
            "history": _films_alone(table["his"].combine_chunks()),
            "item": table["iid"],
        }
    )


def films(tables: Iterable[pa.Table]) -> pa.Table:
    """Every film of ratings and histories once, by number, with its title."""
    pairs = []
    for table in tables:
        pairs.append(pa.table({"item": table["iid"], "title": table["title"]}))
        flat = (pc.list_flatten(table[name]) for name in ("his", "his_title"))
        pairs.append(pa.table(dict(zip(("item", "title"), flat, strict=True))))
    known = pa.concat_tables(pairs)
    known = known.filter(pc.not_equal(known["item"], NO_FILM))
    once = known.group_by("item", use_threads=False).aggregate([("title", "first")])
    return once.rename_columns(["item", "title"]).sort_by("item")


def _films_alone(histories: pa.ListArray) -> pa.ListArray:
    """The lists without what stands for no film."""
    values = histories.flatten()
    kept = pc.not_equal(values, NO_FILM)
    before = np.concatenate([[0], np.cumsum(kept.to_numpy(zero_copy_only=False))])
    lengths = histories.value_lengths().to_numpy(zero_copy_only=False)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return pa.ListArray.from_arrays(
        pa.array(before[ends], pa.int32()), values.filter(kept)
    )
