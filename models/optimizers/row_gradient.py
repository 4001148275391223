"""The gradient of a table of which few rows took part in a step."""

from typing import Any

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class RowGradient:
    """Gradients of some rows of a variable; all other rows have none.

    On TensorFlow gathers give `tf.IndexedSlices`, which this class takes the place of
    within a step. On other backends gradients of tables are dense; a caller that knows
    the gradients of the gathered rows can pass them to our optimizers in this form.

    Args:
        rows: `[n]`, integers; a row may occur many times.
        values: `[n, ...]`, the gradient of each occurrence.
    """

    def __init__(self, rows: Any, values: Any) -> None:
        self.rows = rows
        self.values = values

    def summed(self) -> "RowGradient":
        """The sum over the occurrences of each row.

        A row may still stand there several times, but then only once with values other
        than zero. On TensorFlow each row stands there once, and those whose sum is zero
        are left out.
        """
        if keras.backend.backend() == "tensorflow":
            rows, place = tf.unique(self.rows)
            values = tf.math.unsorted_segment_sum(self.values, place, tf.size(rows))
            return _without_zeros(RowGradient(rows, values))
        rows = ops.convert_to_tensor(self.rows)
        order = ops.argsort(rows)
        rows = ops.take(rows, order)
        new = ops.concatenate([ops.ones((1,), "bool"), rows[1:] != rows[:-1]])
        place = ops.cumsum(ops.cast(new, "int32")) - 1
        sums = ops.segment_sum(
            ops.take(self.values, order, axis=0),
            place,
            num_segments=rows.shape[0],  # known, so that it compiles
            sorted=True,
        )
        first = ops.reshape(new, (-1, *(1 for _ in sums.shape[1:])))
        return RowGradient(rows, ops.where(first, ops.take(sums, place, axis=0), 0.0))

    def dense(self, shape: tuple[int, ...]) -> Any:
        """The gradient of the whole variable."""
        return ops.segment_sum(self.values, self.rows, num_segments=shape[0])

    def __truediv__(self, divisor: Any) -> "RowGradient":
        return RowGradient(self.rows, ops.divide(self.values, divisor))

    def __add__(self, table: Any) -> "RowGradient":
        """The sum with a whole table, of which rows of zeros are left out."""
        total = tf.tensor_scatter_nd_add(
            tf.convert_to_tensor(table), self.rows[:, None], self.values
        )
        return _without_zeros(RowGradient(tf.range(tf.shape(total)[0]), total))


def as_row_gradient(gradient: Any) -> Any:
    """IndexedSlices and row gradients, with duplicates summed; the rest as it is."""
    if keras.backend.backend() == "tensorflow" and isinstance(
        gradient, tf.IndexedSlices
    ):
        gradient = RowGradient(gradient.indices, gradient.values)
    return gradient.summed() if isinstance(gradient, RowGradient) else gradient


def map_values(function: Any, gradient: Any) -> Any:
    """Applies the function to the values of a gradient of either form."""
    if isinstance(gradient, RowGradient):
        return RowGradient(gradient.rows, function(gradient.values))
    return function(gradient)


def touched(values: Any) -> Any:
    """Which rows have a value other than zero; 1 in place of all axes but the first."""
    if len(values.shape) < 2:
        return ops.not_equal(values, 0)
    axes = tuple(range(1, len(values.shape)))
    return ops.any(ops.not_equal(values, 0), axis=axes, keepdims=True)


def _without_zeros(gradient: RowGradient) -> RowGradient:
    kept = tf.where(tf.reshape(touched(gradient.values), [-1]))[:, 0]
    return RowGradient(tf.gather(gradient.rows, kept), tf.gather(gradient.values, kept))
