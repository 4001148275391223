"""Rows of a file of outcomes, before they are checked."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import pyarrow as pa


@dataclasses.dataclass(frozen=True)
class BrokenRow:
    """A row that cannot be taken.

    Attributes:
        row: its number in the file, from 1; of a text file, the line.
        reason: what is wrong with it.
        content: what it held.
    """

    row: int
    reason: str
    content: Any


@dataclasses.dataclass(frozen=True)
class RowBatch:
    """Some rows of a file, in its order.

    Attributes:
        numbers: of each row in the file, from 1; of a text file, the line.
        columns: a value a row, of the columns that there are.
        broken: rows between these that are not even rows.
    """

    numbers: Sequence[int]
    columns: Mapping[str, pa.Array | Sequence[Any]]
    broken: Sequence[BrokenRow] = ()

    def part(self, start: int, stop: int) -> Self:
        """Some of the rows, without what is broken."""
        columns = {name: values[start:stop] for name, values in self.columns.items()}
        return dataclasses.replace(
            self, numbers=self.numbers[start:stop], columns=columns, broken=()
        )

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each row with its number."""
        lists = [
            column.to_pylist() if isinstance(column, pa.Array) else column
            for column in self.columns.values()
        ]
        for number, *values in zip(self.numbers, *lists, strict=True):
            yield number, dict(zip(self.columns, values, strict=True))
