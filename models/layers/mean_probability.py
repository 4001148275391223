"""The logit of several predictors' mean probability."""

from typing import Any

import keras
from keras import ops

from clickwright.models.layers.mean_probability_logit import mean_probability_logit


@keras.saving.register_keras_serializable(package="clickwright")
class MeanProbability(keras.layers.Layer):
    """`logit(mean_k sigmoid(z_k))`, in float32 unless told otherwise.

    Its sigmoid is the mean of the probabilities, which is not the sigmoid of the mean
    logit.

    Args:
        dtype: dtype of the computation.

    Input shape:
        `[batch, K]`, logits.

    Output shape:
        `[batch, 1]`.
    """

    def __init__(self, dtype: Any = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Averages in the space of probabilities, without leaving that of logits."""
        return ops.expand_dims(mean_probability_logit(inputs), -1)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, int]:
        """`[batch, 1]`."""
        return (input_shape[0], 1)
