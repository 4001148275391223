"""A bounded sample of a stream of unknown length."""

import numpy as np


class EvenSample:
    """Every n-th row of a stream, `n` the power of 2 that keeps at most `limit`.

    The same stream gives the same rows, whatever the sizes of its batches.

    Args:
        limit: most rows to keep.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._step = 1
        self._seen = 0
        self._kept: list[np.ndarray] = []

    def add(self, rows: np.ndarray) -> None:
        """Takes the next rows of the stream, `[n, ...]`."""
        kept = rows[-self._seen % self._step :: self._step]
        self._seen += len(rows)
        self._kept.append(kept)
        while sum(map(len, self._kept)) > self._limit:
            self._kept = [self.rows()[::2]]
            self._step *= 2

    def rows(self) -> np.ndarray:
        """The rows kept, in the order of the stream.

        Raises:
            ValueError: nothing was added.
        """
        return np.concatenate(self._kept)
