"""A transformer block on a user's behaviour."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class BehaviourTransformer(keras.layers.Layer):
    """Self-attention and a dense network, each added to its input, then normalized.

    `y = norm(x + drop(heads(x)))` and
    `norm(y + drop(W_2 leaky_relu(W_1 y + b_1) + b_2))`, all as wide as the tokens. The
    four projections of the attention have no biases. A token attends to all tokens but
    padding, and padding to itself alone, so it never tells anyone anything.
    Normalization has epsilon 1e-5.

    Args:
        heads: heads of the attention; must divide the width of the tokens.
        dropout: share dropped in training of the attention's and of the network's
            output.

    Input shape:
        Dict of `tokens`, `[batch, T, d]`, and `mask`, `[batch, T]`, 1 at tokens and 0
        at padding.

    Output shape:
        `[batch, T, d]`.

    Raises:
        ValueError: `heads` is not positive or does not divide the width.

    References:
        Chen et al., Behavior Sequence Transformer, DLP-KDD 2019, equations 2 to 5.
    """

    def __init__(self, heads: int, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if heads < 1:
            raise ValueError(f"`heads` must be at least 1. Received: {heads}")
        self.heads = heads
        self.dropout = dropout

    def build(self, input_shape: Mapping[str, tuple[Any, ...]]) -> None:
        """Makes the attention, the network and the norms."""
        shape = input_shape["tokens"]
        width = shape[-1]
        if width % self.heads:
            raise ValueError(
                f"`heads` must divide the width of the tokens, {width}. Received: "
                f"{self.heads}"
            )
        policy = self.dtype_policy
        self.attention = keras.layers.MultiHeadAttention(
            self.heads,
            width // self.heads,
            use_bias=False,
            kernel_initializer="glorot_normal",
            dtype=policy,
            name="attention",
        )
        self.attention.build(shape, shape)
        self.hidden, self.output_dense = (
            keras.layers.Dense(
                width, kernel_initializer="glorot_normal", dtype=policy, name=name
            )
            for name in ("hidden", "output")
        )
        self.norms = [
            keras.layers.LayerNormalization(epsilon=1e-5, dtype=policy, name=name)
            for name in ("attention_norm", "output_norm")
        ]
        for part in (self.hidden, self.output_dense, *self.norms):
            part.build(shape)
        self.drop = Dropout(self.dropout, dtype=policy, name="drop")

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Attends, and runs the network."""
        x = inputs["tokens"]
        real = ops.cast(inputs["mask"], "bool")  # [B, T]
        itself = ops.eye(x.shape[1], dtype="bool")
        seen = ops.logical_or(ops.expand_dims(real, 1), itself)  # [B, T, T]
        y = self.attention(x, x, attention_mask=seen, training=training)
        y = self.norms[0](x + self.drop(y, training=training))
        z = self.output_dense(ops.leaky_relu(self.hidden(y), 0.01))
        return self.norms[1](y + self.drop(z, training=training))

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[batch, T, d]`."""
        return tuple(input_shape["tokens"])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "heads": self.heads, "dropout": self.dropout}
