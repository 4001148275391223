"""A split that fits into memory."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from clickwright.models.training.examples import BATCH_DTYPES, Batch


class InMemoryExamples:
    """Rows in NumPy arrays; every epoch is a new permutation of all of them.

    Args:
        features: arrays by input name, `[rows]` or `[rows, length]`.
        labels: 0 or 1, `[rows]`.
        weights: weight of each row, `[rows]`; 1 when absent.
    """

    def __init__(
        self,
        features: Mapping[str, np.ndarray[Any, Any]],
        labels: np.ndarray[Any, Any],
        weights: np.ndarray[Any, Any] | None = None,
    ) -> None:
        self._features = {
            name: values.astype(BATCH_DTYPES[values.dtype.kind], copy=False)
            for name, values in features.items()
        }
        self._labels = np.asarray(labels, np.float32)
        self._weights = (
            np.ones(len(self._labels), np.float32)
            if weights is None
            else np.asarray(weights, np.float32)
        )
        self.rows = len(self._labels)

    def batches(
        self,
        batch_size: int,
        shuffle_seed: tuple[int, ...] | None = None,
        start: int = 0,
    ) -> Iterator[Batch]:
        """See `Examples.batches`."""
        order = (
            None
            if shuffle_seed is None
            else np.random.default_rng(shuffle_seed).permutation(self.rows)
        )
        for first in range(start * batch_size, self.rows, batch_size):
            last = first + batch_size
            at: Any = slice(first, last) if order is None else order[first:last]
            yield Batch(
                {name: values[at] for name, values in self._features.items()},
                self._labels[at],
                self._weights[at],
            )
