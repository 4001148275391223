"""A tower of dense layers."""

from collections.abc import Sequence
from typing import Any

import keras

from clickwright.models.layers.batch_norm import BatchNorm
from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class MLP(keras.layers.Layer):
    """Dense, normalization, activation, dropout; once for each width.

    Normalization has epsilon 1e-5, that of batches momentum 0.9, and kernels are
    Glorot-normal: what published click-model figures were trained with, and not the
    defaults of Keras. Layer normalization runs in float32.

    Args:
        units: widths `h_1 .. h_n` of the layers.
        activation: activation of every layer.
        batch_norm: whether layers are batch-normalized.
        dropout: share of the activations dropped in training.
        kernel_initializer: initializer of the kernels; biases start at zero.
        layer_norm: whether layers are normalized an example, over their units.

    Input shape:
        `[batch, N]`.

    Output shape:
        `[batch, h_n]`.

    Example:

    >>> tuple(MLP((400, 400))(np.zeros((8, 100), "float32")).shape)
    (8, 400)

    Raises:
        ValueError: both kinds of normalization are asked for.
    """

    def __init__(
        self,
        units: Sequence[int],
        activation: str = "relu",
        batch_norm: bool = True,
        dropout: float = 0.0,
        kernel_initializer: str = "glorot_normal",
        layer_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if batch_norm and layer_norm:
            raise ValueError(
                "At most one of `batch_norm` and `layer_norm` must be set. Received: both."
            )
        self.units = tuple(units)
        self.activation = activation
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.kernel_initializer = kernel_initializer
        self.layer_norm = layer_norm
        self.steps: list[Any] = []
        policy = self.dtype_policy
        for n, width in enumerate(self.units):
            self.steps.append(
                keras.layers.Dense(
                    width,
                    kernel_initializer=kernel_initializer,
                    dtype=policy,
                    name=f"dense_{n}",
                )
            )
            if batch_norm:
                self.steps.append(BatchNorm(dtype=policy, name=f"norm_{n}"))
            if layer_norm:
                self.steps.append(
                    keras.layers.LayerNormalization(
                        epsilon=1e-5, dtype="float32", name=f"norm_{n}"
                    )
                )
            self.steps.append(
                keras.layers.Activation(activation, dtype=policy, name=f"act_{n}")
            )
            if dropout > 0.0:
                self.steps.append(Dropout(dropout, dtype=policy, name=f"drop_{n}"))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Builds every layer on the shape that the one before it gives."""
        shape = input_shape
        for step in self.steps:
            step.build(shape)
            shape = step.compute_output_shape(shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Runs the layers one after the other."""
        x = inputs
        for step in self.steps:
            x = step(x, training=training) if _has_modes(step) else step(x)
        return x

    def after_first(self, x: Any) -> Any:
        """Goes on from what the first dense layer gave, as in scoring."""
        for step in self.steps[1:]:
            x = step(x, training=False) if _has_modes(step) else step(x)
        return x

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, h_n]`."""
        return (*input_shape[:-1], self.units[-1] if self.units else input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "units": list(self.units),
            "activation": self.activation,
            "batch_norm": self.batch_norm,
            "dropout": self.dropout,
            "kernel_initializer": self.kernel_initializer,
            "layer_norm": self.layer_norm,
        }


def _has_modes(layer: Any) -> bool:
    return isinstance(layer, BatchNorm | Dropout)
