"""Self-attention over a user's search queries."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class QueryEncoder(keras.layers.Layer):
    """States of a sequence of queries, each made of itself and those before it.

    A block of a pre-norm transformer, with `x_k = q_k + P_k` and `P_k` the vector of
    place `k` among the real queries, so that neither side nor amount of the padding
    matters: `y = x + A(norm(x))`, `h = y + relu(norm(y) W_1 + b_1) W_2 + b_2`, with
    causal multi-head attention `A`. At padding the states are zeros.

    Args:
        heads: attention heads.
        blocks: blocks, one after the other.
        dropout: share of the values dropped in training, of `A` and of the last sum.

    Input shape:
        Dict of `queries`, `[batch, L, D]`, and `mask`, `[batch, L]`.

    Output shape:
        `[batch, L, D]`.

    Raises:
        ValueError: an argument is out of its range, or `D` no multiple of `heads`.
    """

    def __init__(
        self, heads: int = 2, blocks: int = 1, dropout: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if heads < 1 or blocks < 1:
            raise ValueError(
                "`heads` and `blocks` must be positive. Received: "
                f"heads={heads}, blocks={blocks}"
            )
        self.heads = heads
        self.blocks = blocks
        self.dropout = dropout
        self.attentions: list[Any] = []
        self.norms: list[Any] = []
        self.denses: list[Any] = []
        self.drop = Dropout(dropout, dtype=self.dtype_policy, name="drop")

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the places and the layers of each block."""
        shape = tuple(input_shape["queries"])
        length, width = shape[1:]
        if width is None or width % self.heads:
            raise ValueError(
                f"`queries` must be a multiple of its {self.heads} `heads` wide. "
                f"Received: {width}"
            )
        self.places = self.add_weight(
            name="places",
            shape=(length, width),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        policy = self.dtype_policy
        for n in range(self.blocks):
            attention = keras.layers.MultiHeadAttention(
                self.heads,
                width // self.heads,
                kernel_initializer="glorot_normal",
                dtype=policy,
                name=f"attention_{n}",
            )
            attention.build(shape, shape)
            self.attentions.append(attention)
            for name in ("first", "second"):
                norm = keras.layers.LayerNormalization(
                    epsilon=1e-5, dtype="float32", name=f"{name}_norm_{n}"
                )
                norm.build(shape)
                self.norms.append(norm)
                dense = keras.layers.Dense(
                    width,
                    activation="relu" if name == "first" else None,
                    kernel_initializer="glorot_normal",
                    dtype=policy,
                    name=f"{name}_dense_{n}",
                )
                dense.build(shape)
                self.denses.append(dense)

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Adds places and runs the blocks."""
        queries = inputs["queries"]
        real = inputs["mask"] > 0  # [B, L]
        there = ops.cast(ops.expand_dims(real, -1), self.compute_dtype)
        place = ops.maximum(ops.cumsum(ops.cast(real, "int32"), axis=1) - 1, 0)
        x = queries + ops.take(self.places, place, axis=0)
        # A query sees itself even as padding: a row without any key would be undefined.
        own = ops.expand_dims(ops.eye(queries.shape[1], dtype="bool"), 0)
        sees = ops.logical_or(ops.expand_dims(real, 1), own)  # [B, L, L]
        for n, attention in enumerate(self.attentions):
            normed = ops.cast(self.norms[2 * n](x), self.compute_dtype)
            mixed = attention(normed, normed, attention_mask=sees, use_causal_mask=True)
            x = x + self.drop(mixed, training=training)
            normed = ops.cast(self.norms[2 * n + 1](x), self.compute_dtype)
            hidden = self.denses[2 * n + 1](self.denses[2 * n](normed))
            x = x + self.drop(hidden, training=training)
        return x * there

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """That of `queries`."""
        return tuple(input_shape["queries"])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "heads": self.heads,
            "blocks": self.blocks,
            "dropout": self.dropout,
        }
