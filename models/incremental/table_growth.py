"""Which rows of an old table those of a larger one start from."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import tensorflow as tf

from clickwright.schemas.spec import PADDING_ID


@dataclasses.dataclass(frozen=True)
class TableGrowth:
    """A table of ids: padding, the values of a vocabulary, rows of unknown values.

    Attributes:
        old_rows: rows of the old table.
        source: of each new row the old row of the same meaning; of a new value the row
            that the old table had for it, that of its hash among the unknown ones.
            int64 `[rows]`.
        new: whether a row is of a value that the old table does not know, `[rows]`.
    """

    old_rows: int
    source: np.ndarray[Any, Any]
    new: np.ndarray[Any, Any]

    @classmethod
    def of(cls, old: Sequence[str], values: Sequence[str], oov_buckets: int) -> Self:
        """The growth from one vocabulary to another.

        Args:
            old: values of the old vocabulary, in the order of their ids.
            values: those of the new one.
            oov_buckets: rows of unknown values.
        """
        place = {value: n for n, value in enumerate(old, PADDING_ID + 1)}
        first = PADDING_ID + 1 + len(old)
        known = np.array([place.get(value, 0) for value in values], np.int64)
        new = known == 0
        if new.any():
            texts = [
                value.encode("utf-8", "surrogateescape")
                for value, fresh in zip(values, new.tolist(), strict=True)
                if fresh
            ]
            # As tables look unknown values up.
            hashed = tf.strings.to_hash_bucket_fast(texts, oov_buckets).numpy()
            known[new] = first + hashed
        unknown = np.arange(first, first + oov_buckets)
        return cls(
            first + oov_buckets,
            np.concatenate([[PADDING_ID], known, unknown]),
            np.concatenate([[False], new, np.zeros(oov_buckets, bool)]),
        )

    @property
    def changed(self) -> bool:
        """Whether any row has moved, or is new."""
        same = len(self.source) == self.old_rows
        return not (same and (self.source == np.arange(self.old_rows)).all())
