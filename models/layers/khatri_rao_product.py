"""A layer whose output is its input times learned, activated projections of it."""

from typing import Any

import keras
from keras import ops

from clickwright.models.layers.batch_norm import BatchNorm
from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class KhatriRaoProduct(keras.layers.Layer):
    """Multi-head Khatri-Rao product with the activation before the product.

    With `G = dropout(relu(BN(x W + b)))`, cut into `heads` times `rows` pieces of
    `N / heads` values, and `x_h` the coordinates of `x` that head `h` holds (of every
    field the `h`-th part of its embedding):

        `y = dropout(concat_h(x_h * sum_r G_hr) + x)`

    The concatenation lies head after head, `x` field after field. Published results
    add the two as they lie, so with several heads a coordinate meets another one;
    `align_heads` puts the concatenation into the order of the fields first.

    Args:
        fields: fields `F` that the input is the embeddings of.
        rows: projections that a head sums, `R`.
        heads: heads; they must divide the embedding, `N / F`.
        batch_norm: whether the projections are batch-normalized.
        dropout: share of the projections, and of the output, dropped in training.
        align_heads: whether products are added to the coordinates they came from.

    Input shape:
        `[batch, N]`, `F` embeddings one after the other.

    Output shape:
        `[batch, N]`.

    Raises:
        ValueError: an argument is out of its range, `fields` does not divide the
            input, or `heads` does not divide the embedding.

    References:
        Li et al., Revisiting Feature Interactions from the Perspective of Quadratic
        Neural Networks for Click-through Rate Prediction, KDD 2025
        (arXiv 2505.17999).
    """

    def __init__(
        self,
        fields: int,
        rows: int = 1,
        heads: int = 1,
        batch_norm: bool = False,
        dropout: float = 0.0,
        align_heads: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("fields", fields), ("rows", rows), ("heads", heads)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {value}")
        self.fields = fields
        self.rows = rows
        self.heads = heads
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.align_heads = align_heads
        policy = self.dtype_policy
        self.norm = BatchNorm(dtype=policy, name="norm") if batch_norm else None
        self.drop_gates = Dropout(dropout, dtype=policy, name="drop_gates")
        self.drop_output = Dropout(dropout, dtype=policy, name="drop")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the projection, `[N, N * rows]`, and its norm."""
        width = input_shape[-1]
        if width is None or width % self.fields:
            raise ValueError(
                f"`fields` must divide the last axis of the input. Received: "
                f"{self.fields} fields, input shape {input_shape}"
            )
        if width // self.fields % self.heads:
            raise ValueError(
                f"`heads` must divide the embedding width. Received: {self.heads} "
                f"heads, width {width // self.fields}"
            )
        self.project = keras.layers.Dense(
            width * self.rows,
            kernel_initializer="glorot_normal",
            dtype=self.dtype_policy,
            name="project",
        )
        self.project.build(input_shape)
        if self.norm is not None:
            self.norm.build((input_shape[0], width * self.rows))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Projects, activates, multiplies and adds."""
        width = inputs.shape[-1]
        gates = self.project(inputs)
        if self.norm is not None:
            gates = self.norm(gates, training=training)
        gates = self.drop_gates(ops.relu(gates), training=training)
        gates = ops.reshape(gates, (-1, self.heads, self.rows, width // self.heads))
        products = self._by_head(inputs) * ops.sum(gates, axis=2)  # [B, H, N / H]
        if self.align_heads:
            products = ops.reshape(
                products, (-1, self.heads, self.fields, self._head_width(width))
            )
            products = ops.transpose(products, (0, 2, 1, 3))  # [B, F, H, d]
        output = ops.reshape(products, (-1, width)) + inputs  # [B, N]
        return self.drop_output(output, training=training)

    def _by_head(self, x: Any) -> Any:
        width = x.shape[-1]
        x = ops.reshape(x, (-1, self.fields, self.heads, self._head_width(width)))
        x = ops.transpose(x, (0, 2, 1, 3))  # [B, H, F, d]
        return ops.reshape(x, (-1, self.heads, width // self.heads))

    def _head_width(self, width: int) -> int:
        return width // (self.fields * self.heads)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, N]`."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "fields": self.fields,
            "rows": self.rows,
            "heads": self.heads,
            "batch_norm": self.batch_norm,
            "dropout": self.dropout,
            "align_heads": self.align_heads,
        }
