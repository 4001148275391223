"""Rows at knots, with linear interpolation between."""

import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.gather_rows import gather_rows
from clickwright.models.layers.numeric.buckets import bins_of
from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder

MANY = 128
"""Boundaries from which on two rows are gathered. Below, a matrix product of all rows
takes a sixth of the time: the gradient of a gather is a scatter."""


@keras.saving.register_keras_serializable(package="clickwright")
class PiecewiseLinear(NumericEncoder):
    """The line between the rows of the two boundaries around a value.

    A field with `K` boundaries `b_1 .. b_K` has a row `e_i` at each. For `x` between
    `b_i` and `b_{i+1}`, the embedding is `(1 - t) e_i + t e_{i+1}` with
    `t = (x - b_i) / (b_{i+1} - b_i)`; beyond the outer boundaries it is their row. It
    is continuous in `x`. The rows of all fields lie one after the other in one table,
    those of missing values after them: `(sum_f K_f + F) D` parameters.
    Positions are float32.

    Args:
        names: see `NumericEncoder`, as all arguments.

    Input shape:
        `[batch, F]`, NaN where a value is missing.

    Output shape:
        `[batch, F, width]`.

    Raises:
        ValueError: there are no fields, or encodings that do not belong together.

    References:
        Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep
        Learning, NeurIPS 2022 (arXiv 2203.05556), whose piecewise-linear code times a
        matrix is this with the differences of neighbouring rows for its rows.
    """

    kind = "piecewise_linear"
    per_field = frozenset({"boundaries"})

    def build(self, input_shape: Any) -> None:
        """Makes the table, `[rows, D]`."""
        sizes = [len(e.boundaries) for e in self.encodings]
        *first, rows = itertools.accumulate(sizes, initial=0)
        self._first = np.array(first, np.int32)  # [F]
        self._last_line = np.array(sizes, np.int32) - 2  # [F]
        self._of_missing = rows + np.arange(len(sizes), dtype=np.int32)  # [F]
        self._bins = max(sizes)
        # Lines that a field has not got start at 0 and have no slope.
        self._low = np.zeros((len(sizes), self._bins - 1), np.float32)  # [F, K - 1]
        self._slope = np.zeros_like(self._low)
        for field, encoding in enumerate(self.encodings):
            b = np.array(encoding.boundaries, np.float32)
            width = np.diff(b)
            self._low[field, : len(width)] = b[:-1]
            # Two boundaries may be one in float32.
            self._slope[field, : len(width)] = np.divide(
                1.0, width, where=width > 0, out=np.zeros_like(width)
            )
        self.table = self.add_embeddings("table", (rows + len(sizes), self.width))

    def call(self, values: Any, training: bool | None = None) -> Any:
        """Interpolates: with few boundaries between all rows, else between two."""
        x, missing = self.known(values)
        if self._bins > MANY:
            return ops.cast(self._between_two(x, missing), self.compute_dtype)
        padded = np.minimum(
            self._first[:, None] + np.arange(self._bins), self._of_missing[0]
        )  # [F, K]; rows beyond a field's own have no weight
        mixed = self.mix(self._weights(x), gather_rows(self.table, padded))
        of_missing = gather_rows(self.table, self._of_missing)  # [F, D]
        return ops.where(
            ops.expand_dims(missing, -1), ops.cast(of_missing, mixed.dtype), mixed
        )

    def weigh(self, x: Any) -> Any:
        """`1 - t` for the boundary below the value, `t` for the one above."""
        return ops.transpose(self._weights(x), (1, 0, 2))

    def _weights(self, x: Any) -> Any:
        """How much each row counts, `[F, B, K]`."""
        low, slope = self._low[:, None], self._slope[:, None]
        # How far a value has come on each line: 1 on those below it, 0 above.
        done = ops.clip((self.by_field(x) - low) * slope, 0.0, 1.0)  # [F, B, K - 1]
        before = ops.pad(done, ((0, 0), (0, 0), (1, 0)), constant_values=1.0)
        after = ops.pad(done, ((0, 0), (0, 0), (0, 1)))
        return before - after

    def _between_two(self, x: Any, missing: Any) -> Any:
        """Gathers the two rows around each value, and interpolates."""
        left = bins_of(x, [e.boundaries for e in self.encodings]) - 1
        left = ops.clip(left, 0, self._last_line)  # [B, F]
        line = left + np.arange(len(self.names)) * (self._bins - 1)
        t = x - ops.take(self._low.ravel(), line)
        t = ops.clip(t * ops.take(self._slope.ravel(), line), 0.0, 1.0)
        left = left + self._first
        rows = ops.stack([left, left + 1], axis=1)  # [B, 2, F]
        rows = ops.where(ops.expand_dims(missing, 1), self._of_missing, rows)
        ends = gather_rows(self.table, rows)  # [B, 2, F, D]
        t = ops.expand_dims(t, -1)
        return (1.0 - t) * ends[:, 0] + t * ends[:, 1]
