"""Sparse target attention with its projections multiplied out, for serving."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.sparse_target_attention import (
    SparseTargetAttention,
    dot_places,
    same_width,
    weighted_sum,
)


@keras.saving.register_keras_serializable(package="clickwright")
class FoldedTargetAttention(keras.layers.Layer):
    """What a trained `SparseTargetAttention` computes, by two matrices.

    With `M = W_q W_k' / sqrt(A)` and `P = W_v W_o`, both `[d, d]`:

        `o = sum_l relu(m_l * t M S_l') S_l P + t`

    Of a history of batch 1, which serves all targets, `S M'` and `S P` are made once;
    a target then costs `2 L d` products.

    Input shape:
        Dict of `target` `[batch, d]`, `history` `[batch or 1, L, d]` and `mask`
        `[batch or 1, L]`.

    Output shape:
        `[batch, d]`.

    Raises:
        ValueError: target and history differ in width.
    """

    mixes_batches: ClassVar[bool] = True

    @classmethod
    def of(cls, layer: SparseTargetAttention) -> Self:
        """The folded form of a built layer, with its name."""
        query, key, value, project = (
            np.asarray(ops.convert_to_numpy(w), np.float64)
            for w in (layer.query, layer.key, layer.value, layer.project)
        )
        width = query.shape[0]
        folded = cls(dtype=layer.dtype_policy.name, name=layer.name)
        folded.build({"target": (None, width), "history": (None, None, width)})
        folded.set_weights([query @ key.T / np.sqrt(layer.units), value @ project])
        return folded

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes `M` and `P`."""
        width = same_width(input_shape)
        self.scores, self.values = (
            self.add_weight(
                name=name, shape=(width, width), initializer="zeros", trainable=False
            )
            for name in ("scores", "values")
        )

    def call(self, inputs: Mapping[str, Any]) -> Any:
        """Weighs the history and adds its projected sum to the target."""
        target, history, mask = (inputs[n] for n in ("target", "history", "mask"))
        once = history.shape[0] == 1
        scores = (
            dot_places(target, ops.matmul(history, ops.transpose(self.scores)))
            if once
            else dot_places(ops.matmul(target, self.scores), history)
        )  # [B, L]
        weights = ops.relu(scores * ops.cast(mask, scores.dtype))
        if once:
            return weighted_sum(weights, ops.matmul(history, self.values)) + target
        return ops.matmul(weighted_sum(weights, history), self.values) + target

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[batch, d]`."""
        return tuple(input_shape["target"])
