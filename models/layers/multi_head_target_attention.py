"""Attention of a target over a history."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from clickwright.models.layers.dropout import Dropout

HIDDEN = -1e9
"""Score of a masked item."""


@keras.saving.register_keras_serializable(package="clickwright")
class MultiHeadTargetAttention(keras.layers.Layer):
    """Multi-head attention with the target as its only query.

    With `h` heads of width `a = attention_dim / h`:
    `output = [A_1 S V_1 ; .. ; A_h S V_h] O` with
    `A_k = softmax(t Q_k (S K_k)^T / sqrt(a))` over the items whose mask is 1. Without
    such an item the output is zeros. No biases; the softmax runs in float32.

    Keys and values are never made: `t Q_k K_k'` meets the history as it is, and its
    weighted sum goes through `V_k`. That is the same function of the same weights with
    `a` times fewer products. A history of batch 1 serves all targets.

    Args:
        attention_dim: width of queries, keys and values, of all heads together.
        heads: attention heads.
        output_dim: width of the output; the target's when None.
        dropout: share of the attention weights dropped in training.

    Input shape:
        Dict of `target`, `[N, d_t]`; `history`, `[N or 1, L, d]`; and `mask`,
        `[N or 1, L]`.

    Output shape:
        `[N, output_dim]`.

    Raises:
        ValueError: `attention_dim` is not a positive multiple of `heads`.

    References:
        FuxiCTR (model_zoo/LongCTR), `MultiHeadTargetAttention`; there an empty history
        gives the mean of the padding.
    """

    mixes_batches: ClassVar[bool] = True

    def __init__(
        self,
        attention_dim: int,
        heads: int = 1,
        output_dim: int | None = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if attention_dim < 1 or heads < 1 or attention_dim % heads:
            raise ValueError(
                "`attention_dim` must be a positive multiple of `heads`. Received: "
                f"attention_dim={attention_dim}, heads={heads}"
            )
        self.attention_dim = attention_dim
        self.heads = heads
        self.output_dim = output_dim
        self.dropout = dropout
        self.drop = (
            Dropout(dropout, dtype=self.dtype_policy, name="drop")
            if dropout > 0.0
            else None
        )

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the four kernels."""
        target, history = input_shape["target"][-1], input_shape["history"][-1]
        self.query_kernel = self._kernel("query", target, self.attention_dim)
        self.key_kernel = self._kernel("key", history, self.attention_dim)
        self.value_kernel = self._kernel("value", history, self.attention_dim)
        self.output_kernel = self._kernel(
            "output", self.attention_dim, self.output_dim or target
        )

    def _kernel(self, name: str, rows: int | None, columns: int | None) -> Any:
        return self.add_weight(
            name=f"{name}_kernel", shape=(rows, columns), initializer="glorot_normal"
        )

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Attends."""
        history = inputs["history"]
        query = head_queries(
            inputs["target"], self.query_kernel, self.key_kernel, self.heads
        )  # [N, h, d]
        scores = ops.cast(head_scores(query, history), "float32")  # [N, h, L]
        scores = scores * (self.attention_dim // self.heads) ** -0.5
        real = ops.expand_dims(inputs["mask"] > 0, 1)  # [N, 1, L]
        shares = ops.softmax(ops.where(real, scores, HIDDEN))
        # Where nothing is real the softmax is even; nothing must come of it.
        shares = ops.cast(ops.where(real, shares, 0.0), self.compute_dtype)
        if self.drop is not None:
            shares = self.drop(shares, training=training)
        pooled = head_sums(shares, history)  # [N, h, d]
        return head_outputs(pooled, self.value_kernel, self.output_kernel)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[N, output_dim]`."""
        batch, width = input_shape["target"]
        return (batch, self.output_dim or width)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "attention_dim": self.attention_dim,
            "heads": self.heads,
            "output_dim": self.output_dim,
            "dropout": self.dropout,
        }


def head_queries(target: Any, query_kernel: Any, key_kernel: Any, heads: int) -> Any:
    """What each head looks for, `t Q_k K_k'`, `[N, h, d]`.

    Args:
        target: `[N, d_t]`.
        query_kernel: `Q` of all heads side by side, `[d_t, h * a]`.
        key_kernel: `K` of all heads side by side, `[d, h * a]`.
        heads: `h`.
    """
    query = _by_head(ops.matmul(target, query_kernel), heads)  # [h, N, a]
    key = _by_head(key_kernel, heads)  # [h, d, a]
    found = ops.matmul(query, ops.transpose(key, (0, 2, 1)))  # [h, N, d]
    return ops.transpose(found, (1, 0, 2))


def head_scores(query: Any, history: Any) -> Any:
    """Products of each head's query with each item, `[N, h, L]`.

    One matrix product where the history's batch is known to be 1.

    Args:
        query: `[N, h, d]`.
        history: `[N or 1, L, d]`.
    """
    if history.shape[0] != 1:
        return ops.matmul(query, ops.transpose(history, (0, 2, 1)))
    heads, width = query.shape[1:]
    scores = ops.matmul(
        ops.reshape(query, (-1, width)), ops.transpose(history[0])
    )  # [N * h, L]
    return ops.reshape(scores, (-1, heads, history.shape[1]))


def head_sums(shares: Any, history: Any) -> Any:
    """Weighted sums of the items, `[N, h, d]`.

    One matrix product where the history's batch is known to be 1.

    Args:
        shares: `[N, h, L]`.
        history: `[N or 1, L, d]`.
    """
    if history.shape[0] != 1:
        return ops.matmul(shares, history)
    heads, length = shares.shape[1:]
    sums = ops.matmul(ops.reshape(shares, (-1, length)), history[0])  # [N * h, d]
    return ops.reshape(sums, (-1, heads, history.shape[2]))


def head_outputs(pooled: Any, value_kernel: Any, output_kernel: Any) -> Any:
    """`[p_1 V_1 ; .. ; p_h V_h] O`, `[N, n]`.

    Args:
        pooled: each head's sum of items, `[N, h, d]`.
        value_kernel: `V` of all heads side by side, `[d, h * a]`.
        output_kernel: `O`, `[h * a, n]`.
    """
    heads, width = pooled.shape[1], value_kernel.shape[1]
    value = _by_head(value_kernel, heads)  # [h, d, a]
    joined = ops.matmul(ops.transpose(pooled, (1, 0, 2)), value)  # [h, N, a]
    joined = ops.reshape(ops.transpose(joined, (1, 0, 2)), (-1, width))
    return ops.matmul(joined, output_kernel)


def _by_head(x: Any, heads: int) -> Any:
    """`[n, h * a]` to `[h, n, a]`."""
    split = ops.reshape(x, (-1, heads, x.shape[1] // heads))
    return ops.transpose(split, (1, 0, 2))
