"""The gated cross network of GDCN."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class GatedCrossNetwork(keras.layers.Layer):
    """Full-matrix cross layers whose crosses pass a gate.

    For `l = 1 .. layers`, with `x_0` the input:

    `x_l = x_0 * (W_l x_{l-1} + b_l) * sigmoid(G_l x_{l-1}) + x_{l-1}`.

    Matrices start Glorot-normal and biases uniform between 0 and 1, as in FuxiCTR.
    `W_l` and `G_l` are the halves of one kernel, `[N, 2 N]`.

    Args:
        layers: cross layers.

    Input shape:
        `[batch, N]`.

    Output shape:
        `[batch, N]`.

    Raises:
        ValueError: `layers` is not positive.

    References:
        Wang et al., Towards Deeper, Lighter and Interpretable Cross Network for CTR
        Prediction, CIKM 2023 (doi 10.1145/3583780.3615089).
    """

    def __init__(self, layers: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if layers < 1:
            raise ValueError(f"`layers` must be positive. Received: {layers}")
        self.layers = layers

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes a kernel and a bias a layer."""
        width = input_shape[-1]
        self.steps = [
            (
                self.add_weight(
                    name=f"kernel_{n}",
                    shape=(width, 2 * width),
                    initializer=keras.initializers.RandomNormal(stddev=width**-0.5),
                ),
                self.add_weight(
                    name=f"bias_{n}",
                    shape=(width,),
                    initializer=keras.initializers.RandomUniform(0.0, 1.0),
                ),
            )
            for n in range(self.layers)
        ]

    def call(self, inputs: Any) -> Any:
        """Runs the layers one after the other, with one matmul each."""
        x = inputs
        for kernel, bias in self.steps:
            cross, gate = ops.split(ops.matmul(x, kernel), 2, axis=-1)  # [B, N] each
            x = inputs * (cross + bias) * ops.sigmoid(gate) + x
        return x

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, N]`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "layers": self.layers}
