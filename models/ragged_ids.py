"""Lists of ids, one a row, without padding."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np


@dataclasses.dataclass(frozen=True)
class RaggedIds:
    """Lists of ids behind each other in one array.

    Attributes:
        values: ids of all lists, int32 `[ids]`.
        offsets: where each list begins, and where the last one ends, int64
            `[rows + 1]`.
    """

    values: np.ndarray[Any, Any]
    offsets: np.ndarray[Any, Any]

    @classmethod
    def of_lengths(cls, values: Any, lengths: Any) -> Self:
        """The lists of these lengths, one after the other."""
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return cls(np.asarray(values, np.int32), offsets)

    @classmethod
    def of_padded(cls, ids: np.ndarray[Any, Any]) -> Self:
        """The lists in `[rows, length]`, wherever the zeros between them stand."""
        there = ids != 0
        return cls.of_lengths(ids[there], there.sum(axis=1))

    @classmethod
    def of_pairs(cls, rows: Any, values: Any, count: int) -> Self:
        """What belongs to each of `count` rows, in the order given."""
        rows = np.asarray(rows)
        order = np.argsort(rows, kind="stable")
        return cls.of_lengths(
            np.asarray(values)[order], np.bincount(rows, minlength=count)
        )

    @classmethod
    def concatenated(cls, parts: Sequence["RaggedIds"]) -> Self:
        """The rows of all parts, one part after the other."""
        empty = np.empty(0, np.int32)
        return cls.of_lengths(
            np.concatenate([empty, *(part.values for part in parts)]),
            np.concatenate([empty, *(part.lengths for part in parts)]),
        )

    def __len__(self) -> int:
        """How many lists there are."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray[Any, Any]:
        """Ids in each list, `[rows]`."""
        return np.diff(self.offsets)

    def row_numbers(self) -> np.ndarray[Any, Any]:
        """The row of each value, `[ids]`."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, rows: Any) -> "RaggedIds":
        """Some of the rows, chosen by whatever indexes an array."""
        chosen = np.arange(len(self))[rows]
        lengths = self.lengths[chosen]
        ends = np.cumsum(lengths)
        # Place in `values`: the list's begin, and how far into the list.
        into = np.arange(ends[-1] if len(ends) else 0) - np.repeat(
            ends - lengths, lengths
        )
        places = np.repeat(self.offsets[chosen], lengths) + into
        return RaggedIds.of_lengths(self.values[places], lengths)

    def distinct(self) -> "RaggedIds":
        """Each list sorted, and each of its ids once."""
        keys = np.unique(self.row_numbers() << 32 | self.values)
        return RaggedIds.of_pairs(keys >> 32, keys & 0xFFFFFFFF, len(self))

    def without(self, ids: Any) -> "RaggedIds":
        """The lists less these ids."""
        kept = ~np.isin(self.values, ids)
        rows = self.row_numbers()[kept]
        return RaggedIds.of_lengths(
            self.values[kept], np.bincount(rows, minlength=len(self))
        )

    def last(self, length: int) -> np.ndarray[Any, Any]:
        """The latest ids of each list, padded on the left, int32 `[rows, length]`."""
        padded = np.zeros((len(self), length), np.int32)
        lengths = self.lengths
        # Places counted from the end of the list: the last id has 0.
        back = np.repeat(self.offsets[1:], lengths) - 1 - np.arange(len(self.values))
        kept = back < length
        padded[self.row_numbers()[kept], length - 1 - back[kept]] = self.values[kept]
        return padded
