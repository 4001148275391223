"""The item table of one entity."""

import contextlib
import logging
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from clickwright.components.item_table.attribute_ids import write_attribute
from clickwright.components.item_table.encoded_contents import EncodedContents
from clickwright.components.item_table.encoders import encoder_of
from clickwright.components.item_table.item_data import ItemData
from clickwright.components.item_table.item_rows import ItemRows
from clickwright.components.item_table.matrix_file import MatrixFile
from clickwright.components.item_table.reducer import Reducer
from clickwright.components.item_table.vector_lists import VectorLists
from clickwright.schemas.errors import DataError
from clickwright.schemas.item_table import (
    AttributeColumn,
    ItemTable,
    VectorColumn,
    vocabulary_digest,
)
from clickwright.schemas.spec import (
    AttributeFeature,
    CategoricalFeature,
    EmbeddingFeature,
    FeatureSpec,
)

_CHUNK = 16_384

progress = logging.getLogger("clickwright.progress")


class _Vectors(Protocol):
    """A column that gives vectors."""

    def width(self) -> int: ...

    def batches(self, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]: ...


def build_table(
    spec: FeatureSpec,
    entity: str,
    values: Sequence[str],
    rows: int,
    path: pathlib.Path,
    folder: pathlib.Path,
) -> ItemTable:
    """Aligns the item data of an entity with its vocabulary and writes the table.

    Vectors go through memory in batches; what they need is the memory of a batch, and
    with `reduce` a square matrix of their width.

    Args:
        spec: the feature spec.
        entity: the categorical feature.
        values: its vocabulary as text, in the order of the ids.
        rows: rows of its embedding table.
        path: the item data, a Parquet file or a folder of them.
        folder: where the table goes; it is there and empty.

    Returns:
        The manifest, which is written too.

    Raises:
        ConfigError: a pretrained model cannot be loaded.
        DataError: the data break a rule; names row, id, column, value and rule.
    """
    owner = spec.features[entity]
    if not isinstance(owner, CategoricalFeature):
        raise TypeError(f"`{entity}` must be categorical. Received: {owner.kind}")
    data = ItemData(path)
    progress.info("aligning", extra={"detail": f"{entity}: ids"})
    items = ItemRows.align(
        data,
        entity,
        spec.column_of(entity),
        owner.dtype,
        owner.vocabulary,
        values,
    )
    vectors: dict[str, VectorColumn] = {}
    attributes: dict[str, AttributeColumn] = {}
    for name, feature in spec.item_features().items():
        if feature.of != entity:
            continue
        match feature:
            case AttributeFeature():
                progress.info("aligning", extra={"detail": name})
                attributes[name] = write_attribute(items, name, feature, rows, folder)
            case EmbeddingFeature():
                vectors[name] = _write_vectors(items, name, feature, rows, folder)
    table = ItemTable(
        entity=entity,
        vocabulary_digest=vocabulary_digest(values),
        rows=rows,
        known=items.known,
        absent=len(values) - items.known,
        unknown=data.rows - items.known,
        vectors=vectors,
        attributes=attributes,
    )
    table.write(folder)
    return table


def _write_vectors(
    items: ItemRows,
    name: str,
    feature: EmbeddingFeature,
    rows: int,
    folder: pathlib.Path,
) -> VectorColumn:
    column = feature.column or name
    source: _Vectors
    if feature.source is None:
        source = VectorLists(items, column, name)
    else:
        encoder = encoder_of(name, feature, items.data.folder)
        source = EncodedContents(items, column, name, encoder)
    width = source.width()
    if feature.reduce == "none" and width != feature.width:
        raise DataError(
            f"The vectors of `{name}` must have {feature.width} values, its `width`. "
            f"Received: vectors of {width}.",
            where=f"{items.data.path}, column `{column}`",
            fix=f"set `width: {width}`"
            + (", or say `reduce: pca`" if width > feature.width else ""),
        )
    target = MatrixFile(folder, name, rows, feature.width, feature.storage)
    batches = _watched(source.batches(width), name, items.known)
    if feature.reduce == "none":
        for places, vectors in batches:
            target.put(places, vectors)
    else:
        reducer = Reducer(feature.reduce, feature.width, name)
        with _staged(batches, items.known, width, folder) as (places, vectors):
            reducer.fit(vectors)
            for first in range(0, len(places), _CHUNK):
                piece = slice(first, first + _CHUNK)
                target.put(places[piece], reducer(vectors[piece]))
    if not target.filled:
        raise DataError(
            "No known entity has a vector.",
            where=f"{items.data.path}, column `{column}`",
            fix="write the vectors, or take the feature out of the spec",
        )
    return target.close(items.known)


@contextlib.contextmanager
def _staged(
    batches: Iterator[tuple[np.ndarray, np.ndarray]],
    most: int,
    width: int,
    folder: pathlib.Path,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All vectors, on the disk as long as they are needed, and their rows."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        matrix = np.lib.format.open_memmap(
            pathlib.Path(temporary, "wide.npy"),
            "w+",
            np.dtype("float32"),
            (most, width),
        )
        rows = np.zeros(most, np.int64)
        count = 0
        for places, vectors in batches:
            there = slice(count, count + len(places))
            rows[there], matrix[there] = places, vectors
            count += len(places)
        yield rows[:count], matrix[:count]


def _watched(
    batches: Iterator[tuple[np.ndarray, np.ndarray]], name: str, known: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    done = 0
    for rows, vectors in batches:
        yield rows, vectors
        done += len(rows)
        progress.info(
            "vectors", extra={"detail": name, "fraction": min(1.0, done / known)}
        )
