"""How well a state tells its row's item from those of the other rows."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class NextItemEntropy(keras.layers.Layer):
    """`-log softmax_b'(h_b W . t_b')` at `b' = b`, of each row `b`, in training.

    `h_b` is the state of the row's last real event. Rows with the same item are no
    negatives of each other; a row without events gives 0. Out of training all is 0:
    what the other rows of a batch are must not matter there.

    Input shape:
        Dict of `states`, `[batch, L, D]`; `mask`, `[batch, L]`; `items`, `[batch, d]`;
        and the integers `ids` of the items, `[batch]`.

    Output shape:
        `[batch, 1]`.
    """

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes `W`, `[D, d]`."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape["states"][-1], input_shape["items"][-1]),
            initializer="glorot_normal",
        )

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """The entropies in training, else zeros."""
        items = inputs["items"]
        if not training:
            return ops.zeros_like(items[:, :1])
        mask = ops.cast(inputs["mask"], self.compute_dtype)  # [B, L]
        place = ops.arange(1, mask.shape[1] + 1, dtype="int32")
        last = ops.argmax(ops.where(mask > 0, place, 0), axis=1)
        chosen = ops.one_hot(last, mask.shape[1], dtype=self.compute_dtype) * mask
        state = ops.squeeze(
            ops.matmul(ops.expand_dims(chosen, 1), inputs["states"]), 1
        )  # [B, D]
        scores = ops.cast(
            ops.matmul(ops.matmul(state, self.kernel), ops.transpose(items)), "float32"
        )  # [B, B]
        ids = inputs["ids"]
        same = ops.equal(ops.expand_dims(ids, 1), ops.expand_dims(ids, 0))
        own = ops.eye(ops.shape(scores)[0], dtype="bool")
        counts = ops.logical_or(own, ops.logical_not(same))
        total = ops.logsumexp(ops.where(counts, scores, -1e9), axis=1)
        entropy = (total - ops.diagonal(scores)) * ops.cast(
            ops.max(mask, axis=1), "float32"
        )
        return ops.cast(ops.expand_dims(entropy, 1), self.compute_dtype)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[batch, 1]`."""
        return (input_shape["items"][0], 1)
