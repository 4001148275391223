"""Weights of the fields, learned from the fields themselves."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class SqueezeExcitation(keras.layers.Layer):
    """Multiplies each field by a weight that depends on all of them (SENet).

    `V_f = a_f E_f` with `a = relu(W_2 relu(W_1 z))` and `z_f` the mean of field `f`'s
    embedding; `W_1` is `max(1, int(F / reduction_ratio))` wide. No biases; kernels
    start Glorot-normal.

    Args:
        reduction_ratio: how many times narrower than the fields the middle is.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, F, D]`.

    Raises:
        ValueError: `reduction_ratio` is not positive.

    References:
        Huang et al., FiBiNET, RecSys 2019 (arXiv 1905.09433), section 3.3.
    """

    def __init__(self, reduction_ratio: float = 3.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if reduction_ratio <= 0.0:
            raise ValueError(
                f"`reduction_ratio` must be positive. Received: {reduction_ratio}"
            )
        self.reduction_ratio = reduction_ratio

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes the two kernels."""
        fields = input_shape[1]
        middle = max(1, int(fields / self.reduction_ratio))
        self.squeeze = self.add_weight(
            name="squeeze", shape=(fields, middle), initializer="glorot_normal"
        )
        self.excite = self.add_weight(
            name="excite", shape=(middle, fields), initializer="glorot_normal"
        )

    def call(self, inputs: Any) -> Any:
        """Averages, squeezes, excites and weighs."""
        means = ops.mean(inputs, axis=-1)  # [B, F]
        shares = ops.relu(
            ops.matmul(ops.relu(ops.matmul(means, self.squeeze)), self.excite)
        )  # [B, F]
        return inputs * ops.expand_dims(shares, -1)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, F, D]`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "reduction_ratio": self.reduction_ratio}
