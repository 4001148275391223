"""Vectors made from texts or pictures."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickwright.components.item_table.item_rows import ItemRows
from clickwright.components.item_table.vector_encoder import VectorEncoder
from clickwright.schemas.errors import DataError


class EncodedContents:
    """The vectors that an encoder makes of a column of text.

    Entities whose content is null or empty have none, and so have those for which the
    encoder gives zeros. Contents of unknown entities are not encoded.

    Args:
        items: the rows of the item data.
        column: the column of the texts, or of the pictures' paths.
        feature: the feature that reads it, for messages.
        encoder: makes the vectors; is fitted here.

    Raises:
        DataError: the column is absent, holds something else, or no known entity has
            a content.
    """

    def __init__(
        self, items: ItemRows, column: str, feature: str, encoder: VectorEncoder
    ) -> None:
        where = f"{items.data.path}, column `{column}`"
        found = items.data.type_of(column, f"the feature `{feature}`")
        contents = items.data.whole(column)
        if not pa.types.is_large_string(contents.type):
            raise DataError(
                f"The column must hold text, as the feature's `source` says. Received: "
                f"{found}.",
                where=where,
                fix="write the column as string, or leave `source` out for vectors",
            )
        there = pc.fill_null(pc.not_equal(contents, ""), False).to_numpy(False)
        places = np.flatnonzero(there & (items.rows > 0))
        if not len(places):
            raise DataError(
                "No known entity has a content.",
                where=where,
                fix="write the texts or paths, or take the feature out of the spec",
            )
        # In the order of the ids, so that the order of the rows changes nothing.
        places = places[np.argsort(items.rows[places], kind="stable")]
        self._rows = items.rows[places]
        self._contents = contents.take(pa.array(places)).to_pylist()
        self._encoder = encoder.fit(self._contents)

    def width(self) -> int:
        """Values of a vector."""
        return int(self._encoder.encode(self._contents[:1]).shape[1])

    def batches(self, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields rows of the table, int64 `[n]`, and their vectors, `[n, width]`."""
        size = self._encoder.batch_size
        for first in range(0, len(self._rows), size):
            vectors = self._encoder.encode(self._contents[first : first + size])
            there = vectors.any(axis=1)
            yield self._rows[first : first + size][there], vectors[there]
