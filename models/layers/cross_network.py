"""The cross network of DCN."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class CrossNetwork(keras.layers.Layer):
    """Cross layers with one weight vector each.

    For `l = 1 .. layers`, with `x_0` the input: `x_l = x_0 (w_l . x_{l-1}) + b_l +
    x_{l-1}`; the bias stands outside the product. Every `x_l` is `a_l x_0 + b_1 + ..
    + b_l` with one number `a_l` a row, so the rows meet the weights of all layers in
    one matmul. Weights start Glorot-normal for `N` inputs and one output, biases at
    zero.

    Args:
        layers: cross layers, `L`.

    Input shape:
        `[batch, N]`.

    Output shape:
        `[batch, N]`.

    Raises:
        ValueError: `layers` is not positive.

    References:
        Wang et al., Deep & Cross Network for Ad Click Predictions, ADKDD 2017
        (arXiv 1708.05123), section 2.2.
    """

    def __init__(self, layers: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if layers < 1:
            raise ValueError(f"`layers` must be positive. Received: {layers}")
        self.layers = layers

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes a weight vector (a column) and a bias (a row) a layer."""
        width = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(width, self.layers),
            initializer=keras.initializers.RandomNormal(
                stddev=(2.0 / (width + 1)) ** 0.5
            ),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.layers, width), initializer="zeros"
        )

    def call(self, inputs: Any) -> Any:
        """Carries `a_l` from layer to layer."""
        products = ops.matmul(inputs, self.kernel)  # [B, L], w_l . x_0
        biases = ops.cumsum(self.bias, axis=0)  # [L, N], b_1 + .. + b_l
        crossed = ops.matmul(biases[:-1], self.kernel)  # [L - 1, L]
        scale = 1.0 + products[:, :1]  # [B, 1]
        for n in range(1, self.layers):
            scale = scale * (1.0 + products[:, n : n + 1]) + crossed[n - 1, n]
        return inputs * scale + biases[-1]  # [B, N]

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, N]`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "layers": self.layers}
