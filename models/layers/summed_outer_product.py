"""The outer product of the sum of all fields."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class SummedOuterProduct(keras.layers.Layer):
    """`s s^T`, `s = sum_f e_f`: the outer products of all pairs of fields, summed.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, D * D]`, row after row.

    Example:

    >>> SummedOuterProduct()(np.array([[[1.0, 2.0], [3.0, 4.0]]])).numpy()
    array([[16., 24., 24., 36.]], dtype=float32)

    References:
        Qu et al., Product-based Neural Networks for User Response Prediction,
        ICDM 2016 (arXiv 1611.00144), OPNN.
    """

    def call(self, inputs: Any) -> Any:
        """Sums the fields and multiplies the sum with itself."""
        total = ops.sum(inputs, axis=1)  # [B, D]
        outer = ops.expand_dims(total, 2) * ops.expand_dims(total, 1)  # [B, D, D]
        return ops.reshape(outer, (-1, outer.shape[1] * outer.shape[2]))

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, int]:
        """`[batch, D * D]`."""
        return (input_shape[0], (input_shape[2] or 0) ** 2)
