"""A residual layer whose input is multiplied by an affine map of itself."""

from typing import Any

import keras
from keras import ops

from clickwright.models.layers.batch_norm import BatchNorm
from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class Quadratic(keras.layers.Layer):
    """Residual quadratic layer of several rows.

        `z = sum_r x * dropout(x W_r + b_r)`
        `y = dropout(prelu(BN(z))) + x`

    The PReLU has one slope for all values, 0.25 at the start. Nothing stands between
    the rows and their sum, so that a trained layer of any `rows` equals one of a
    single row (`FoldedQuadratic`): rows add noise by dropout, and ways to descend.

    Args:
        rows: affine maps that are summed, `R`.
        dropout: share of the maps' values, and of the activations, dropped in
            training.

    Input shape:
        `[batch, N]`.

    Output shape:
        `[batch, N]`.

    Raises:
        ValueError: `rows` is not positive, or the width of the input is not known.

    References:
        Li et al., Quadratic Interest Network for Multimodal Click-Through Rate
        Prediction, WWW 2025 (arXiv 2504.15699).
    """

    def __init__(self, rows: int = 1, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if rows < 1:
            raise ValueError(f"`rows` must be at least 1. Received: {rows}")
        self.rows = rows
        self.dropout = dropout
        policy = self.dtype_policy
        self.norm = BatchNorm(dtype=policy, name="norm")
        self.activation = keras.layers.PReLU(
            alpha_initializer=keras.initializers.Constant(0.25),
            shared_axes=[1],
            dtype=policy,
            name="prelu",
        )
        self.drop_rows = Dropout(dropout, dtype=policy, name="drop_rows")
        self.drop_output = Dropout(dropout, dtype=policy, name="drop")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the maps, one `[N, R * N]` kernel, row after row, and the norm."""
        width = input_shape[-1]
        if width is None:
            raise ValueError(
                "The last axis of the input must be known. Received: input shape "
                f"{input_shape}"
            )
        self.project = keras.layers.Dense(
            width * self.rows,
            kernel_initializer="glorot_normal",
            dtype=self.dtype_policy,
            name="project",
        )
        self.project.build(input_shape)
        self.norm.build(input_shape)
        self.activation.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Multiplies, normalizes, activates and adds."""
        z = self.norm(self.products(inputs, training), training=training)
        return self.drop_output(self.activation(z), training=training) + inputs

    def products(self, inputs: Any, training: bool | None = None) -> Any:
        """The quadratic form `z` alone, `[batch, N]`."""
        maps = self.drop_rows(self.project(inputs), training=training)  # [B, R * N]
        maps = ops.reshape(maps, (-1, self.rows, inputs.shape[-1]))
        return inputs * ops.sum(maps, axis=1)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, N]`."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "rows": self.rows, "dropout": self.dropout}
