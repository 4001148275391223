"""Attention weights by one kernel."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from clickwright.models.layers.sparse_target_attention import dot_places


@keras.saving.register_keras_serializable(package="clickwright")
class BilinearAttention(keras.layers.Layer):
    """`a = softmax_l(t W s_l)` over the places that are not padding.

    `W` starts at the identity. Padding weighs 0, so that a history without events has
    no weights but zeros. A history of batch 1 serves all targets.

    Input shape:
        Dict of `target`, `[batch, d]`, `history`, `[batch or 1, L, h]`, and `mask`,
        `[batch or 1, L]`, 1 at events and 0 at padding.

    Output shape:
        `[batch, L]`.

    References:
        Zhou et al., Deep Interest Evolution Network, AAAI 2019, equation 6.
    """

    mixes_batches: ClassVar[bool] = True

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the kernel, `[d, h]`."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape["target"][-1], input_shape["history"][-1]),
            initializer="identity",
        )

    def call(self, inputs: Mapping[str, Any]) -> Any:
        """Scores the places and normalizes the scores, in float32."""
        query = ops.matmul(inputs["target"], self.kernel)  # [B, h]
        scores = ops.cast(dot_places(query, inputs["history"]), "float32")  # [B, L]
        mask = ops.cast(inputs["mask"], "float32")
        weights = ops.softmax(ops.where(mask > 0, scores, -1e9), axis=-1) * mask
        return ops.cast(weights, self.compute_dtype)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[batch, L]`."""
        return (input_shape["target"][0], input_shape["history"][1])
