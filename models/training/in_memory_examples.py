"""A split in arrays."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from clickwright.models.training.examples import BATCH_DTYPES, Batch, share_of
from clickwright.models.training.prefetched import prefetched

_BLOCK = 16_384
"""Rows next to each other that a shuffled epoch takes together from the disk."""
_WINDOW = 64
"""Most blocks that are shuffled into each other."""


class InMemoryExamples:
    """Rows in NumPy arrays, which may be mapped from files.

    A shuffled epoch is one permutation of all rows, up to a million. Of more it
    takes up to 64 blocks at a time, from anywhere in the split, and permutes the rows
    that these hold: rows far apart meet, yet the disk is read in pieces of some size.
    Arrays in memory and on disk give the same order.

    Args:
        features: arrays by input name, `[rows]` or `[rows, length]`.
        labels: 0 or 1, `[rows]`.
        weights: weight of each row, `[rows]`; 1 when absent.
        negative_sampling_rate: share of the rows with label 0 that a shuffled epoch
            sees; all others are in each.
    """

    def __init__(
        self,
        features: Mapping[str, np.ndarray[Any, Any]],
        labels: np.ndarray[Any, Any],
        weights: np.ndarray[Any, Any] | None = None,
        negative_sampling_rate: float = 1.0,
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
        self._rate = negative_sampling_rate
        starts = np.arange(0, len(self._labels), _BLOCK)
        self._sizes = np.diff(starts, append=len(self._labels))  # [blocks]
        self._negatives = np.zeros_like(self._sizes)  # [blocks]
        if self._rate < 1.0:
            self._negatives = np.add.reduceat(
                self._labels <= 0.5, starts, dtype=self._sizes.dtype
            )
        negatives = int(self._negatives.sum())
        self.rows = len(self._labels) - negatives + share_of(negatives, self._rate)

    def batches(
        self,
        batch_size: int,
        shuffle_seed: tuple[int, ...] | None = None,
        start: int = 0,
    ) -> Iterator[Batch]:
        """See `Examples.batches`."""
        first = start * batch_size
        if shuffle_seed is None:
            return prefetched(self._in_order(batch_size, first))
        return prefetched(self._shuffled(batch_size, shuffle_seed, first))

    def _in_order(self, batch_size: int, first: int) -> Iterator[Batch]:
        for at in range(first, len(self._labels), batch_size):
            rows = slice(at, at + batch_size)
            # Copies: of mapped files, what is read here need not be read by the step.
            yield Batch(
                {name: values[rows].copy() for name, values in self._features.items()},
                self._labels[rows].copy(),
                self._weights[rows].copy(),
            )

    def _shuffled(
        self, batch_size: int, seed: tuple[int, ...], first: int
    ) -> Iterator[Batch]:
        rest = np.empty(0, np.int64)
        for window in self._windows(seed, first):
            rows = np.concatenate([rest, window])
            whole = len(rows) - len(rows) % batch_size
            for at in range(0, whole, batch_size):
                yield self._take(rows[at : at + batch_size])
            rest = rows[whole:]
        if len(rest):
            yield self._take(rest)

    def _windows(
        self, seed: tuple[int, ...], first: int
    ) -> Iterator[np.ndarray[Any, Any]]:
        """Numbers of the rows of an epoch, some at a time, without the first ones."""
        blocks = np.arange(len(self._sizes))
        if len(blocks) > _WINDOW:
            blocks = np.random.default_rng((*seed, 0, 1)).permutation(blocks)
        seen = 0
        windows = np.array_split(blocks, math.ceil(len(blocks) / _WINDOW) or 1)
        for number, window in enumerate(windows):
            negatives = int(self._negatives[window].sum())
            kept = share_of(seen + negatives, self._rate) - share_of(seen, self._rate)
            seen += negatives
            size = int(self._sizes[window].sum()) - negatives + kept
            if first >= size:
                first -= size
                continue
            rows = np.concatenate(
                [np.arange(self._sizes[block]) + block * _BLOCK for block in window]
            )
            rng = np.random.default_rng((*seed, number))
            if self._rate < 1.0:
                clicked = self._labels[rows] > 0.5
                sampled = rng.permutation(rows[~clicked])[:kept]
                rows = np.concatenate([rows[clicked], sampled])
            yield rng.permutation(rows)[first:]
            first = 0

    def _take(self, rows: np.ndarray[Any, Any]) -> Batch:
        return Batch(
            {name: values.take(rows, 0) for name, values in self._features.items()},
            self._labels.take(rows),
            self._weights.take(rows),
        )
