"""A row a bucket."""

import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.gather_rows import gather_rows
from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder


@keras.saving.register_keras_serializable(package="clickwright")
class Buckets(NumericEncoder):
    """The row of the bucket that a value is in, by one gather for all fields.

    A field with `K` boundaries has `K + 1` buckets; `x` is in bucket `i` when `i` of
    the boundaries are `<= x`. The rows of all fields lie one after the other in one
    table, those of missing values after them: `(sum_f K_f + 2 F) D` parameters.
    Boundaries and values are compared in float32.

    Args:
        names: see `NumericEncoder`, as all arguments.

    Input shape:
        `[batch, F]`, NaN where a value is missing.

    Output shape:
        `[batch, F, width]`.

    Raises:
        ValueError: there are no fields, or encodings that do not belong together.
    """

    kind = "buckets"
    per_field = frozenset({"boundaries"})

    def build(self, input_shape: Any) -> None:
        """Makes the table, `[rows, D]`."""
        sizes = [len(e.boundaries) + 1 for e in self.encodings]
        *first, rows = itertools.accumulate(sizes, initial=0)
        self._first = np.array(first, np.int32)  # [F]
        self._of_missing = rows + np.arange(len(sizes), dtype=np.int32)  # [F]
        self._bins = max(sizes)
        self.table = self.add_embeddings("table", (rows + len(sizes), self.width))

    def call(self, values: Any, training: bool | None = None) -> Any:
        """Finds the buckets, and gathers their rows."""
        x, missing = self.known(values)
        rows = ops.where(missing, self._of_missing, self._first + self._buckets(x))
        return ops.cast(gather_rows(self.table, rows), self.compute_dtype)

    def weigh(self, x: Any) -> Any:
        """1 for the bucket of the value, 0 for others."""
        return ops.one_hot(self._buckets(x), self._bins, dtype="float32")

    def _buckets(self, x: Any) -> Any:
        return bins_of(x, [e.boundaries for e in self.encodings])


def bins_of(x: Any, boundaries: Any) -> Any:
    """How many boundaries of its field are `<= x`, int32 `[batch, F]`."""
    found = [
        ops.digitize(x[:, f], np.array(of_field, np.float32))
        for f, of_field in enumerate(boundaries)
    ]
    return ops.cast(ops.stack(found, axis=1), "int32")
