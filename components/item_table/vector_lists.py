"""Vectors in a list column."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickwright.components.item_table.item_rows import ItemRows
from clickwright.schemas.errors import DataError


class VectorLists:
    """A column of vectors: lists of floats, all of one width.

    A null or an empty list is a missing vector.

    Args:
        items: the rows of the item data.
        column: the column.
        feature: the feature that reads it, for messages.

    Raises:
        DataError: the column is absent, or holds something else.
    """

    def __init__(self, items: ItemRows, column: str, feature: str) -> None:
        self._items = items
        self._column = column
        dtype = items.data.type_of(column, f"the feature `{feature}`")
        is_list = (
            pa.types.is_list(dtype)
            or pa.types.is_large_list(dtype)
            or pa.types.is_fixed_size_list(dtype)
        )
        if not (is_list and pa.types.is_floating(dtype.value_type)):
            raise DataError(
                f"Vectors must be lists of floats. Received: {dtype}.",
                where=f"{items.data.path}, column `{column}`",
                fix="write the column as list<float32>, or give the feature a `source` "
                "that makes vectors of texts or pictures",
            )

    def width(self) -> int:
        """Values of the first vector, which all others must have too.

        Raises:
            DataError: there is no vector.
        """
        for _, batch in self._items.data.batches(self._column):
            lengths = _lengths(batch)
            if lengths.any():
                return int(lengths[np.flatnonzero(lengths)[0]])
        raise DataError(
            "No row has a vector.",
            where=f"{self._items.data.path}, column `{self._column}`",
            fix="write the vectors, or take the feature out of the spec",
        )

    def batches(self, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields rows of the table, int64 `[n]`, and their vectors, `[n, width]`.

        Known entities alone are yielded; all vectors are checked.

        Raises:
            DataError: a vector is not of `width` finite numbers.
        """
        for first, batch in self._items.data.batches(self._column):
            vectors, places = self._checked(batch, width, first)
            rows = self._items.rows[places]
            known = rows > 0
            yield rows[known], vectors[known]

    def _checked(
        self, batch: pa.Array, width: int, first: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The vectors that are there, and the numbers of their rows in the data."""
        lengths = _lengths(batch)
        there = np.flatnonzero(lengths)
        places = first + there
        odd = np.flatnonzero(lengths[there] != width)
        if len(odd):
            raise DataError(
                f"All vectors must have {width} values. Received: one of "
                f"{lengths[there][odd[0]]}.",
                where=self._items.place(int(places[odd[0]]), self._column),
                fix="write vectors of one width",
            )
        flat = batch.filter(pa.array(lengths > 0)).flatten()
        holes = pc.index(flat.is_null(), True).as_py() if flat.null_count else -1
        if holes >= 0:
            raise self._refused("null", holes, width, places)
        # By NumPy: infinity where a float64 is beyond float32, which is refused next.
        with np.errstate(over="ignore"):
            values = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
        finite = np.isfinite(values)
        if not finite.all():
            at = int(np.flatnonzero(~finite)[0])
            raise self._refused(str(flat[at].as_py()), at, width, places)
        return values.reshape(-1, width), places

    def _refused(
        self, received: str, at: int, width: int, places: np.ndarray
    ) -> DataError:
        return DataError(
            f"Vectors must hold finite float32 numbers. Received: {received} at place "
            f"{at % width + 1} of {width}.",
            where=self._items.place(int(places[at // width]), self._column),
            fix="mend the vector, or write null where there is none",
        )


def _lengths(batch: pa.Array) -> np.ndarray:
    """Values of each list, 0 of nulls."""
    return pc.fill_null(pc.list_value_length(batch), 0).to_numpy()
