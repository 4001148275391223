"""Which row of the table each row of the item data belongs to."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickwright.components.item_table.item_data import ItemData
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import DType, IdentityVocabulary, Vocabulary


class ItemRows:
    """The rows of item data, aligned with the ids of their entity.

    Args:
        data: the item data.
        entity: the feature whose ids they hold.
        column: column of the ids.
        ids: the ids, as many as the data have rows.
        rows: row of the table for each of them, int64; 0 is for unknown entities.
    """

    def __init__(
        self,
        data: ItemData,
        entity: str,
        column: str,
        ids: pa.Array,
        rows: np.ndarray,
    ) -> None:
        self.data = data
        self.entity = entity
        self.rows = rows
        self._column = column
        self._ids = ids

    @classmethod
    def align(
        cls,
        data: ItemData,
        entity: str,
        column: str,
        dtype: DType,
        vocabulary: Vocabulary,
        values: Sequence[str],
    ) -> Self:
        """Reads the ids and looks them up.

        Args:
            data: the item data.
            entity: the feature whose ids they hold.
            column: column of the ids.
            dtype: the feature's, int64 or string.
            vocabulary: its kind; identity is looked up by value.
            values: the vocabulary's values as text, in the order of their ids.

        Raises:
            DataError: the ids are of another type, one is absent or there twice, or
                none is in the vocabulary.
        """
        found = data.type_of(column, f"the entity `{entity}`")
        ids = data.whole(column)
        where = f"{data.path}, column `{column}`"
        fits = pa.types.is_integer if dtype == "int64" else _is_text
        if not fits(ids.type):
            raise DataError(
                f"The ids must be {dtype}, as those of `{entity}` in the log are. "
                f"Received: {found}, such as {ids[0].as_py()!r}.",
                where=where,
                fix=f"write the column as {dtype}, or change the `dtype` of `{entity}`",
            )
        if dtype == "string":
            empty = pc.fill_null(pc.equal(ids, ""), True)
        else:
            empty = ids.is_null()
            try:
                ids = ids.cast(pa.int64())
            except pa.ArrowInvalid as error:
                raise DataError(
                    f"The ids must be int64: {error}.",
                    where=where,
                    fix="write ids below 2^63",
                ) from error
        absent = pc.index(empty, True).as_py()
        if absent >= 0:
            raise DataError(
                f"Every row must have an id. Received: {ids[absent].as_py()!r}.",
                where=f"{data.place(absent)}, column `{column}`",
                fix="drop the row, or give it its id",
            )
        rows = _looked_up(ids, vocabulary, values)
        aligned = cls(data, entity, column, ids, rows)
        aligned.refuse_duplicates()
        if not rows.any():
            raise DataError(
                f"None of the {data.rows:,} ids is in the vocabulary of `{entity}`, "
                f"which has {len(values):,} values, such as {values[0]!r}. Received, "
                f"for one: {ids[0].as_py()!r}.",
                where=where,
                fix="give the item data of this log, with ids as the log has them",
            )
        return aligned

    @property
    def known(self) -> int:
        """Rows whose entity is in the vocabulary."""
        return int(np.count_nonzero(self.rows))

    def place(self, row: int, column: str) -> str:
        """Where a value stands: the file, the row, its id, the column."""
        told = f"{self.entity} {self._ids[row].as_py()!r}"
        return f"{self.data.place(row)} ({told}), column `{column}`"

    def refuse_duplicates(self) -> None:
        """Refuses an id that two rows have.

        Raises:
            DataError: names the id and both rows.
        """
        if pc.count_distinct(self._ids).as_py() == len(self._ids):
            return
        counts = self._ids.value_counts()
        twice = counts.field(0).filter(pc.greater(counts.field(1), 1))[0]
        first, second = np.flatnonzero(pc.equal(self._ids, twice).to_numpy(False))[:2]
        raise DataError(
            f"Each {self.entity} must have one row. Received: {twice.as_py()!r} in "
            f"{self.data.place(int(first))} and in {self.data.place(int(second))}.",
            where=f"{self.data.path}, column `{self._column}`",
            fix="drop all rows of an id but one",
        )


def _looked_up(
    ids: pa.Array, vocabulary: Vocabulary, values: Sequence[str]
) -> np.ndarray:
    if isinstance(vocabulary, IdentityVocabulary):
        numbers = ids.to_numpy()
        known = (numbers >= 0) & (numbers < vocabulary.size)
        return np.where(known, numbers + 1, 0)
    if pa.types.is_integer(ids.type):
        # Through text, as Transform looks integers up.
        ids = ids.cast(pa.large_string())
    found = pc.index_in(ids, value_set=pa.array(values, ids.type))
    return pc.fill_null(found.cast(pa.int64()), -1).to_numpy() + 1


def _is_text(dtype: pa.DataType) -> bool:
    return pa.types.is_string(dtype) or pa.types.is_large_string(dtype)
