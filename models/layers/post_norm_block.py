"""A block of BERT's encoder."""

from typing import Any

import keras

from clickwright.models.layers.attend import attend
from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class PostNormBlock(keras.layers.Layer):
    """Self-attention and a dense network, normalized after each residual.

        y = LN(x + drop(attention(x) Wo + bo))
        output = LN(y + drop(W2 gelu(y W1 + b1) + b2))

    with layer normalization `LN` (epsilon 1e-12) and the exact GELU, as in BERT and the
    models that took its encoder over.

    Args:
        heads: heads of the attention.
        inner: width of the dense network.
        dropout: share of what the residuals add that is dropped.
        attention_dropout: share of the attention weights that is dropped.
        stddev: standard deviation of the kernels at the start, truncated normal.

    Input shape:
        Events `[batch, L, d]`; and `allowed`, bool, broadcast to `[batch, 1, L, L]`:
        which places a place may look at.

    Output shape:
        `[batch, L, d]`.

    Raises:
        ValueError: `heads` does not divide `d`.

    References:
        Devlin et al., BERT, NAACL 2019.
    """

    def __init__(
        self,
        heads: int,
        inner: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stddev: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.inner = inner
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.stddev = stddev
        policy = self.dtype_policy
        self.drop_attention = Dropout(attention_dropout, dtype=policy, name="drop_a")
        self.drop_output = Dropout(dropout, dtype=policy, name="drop_o")
        self.drop_dense = Dropout(dropout, dtype=policy, name="drop_d")
        self.attention_norm, self.dense_norm = (
            keras.layers.LayerNormalization(epsilon=1e-12, dtype=policy, name=name)
            for name in ("attention_norm", "dense_norm")
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes six kernels with biases, and two normalizations."""
        width = input_shape[-1]
        if width is None or width % self.heads:
            raise ValueError(
                f"`heads` must divide the width {width}. Received: {self.heads}"
            )
        self.query, self.key, self.value, self.output_, self.wide, self.narrow = (
            keras.layers.Dense(
                self.inner if name == "wide" else width,
                activation="gelu" if name == "wide" else None,
                kernel_initializer=keras.initializers.TruncatedNormal(
                    stddev=self.stddev
                ),
                dtype=self.dtype_policy,
                name=name,
            )
            for name in ("query", "key", "value", "output", "wide", "narrow")
        )
        for dense in (self.query, self.key, self.value, self.output_, self.wide):
            dense.build(input_shape)
        self.narrow.build((*input_shape[:-1], self.inner))
        for norm in (self.attention_norm, self.dense_norm):
            norm.build(input_shape)

    def call(self, inputs: Any, allowed: Any, training: bool | None = None) -> Any:
        """Attends, then runs the dense network."""
        attended = attend(
            self.query(inputs),
            self.key(inputs),
            self.value(inputs),
            allowed,
            self.heads,
            self.drop_attention,
            training,
        )
        attended = self.drop_output(self.output_(attended), training=training)
        y = self.attention_norm(inputs + attended)
        dense = self.drop_dense(self.narrow(self.wide(y)), training=training)
        return self.dense_norm(y + dense)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """That of the events."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "heads": self.heads,
            "inner": self.inner,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "stddev": self.stddev,
        }
