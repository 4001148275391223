"""A small convolution whose kernel all coordinates share."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class InterestKernel(keras.layers.Layer):
    """`y_l = act(sum_{i < m} w_i x_{l+i})` along the last axis but one.

    `w` is one number a place, shared by all coordinates, and starts as a mean, `1 / m`.

    Args:
        width: places `m` of the kernel.
        activation: an activation of Keras.

    Input shape:
        `[..., L, K]`.

    Output shape:
        `[..., L - m + 1, K]`.

    Raises:
        ValueError: `width` is not positive.

    References:
        Guo et al., MISS, ICDE 2022 (arXiv 2111.15068); start and sharing are ours.
    """

    def __init__(self, width: int, activation: str = "relu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if width < 1:
            raise ValueError(f"`width` must be at least 1. Received: {width}")
        self.width = width
        self.activation = activation
        self._act = keras.activations.get(activation)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the kernel, `[m]`."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.width,),
            initializer=keras.initializers.Constant(1.0 / self.width),
        )

    def call(self, inputs: Any) -> Any:
        """Slides the kernel over the places."""
        kernel = ops.convert_to_tensor(self.kernel)
        stop = inputs.shape[-2] - self.width + 1
        return self._act(
            sum(kernel[i] * inputs[..., i : i + stop, :] for i in range(self.width))
        )

    def compute_output_shape(
        self, input_shape: tuple[Any, ...]
    ) -> tuple[int | None, ...]:
        """`[..., L - m + 1, K]`."""
        *front, length, width = input_shape
        return (*front, length - self.width + 1, width)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "width": self.width,
            "activation": self.activation,
        }
