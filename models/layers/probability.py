"""The last layer of every click model."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class Probability(keras.layers.Layer):
    """Sigmoid of a logit, in float32.

    Models end in one of these, so that training can take the logit in front of it:
    cross-entropy of a float32 probability has no gradient left once the sigmoid
    rounds to 0 or 1, while that of the logit always has.

    Args:
        dtype: dtype of the probability.

    Input shape:
        `[batch, 1]`, the logit.

    Output shape:
        `[batch]`, between 0 and 1.
    """

    def __init__(self, dtype: Any = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Squeezes and squashes."""
        return ops.sigmoid(ops.squeeze(inputs, axis=-1))  # [B]

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None]:
        """`[batch]`."""
        return (input_shape[0],)
