"""The second-order term of a factorization machine."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class FMInteraction(keras.layers.Layer):
    """Sum of the inner products of all pairs of fields.

    `sum_{i<j} <e_i, e_j> = 1/2 sum_d [(sum_f e_fd)^2 - sum_f e_fd^2]`, in float32
    unless told otherwise: half precision loses the difference of the two squares.

    Args:
        dtype: dtype of the computation.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, 1]`.

    Example:

    >>> FMInteraction()(np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])).numpy()
    array([[67.]], dtype=float32)

    References:
        Rendle, Factorization Machines, ICDM 2010, lemma 3.1.
    """

    def __init__(self, dtype: Any = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Half the difference between the square of the sum and the sum of squares."""
        square_of_sum = ops.square(ops.sum(inputs, axis=1))  # [B, D]
        sum_of_squares = ops.sum(ops.square(inputs), axis=1)  # [B, D]
        return 0.5 * ops.sum(square_of_sum - sum_of_squares, axis=1, keepdims=True)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, int]:
        """`[batch, 1]`."""
        return (input_shape[0], 1)
