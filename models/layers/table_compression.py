"""What all ways to make an embedding table smaller have in common."""

import abc
from typing import Annotated, Any

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel


class TableCompression(StrictModel, abc.ABC):
    """Keeps a large table in fewer rows; an embedding is a sum of several of them.

    Written in the operators that the tensors of every backend have, so that
    configurations are read without Keras.
    """

    collisions: Annotated[int, Field(ge=2, le=1_000_000)] = 4
    """Ids that share a row (Shi et al.'s main setting): the table shrinks about as
    much."""
    min_rows: Annotated[int, Field(ge=1)] = 10_000
    """Tables of fewer rows stay whole."""

    @property
    @abc.abstractmethod
    def lookups(self) -> int:
        """Rows that one embedding is the sum of."""

    @abc.abstractmethod
    def kept_rows(self, rows: int) -> int:
        """Rows that are kept of a table of `rows` ids when it is compressed."""

    @abc.abstractmethod
    def rows_of(self, ids: Any, tables: Any) -> list[Any]:
        """Returns the kept rows of ids, counted from the start of their table.

        Args:
            ids: int32, `[batch, T]`.
            tables: ids of the table that each column indexes, int32 NumPy `[T]`.

        Returns:
            `lookups` tensors, int32, `[batch, T]`.
        """

    def shrinks(self, rows: int) -> bool:
        """Whether a table of `rows` ids is compressed at all."""
        return rows >= self.min_rows and self.kept_rows(rows) < rows

    def _shared_rows(self, rows: Any) -> Any:
        """Rows when `collisions` ids share each."""
        return -(-rows // self.collisions)
