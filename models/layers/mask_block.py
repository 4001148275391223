"""A block of MaskNet: a dense layer on inputs masked by the embeddings."""

from collections.abc import Mapping
from typing import Any

import keras

from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class MaskBlock(keras.layers.Layer):
    """Masks its input by what the embeddings say, then runs a dense layer on it.

    `m = W_2 relu(W_1 v + b_1) + b_2` and `output = dropout(act(norm(W (m * h))))`,
    with `v` the embeddings and `h` the hidden values of width `H`. `W_1` is
    `reduction_ratio * H` wide (the ratio multiplies) and `W` has no bias. Kernels
    start Glorot-normal, biases at zero.

    Args:
        units: width of the output.
        reduction_ratio: width of the mask's middle, as a multiple of `H`.
        activation: activation of the output.
        layer_norm: whether it is layer-normalized first (epsilon 1e-5).
        dropout: share of the output dropped in training.

    Input shape:
        Dict of `embeddings`, `[batch, N]`, and `hidden`, `[batch, H]`.

    Output shape:
        `[batch, units]`.

    Raises:
        ValueError: `units` or `reduction_ratio` is not positive.

    References:
        Wang et al., MaskNet, DLP-KDD 2021 (arXiv 2102.07619), sections 3.3 and 3.4.
    """

    def __init__(
        self,
        units: int,
        reduction_ratio: float = 2.0,
        activation: str = "relu",
        layer_norm: bool = True,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be positive. Received: {units}")
        if reduction_ratio <= 0.0:
            raise ValueError(
                f"`reduction_ratio` must be positive. Received: {reduction_ratio}"
            )
        self.units = units
        self.reduction_ratio = reduction_ratio
        self.activation = activation
        self.layer_norm = layer_norm
        self.dropout = dropout

    def build(self, input_shape: Mapping[str, tuple[Any, ...]]) -> None:
        """Makes the mask's two dense layers and those of the output."""
        batch, hidden = input_shape["hidden"]
        middle = max(1, int(hidden * self.reduction_ratio))
        policy = self.dtype_policy

        def dense(units: int, name: str, **arguments: Any) -> Any:
            return keras.layers.Dense(
                units,
                kernel_initializer="glorot_normal",
                dtype=policy,
                name=name,
                **arguments,
            )

        self.mask_in = dense(middle, "mask_in", activation="relu")
        self.mask_in.build(input_shape["embeddings"])
        self.mask_out = dense(hidden, "mask_out")
        self.mask_out.build((batch, middle))
        self.dense = dense(self.units, "dense", use_bias=False)
        self.dense.build((batch, hidden))
        if self.layer_norm:
            self.norm = keras.layers.LayerNormalization(
                epsilon=1e-5, dtype=policy, name="norm"
            )
            self.norm.build((batch, self.units))
        self.act = keras.layers.Activation(self.activation, dtype=policy, name="act")
        self.drop = Dropout(self.dropout, dtype=policy, name="drop")

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Masks, and runs the dense layer."""
        mask = self.mask_out(self.mask_in(inputs["embeddings"]))  # [B, H]
        x = self.dense(mask * inputs["hidden"])  # [B, units]
        if self.layer_norm:
            x = self.norm(x)
        return self.drop(self.act(x), training=training)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, int]:
        """`[batch, units]`."""
        return (input_shape["hidden"][0], self.units)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "reduction_ratio": self.reduction_ratio,
            "activation": self.activation,
            "layer_norm": self.layer_norm,
            "dropout": self.dropout,
        }
