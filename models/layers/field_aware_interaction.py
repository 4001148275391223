"""The second-order term of a field-aware factorization machine."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class FieldAwareInteraction(keras.layers.Layer):
    """`sum_{i<j} <v_{i->j}, v_{j->i}>`: each field has one vector for each other field.

    A field's vectors lie one after the other, in the order of the other fields, its own
    left out. In float32 unless told otherwise.

    Args:
        dtype: dtype of the computation.

    Input shape:
        `[batch, F, (F - 1) * D]`.

    Output shape:
        `[batch, 1]`.

    Example:

    >>> FieldAwareInteraction()(np.array([[[1.0, 2.0], [3.0, 4.0]]])).numpy()
    array([[11.]], dtype=float32)

    Raises:
        ValueError: fewer than two fields, or a width that `F - 1` does not divide.

    References:
        Juan et al., Field-aware Factorization Machines for CTR Prediction, RecSys
        2016.
    """

    def __init__(self, dtype: Any = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks the shape."""
        _, fields, width = input_shape
        if fields is None or fields < 2 or width is None or width % (fields - 1):
            raise ValueError(
                "The input of FieldAwareInteraction must be `[batch, F, (F - 1) * D]` "
                f"with at least two fields. Received the shape: {input_shape}"
            )

    def call(self, inputs: Any) -> Any:
        """Lays the vectors in a square, fields by other fields, and folds it."""
        fields, width = inputs.shape[1], inputs.shape[2]
        dim = width // (fields - 1)
        # In a square read row by row, F values lie between two of the diagonal: with a
        # gap after every F of them, and one in front, the diagonal is empty.
        square = ops.reshape(inputs, (-1, fields - 1, fields * dim))
        square = ops.pad(square, ((0, 0), (0, 0), (0, dim)))
        square = ops.reshape(square, (-1, (fields * fields - 1) * dim))
        square = ops.pad(square, ((0, 0), (dim, 0)))
        square = ops.reshape(square, (-1, fields, fields, dim))  # [B, F, F, D]
        mirrored = ops.transpose(square, (0, 2, 1, 3))
        return ops.expand_dims(0.5 * ops.sum(square * mirrored, axis=(1, 2, 3)), -1)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, int]:
        """`[batch, 1]`."""
        return (input_shape[0], 1)
