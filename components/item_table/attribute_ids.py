"""Attributes of entities as ids of a vocabulary learned from them."""

import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from clickwright.components.item_table.item_rows import ItemRows
from clickwright.schemas.errors import DataError
from clickwright.schemas.item_table import AttributeColumn
from clickwright.schemas.spec import PADDING_ID, AttributeFeature


def write_attribute(
    items: ItemRows,
    name: str,
    feature: AttributeFeature,
    rows: int,
    folder: pathlib.Path,
) -> AttributeColumn:
    """Writes `<name>.npy` and `<name>.values.json`.

    The vocabulary holds the values of known entities that occur `min_count` times,
    ordered by count and then by value, both descending, as those of the log are. Rarer
    values share the out-of-vocabulary rows after it, chosen by hash. Nulls and empty
    strings count for nothing.

    Args:
        items: the rows of the item data.
        name: the feature's name.
        feature: the feature; its column holds one value or a list a row.
        rows: rows of the table.
        folder: the table's.

    Raises:
        DataError: the column is absent, of another type, holds no value often enough,
            or more values than `max_size`.
    """
    column = feature.column or name
    where = f"{items.data.path}, column `{column}`"
    values, owners, order = _values(items, name, feature, column)
    vocabulary = _vocabulary(values, feature.vocabulary.min_count)
    size, limit = len(vocabulary), feature.vocabulary.max_size
    if not size:
        raise DataError(
            f"No value occurs {feature.vocabulary.min_count} times among the known "
            f"entities.",
            where=where,
            fix="lower `min_count`, or take the feature out of the spec",
        )
    if size > limit:
        raise DataError(
            f"{size:,} values occur at least {feature.vocabulary.min_count} times, "
            f"`max_size` is {limit:,}.",
            where=where,
            fix=f"raise `max_size` or `min_count` of `{name}`",
        )
    ids = 1 + pc.fill_null(pc.index_in(values, value_set=vocabulary), -1).to_numpy()
    rare = np.flatnonzero(ids == PADDING_ID)
    ids[rare] = 1 + size + _buckets(values.take(pa.array(rare)), feature)
    matrix = np.lib.format.open_memmap(
        folder / f"{name}.npy", "w+", np.dtype("int32"), (rows, feature.max_length)
    )
    kept = order < feature.max_length
    matrix[owners[kept], order[kept]] = ids[kept]
    matrix.flush()
    (folder / f"{name}.values.json").write_text(
        json.dumps(vocabulary.to_pylist(), ensure_ascii=False), encoding="utf-8"
    )
    return AttributeColumn(
        length=feature.max_length,
        values=size,
        missing=items.known - len(np.unique(owners)),
    )


def _values(
    items: ItemRows, name: str, feature: AttributeFeature, column: str
) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """Values of known entities, the table's row of each, its place in the entity's."""
    found = items.data.type_of(column, f"the feature `{name}`")
    whole = items.data.whole(column)
    places = np.flatnonzero(items.rows > 0)
    known = whole.take(pa.array(places))
    if pa.types.is_fixed_size_list(known.type):
        known = known.cast(pa.list_(known.type.value_type))
    if pa.types.is_list(known.type) or pa.types.is_large_list(known.type):
        owners = pc.list_parent_indices(known).to_numpy()
        values = known.flatten()
    else:
        owners, values = np.arange(len(known)), known
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if not (pa.types.is_integer(values.type) if feature.dtype == "int64" else text):
        raise DataError(
            f"The column must hold {feature.dtype} values, or lists of them. Received: "
            f"{found}.",
            where=f"{items.data.path}, column `{column}`",
            fix=f"write the column so, or change the `dtype` of `{name}`",
        )
    values = values.cast(pa.large_string() if text else pa.int64())
    there = values.is_valid()
    if text:
        there = pc.and_kleene(there, pc.not_equal(values, ""))
    there = pc.fill_null(there, False).to_numpy(False)
    owners = owners[there]
    starts = np.searchsorted(owners, owners)
    order = np.arange(len(owners)) - starts
    return values.filter(pa.array(there)), items.rows[places][owners], order


def _vocabulary(values: pa.Array, min_count: int) -> pa.Array:
    counts = values.value_counts()
    table = pa.table({"value": counts.field(0), "count": counts.field(1)})
    table = table.filter(pc.greater_equal(table["count"], min_count))
    table = table.sort_by([("count", "descending"), ("value", "descending")])
    return table["value"].combine_chunks()


def _buckets(values: pa.Array, feature: AttributeFeature) -> np.ndarray:
    texts = np.array(values.cast(pa.large_string()).to_pylist(), dtype=object)
    if not len(texts):
        return np.zeros(0, np.int64)
    hashed = tf.strings.to_hash_bucket_fast(texts, feature.vocabulary.oov_buckets)
    return np.asarray(hashed)
