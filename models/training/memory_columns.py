"""Columns that grow in memory."""

import collections
import math
import mmap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

_SLAB = 1 << 18
"""Rows that memory is taken for at a time."""


class MemoryColumns:
    """Collects rows, and makes one array a column of them without a second copy.

    Rows go into slabs that are mapped from the system one by one: what is freed goes
    back to it, while the memory of many small arrays would stay with the process.

    Attributes:
        nbytes: bytes of all rows.
    """

    def __init__(self) -> None:
        self.nbytes = 0
        self._rows = 0
        self._slabs: list[collections.deque[np.ndarray[Any, Any]]] = []

    def append(self, columns: Sequence[np.ndarray[Any, Any]]) -> None:
        """Adds some rows, given by column; each time the same columns."""
        if not self._slabs:
            self._slabs = [collections.deque() for _ in columns]
        self.nbytes += sum(column.nbytes for column in columns)
        done, rows = 0, len(columns[0])
        while done < rows:
            at = self._rows % _SLAB
            size = min(rows - done, _SLAB - at)
            for column, slabs in zip(columns, self._slabs, strict=True):
                if at == 0:
                    slabs.append(_mapped((_SLAB, *column.shape[1:]), column.dtype))
                slabs[-1][at : at + size] = column[done : done + size]
            self._rows += size
            done += size

    def drain(self) -> Iterator[list[np.ndarray[Any, Any]]]:
        """Gives the rows back, some at a time, and forgets them."""
        while self._rows:
            size = min(self._rows, _SLAB)
            yield [slabs.popleft()[:size] for slabs in self._slabs]
            self._rows -= size
        self.nbytes = 0

    def arrays(self) -> list[np.ndarray[Any, Any]]:
        """One array a column, of all rows, which are forgotten."""
        arrays = [
            np.empty((self._rows, *slabs[0].shape[1:]), slabs[0].dtype)
            for slabs in self._slabs
        ]
        done = 0
        for part in self.drain():
            for array in arrays[::-1]:
                slab = part.pop()
                array[done : done + len(slab)] = slab
                size = len(slab)
            done += size
        return arrays


def _mapped(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    pages = mmap.mmap(-1, math.prod(shape) * dtype.itemsize)
    return np.frombuffer(pages, dtype).reshape(shape)
