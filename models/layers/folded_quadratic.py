"""A residual quadratic layer with rows and norm multiplied out, for serving."""

from typing import Any, Self

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.quadratic import Quadratic


@keras.saving.register_keras_serializable(package="clickwright")
class FoldedQuadratic(keras.layers.Layer):
    """What a trained `Quadratic` computes outside training, by one matrix.

    With the norm's scale `s = gamma / sqrt(variance + epsilon)`:

        `W = sum_r W_r diag(s)`, `b = sum_r b_r * s`, `c = beta - mean * s`
        `y = prelu(x * (x W + b) + c) + x`

    Input shape:
        `[batch, N]`.

    Output shape:
        `[batch, N]`.
    """

    @classmethod
    def of(cls, layer: Quadratic) -> Self:
        """The folded form of a built layer, with its name."""
        kernel, bias, alpha = (
            np.asarray(ops.convert_to_numpy(w), np.float64)
            for w in (*layer.project.weights, layer.activation.alpha)
        )
        gamma, beta, mean, variance = (
            np.asarray(ops.convert_to_numpy(w), np.float64)
            for w in (
                layer.norm.gamma,
                layer.norm.beta,
                layer.norm.moving_mean,
                layer.norm.moving_variance,
            )
        )
        width = len(gamma)
        scale = gamma / np.sqrt(variance + layer.norm.epsilon)
        folded = cls(dtype=layer.dtype_policy.name, name=layer.name)
        folded.build((None, width))
        folded.set_weights(
            [
                kernel.reshape(width, layer.rows, width).sum(axis=1) * scale,
                bias.reshape(layer.rows, width).sum(axis=0) * scale,
                beta - mean * scale,
                alpha,
            ]
        )
        return folded

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes `W`, `b`, `c` and the slope."""
        width = input_shape[-1]
        shapes = {
            "kernel": (width, width),
            "bias": (width,),
            "offset": (width,),
            "alpha": (1,),
        }
        self.kernel, self.bias, self.offset, self.alpha = (
            self.add_weight(
                name=name, shape=shape, initializer="zeros", trainable=False
            )
            for name, shape in shapes.items()
        )

    def call(self, inputs: Any) -> Any:
        """Multiplies, activates and adds."""
        z = inputs * (ops.matmul(inputs, self.kernel) + self.bias) + self.offset
        return ops.relu(z) - self.alpha * ops.relu(-z) + inputs

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, N]`."""
        return tuple(input_shape)
