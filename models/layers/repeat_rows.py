"""One row, as often as another tensor has rows."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class RepeatRows(keras.layers.Layer):
    """Repeats a batch of one row until it is as large as another batch.

    Input shape:
        A pair: `[1, ...]`, and `[batch, ...]`, of which the batch alone counts.

    Output shape:
        `[batch, ...]`, as the first.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Sequence[Any]) -> Any:
        """Repeats the row."""
        row, other = inputs
        return ops.broadcast_to(row, (ops.shape(other)[0], *row.shape[1:]))

    def compute_output_spec(self, inputs: Sequence[Any]) -> keras.KerasTensor:
        """The first one's dtype; `[batch, ...]`."""
        row, other = inputs
        shape = self.compute_output_shape([row.shape, other.shape])
        return keras.KerasTensor(shape, row.dtype)

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[batch, ...]`."""
        row, other = input_shape
        return (other[0], *row[1:])
