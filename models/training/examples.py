"""The rows of one split, as training reads them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

BATCH_DTYPES: Mapping[str, str] = {"i": "int32", "f": "float32"}
"""Dtype of a batch's ids and values, by kind; int32 ids take half of int64's memory."""


class Batch(NamedTuple):
    """Some rows: NumPy arrays or TensorFlow tensors.

    Attributes:
        features: int32 ids and float32 values by input name, `[rows]` or
            `[rows, length]`.
        labels: float32 `[rows]`, 0 or 1.
        weights: float32 `[rows]`; 0 where the label is absent.
    """

    features: Mapping[str, Any]
    labels: Any
    weights: Any


class Examples(Protocol):
    """The rows of one split.

    Attributes:
        rows: how many a shuffled epoch holds: all, or with sampled negatives fewer.
    """

    rows: int

    def batches(
        self,
        batch_size: int,
        shuffle_seed: tuple[int, ...] | None = None,
        start: int = 0,
    ) -> Iterator[Batch]:
        """Goes through the rows once; the last batch may be smaller.

        The next batch is prepared while the caller works on one. Breaking off early
        leaves nothing running.

        Args:
            batch_size: rows a batch.
            shuffle_seed: decides the order of the rows and which negatives are
                sampled; None goes through all rows, in an order that is always the
                same.
            start: leaves out this many batches; the rest is what it is without.
        """
        ...


def cut(batch: Batch, rows: Any) -> Batch:
    """Some rows of a batch of arrays, chosen by whatever indexes an array."""
    features = {name: values[rows] for name, values in batch.features.items()}
    return Batch(features, batch.labels[rows], batch.weights[rows])


def share_of(count: int, rate: float) -> int:
    """How many of `count` rows are sampled.

    A share of each part of the rows, `share_of(seen + part) - share_of(seen)`, sums
    to the share of all.
    """
    return math.floor(rate * count + 0.5)
