"""Attention whose own scores choose what it attends to."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from clickwright.models.layers.dropout import Dropout
from clickwright.models.layers.gather_places import gather_places
from clickwright.models.layers.multi_head_target_attention import (
    HIDDEN,
    head_outputs,
    head_queries,
    head_scores,
    head_sums,
)


@keras.saving.register_keras_serializable(package="clickwright")
class TopTargetAttention(keras.layers.Layer):
    """TWIN's attention: the scores that search a history are those that weigh it.

    With `h` heads of width `a = attention_dim / h`, `s_l` an item of the history and
    `x_lj` its cross features `j`, of which a target knows nothing, such as its age:

    `z_kl = t Q_k . s_l K_k / sqrt(a) + sum_j beta_j (w_kj . x_lj)`,

    and a head gives the values `[s_l ; x_l1 ; ..] V_k` of the `top` items with the
    highest `z_kl`, weighed by the softmax of these scores. The heads together are
    multiplied by `O`. Masked items are never chosen before others and weigh nothing;
    without any other item the output is zeros. No biases; softmax in float32.

    A history of batch 1 serves all targets, and its cross features are weighed once.

    Args:
        attention_dim: width of queries, keys and values, of all heads together.
        top: items that a head attends to, or all where there are fewer.
        heads: attention heads.
        dropout: share of the attention weights dropped in training.

    Input shape:
        Dict of `target`, `[N, d]`; `history`, `[N or 1, L, d]`; `mask`, `[N or 1, L]`;
        and, where there are cross features, `extra`, `[N or 1, L, n, D]`.

    Output shape:
        `[N, d]`.

    Raises:
        ValueError: an argument is out of its range.

    References:
        Chang et al., TWIN, KDD 2023 (arXiv 2302.02352). `beta` is shared by the heads
        as in FuxiCTR (model_zoo/LongCTR/TWIN), whose bias however is one a row where
        the paper has one an item.
    """

    mixes_batches: ClassVar[bool] = True

    def __init__(
        self,
        attention_dim: int,
        top: int,
        heads: int = 1,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if attention_dim < 1 or heads < 1 or attention_dim % heads:
            raise ValueError(
                "`attention_dim` must be a positive multiple of `heads`. Received: "
                f"attention_dim={attention_dim}, heads={heads}"
            )
        if top < 1:
            raise ValueError(f"`top` must be positive. Received: {top}")
        self.attention_dim = attention_dim
        self.top = top
        self.heads = heads
        self.dropout = dropout
        self.drop = (
            Dropout(dropout, dtype=self.dtype_policy, name="drop")
            if dropout > 0.0
            else None
        )

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the kernels; those of cross features where there are any."""
        width = input_shape["target"][-1]
        extra = input_shape.get("extra", (None, None, 0, 0))
        crosses, cross_width = extra[2] or 0, extra[3] or 0
        items = (input_shape["history"][-1] or 0) + crosses * cross_width
        self.query_kernel = self._kernel("query", (width, self.attention_dim))
        self.key_kernel = self._kernel(
            "key", (input_shape["history"][-1], self.attention_dim)
        )
        self.value_kernel = self._kernel("value", (items, self.attention_dim))
        self.output_kernel = self._kernel("output", (self.attention_dim, width))
        if crosses:
            self.cross_kernel = self._kernel(
                "cross", (self.heads, crosses, cross_width)
            )
            self.beta_kernel = self._kernel("beta", (crosses, 1))

    def _kernel(self, name: str, shape: tuple[int | None, ...]) -> Any:
        return self.add_weight(
            name=f"{name}_kernel", shape=shape, initializer="glorot_normal"
        )

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Scores, chooses and attends."""
        items = history = inputs["history"]
        length = history.shape[1]
        query = head_queries(
            inputs["target"], self.query_kernel, self.key_kernel, self.heads
        )  # [N, h, d]
        scores = ops.cast(head_scores(query, history), "float32")  # [N, h, L]
        scores = scores * (self.attention_dim // self.heads) ** -0.5
        extra = inputs.get("extra")
        if extra is not None:
            crosses = ops.reshape(extra, (-1, length, extra.shape[2] * extra.shape[3]))
            scores = scores + ops.cast(self._bias(crosses), "float32")
            items = ops.concatenate([history, crosses], axis=-1)  # [N, L, d + n D]
        real = ops.expand_dims(inputs["mask"] > 0, 1)  # [N, 1, L]
        scores = ops.where(real, scores, HIDDEN)
        if self.top >= length:
            shares = self._shares(scores, training)  # [N, h, L]
            pooled = head_sums(shares, items)
        else:
            scores, places = ops.top_k(scores, self.top, sorted=False)  # [N, h, k]
            shares = ops.expand_dims(self._shares(scores, training), 2)
            chosen = gather_places(
                items, ops.reshape(places, (-1, self.heads * self.top))
            )
            shape = (-1, self.heads, self.top, items.shape[2])
            pooled = ops.squeeze(
                ops.matmul(shares, ops.reshape(chosen, shape)), 2
            )  # [N, h, d + n D]
        return head_outputs(pooled, self.value_kernel, self.output_kernel)

    def _shares(self, scores: Any, training: bool | None) -> Any:
        """The softmax of the scores; 0 at masked items, where it can be even."""
        shares = ops.where(scores > HIDDEN / 2, ops.softmax(scores), 0.0)
        shares = ops.cast(shares, self.compute_dtype)
        return shares if self.drop is None else self.drop(shares, training=training)

    def _bias(self, crosses: Any) -> Any:
        """What cross features `[N, L, n D]` add to each head's scores, `[N, h, L]`."""
        # One kernel: a matmul instead of a product for every head and feature.
        kernel = ops.reshape(self.cross_kernel * self.beta_kernel, (self.heads, -1))
        return ops.transpose(ops.matmul(crosses, ops.transpose(kernel)), (0, 2, 1))

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[N, d]`."""
        return tuple(input_shape["target"])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "attention_dim": self.attention_dim,
            "top": self.top,
            "heads": self.heads,
            "dropout": self.dropout,
        }
