"""Layer normalization of embeddings, field by field."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class FieldNorm(keras.layers.Layer):
    """Layer-normalizes every field's embedding by itself.

    `y_f = gamma_f * (e_f - mean(e_f)) / sqrt(var(e_f) + epsilon) + beta_f`, where mean
    and variance run over the `D` values of one field of one row, in float32; every
    field has a `gamma` and a `beta` of its own, starting at one and zero.

    Args:
        epsilon: added to the variance.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, F, D]`.

    References:
        Wang et al., MaskNet, DLP-KDD 2021 (arXiv 2102.07619), section 3.2.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes `gamma` and `beta`, `[F, D]` each."""
        shape = input_shape[1:]
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Centres, scales, and gives every field its own range."""
        x = ops.cast(inputs, "float32")
        mean, variance = ops.moments(x, axes=-1, keepdims=True)  # [B, F, 1]
        x = (x - mean) * ops.rsqrt(variance + self.epsilon)
        return ops.cast(x, self.compute_dtype) * self.gamma + self.beta

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, F, D]`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "epsilon": self.epsilon}
