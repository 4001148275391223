"""The self-attention block of SASRec."""

from typing import Any

import keras
from keras import ops

from clickwright.models.layers.attend import attend, may_look
from clickwright.models.layers.dropout import Dropout

_EPSILON = 1e-8


@keras.saving.register_keras_serializable(package="clickwright")
class SASRecBlock(keras.layers.Layer):
    """Causal self-attention and a dense network, as the authors' code has them.

    Of events `x` and the mask `m`, with layer normalization `LN` (epsilon 1e-8):

        Q = LN(x);  q = Q Wq + bq;  k = x Wk + bk;  v = x Wv + bv
        y = softmax(q k^T / sqrt(d / heads)) v + Q
        z = LN(y)
        output = (drop(W2 drop(relu(z W1 + b1)) + b2) + z) * m

    Three things that later implementations changed: only queries are normalized, the
    residual adds what is normalized and not `x`, and there is no output projection.
    The authors also zero the attention of padded queries; the last factor makes that
    the same.

    Args:
        heads: heads of the attention.
        dropout: share dropped, of attention weights and in the dense network.

    Input shape:
        Events `[batch, L, d]`, zeros where padded; and `real`, bool `[batch, L]`.

    Output shape:
        `[batch, L, d]`, zeros where padded.

    Raises:
        ValueError: `heads` does not divide `d`.

    References:
        Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018;
        kang205/SASRec.
    """

    def __init__(self, heads: int = 1, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.dropout = dropout
        self.drop_attention = self._dropout("drop_attention")
        self.drop_inner = self._dropout("drop_inner")
        self.drop_outer = self._dropout("drop_outer")
        self.query_norm = self._norm("query_norm")
        self.dense_norm = self._norm("dense_norm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes five kernels `[d, d]` with biases, and two normalizations."""
        width = input_shape[-1]
        if width is None or width % self.heads:
            raise ValueError(
                f"`heads` must divide the width {width}. Received: {self.heads}"
            )
        for norm in (self.query_norm, self.dense_norm):
            norm.build(input_shape)
        self.query, self.key, self.value, self.inner, self.outer = (
            keras.layers.Dense(
                width,
                activation="relu" if name == "inner" else None,
                dtype=self.dtype_policy,
                name=name,
            )
            for name in ("query", "key", "value", "inner", "outer")
        )
        for dense in (self.query, self.key, self.value, self.inner, self.outer):
            dense.build(input_shape)

    def call(self, inputs: Any, real: Any, training: bool | None = None) -> Any:
        """Attends, then runs the dense network."""
        normed = self.query_norm(inputs)
        attended = attend(
            self.query(normed),
            self.key(inputs),
            self.value(inputs),
            may_look(real, causal=True),
            self.heads,
            self.drop_attention,
            training,
        )
        z = self.dense_norm(attended + normed)
        inner = self.drop_inner(self.inner(z), training=training)
        output = self.drop_outer(self.outer(inner), training=training) + z
        return output * ops.expand_dims(ops.cast(real, output.dtype), -1)

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
            "dropout": self.dropout,
        }

    def _dropout(self, name: str) -> Dropout:
        return Dropout(self.dropout, dtype=self.dtype_policy, name=name)

    def _norm(self, name: str) -> keras.layers.LayerNormalization:
        return keras.layers.LayerNormalization(
            epsilon=_EPSILON, dtype=self.dtype_policy, name=name
        )
