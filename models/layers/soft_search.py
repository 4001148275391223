"""How relevant each item of a history is to the target."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class SoftSearch(keras.layers.Layer):
    """SIM's soft search, `c_l = (t A) . (s_l B)`, 0 where the mask is 0.

    `s_l B` of a history of batch 1 is made once for all targets.

    Args:
        attention_dim: columns of `A` and `B`.

    Input shape:
        Dict of `target`, `[N, d]`; `history`, `[N or 1, L, d]`; and `mask`,
        `[N or 1, L]`.

    Output shape:
        `[N, L]`.

    Raises:
        ValueError: `attention_dim` is not positive.

    References:
        Pi et al., Search-based User Interest Modeling, CIKM 2020; as in FuxiCTR
        (model_zoo/LongCTR/SIM), without a softmax.
    """

    mixes_batches: ClassVar[bool] = True

    def __init__(self, attention_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if attention_dim < 1:
            raise ValueError(
                f"`attention_dim` must be positive. Received: {attention_dim}"
            )
        self.attention_dim = attention_dim

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes `A` and `B`."""
        self.target_kernel = self.add_weight(
            name="target_kernel",
            shape=(input_shape["target"][-1], self.attention_dim),
            initializer="glorot_normal",
        )
        self.history_kernel = self.add_weight(
            name="history_kernel",
            shape=(input_shape["history"][-1], self.attention_dim),
            initializer="glorot_normal",
        )

    def call(self, inputs: Mapping[str, Any]) -> Any:
        """Scores."""
        query = ops.matmul(inputs["target"], self.target_kernel)  # [N, a]
        keys = ops.matmul(inputs["history"], self.history_kernel)  # [N, L, a]
        scores = ops.matmul(keys, ops.expand_dims(query, -1))  # [N, L, 1]
        return ops.squeeze(scores, -1) * inputs["mask"]

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[N, L]`."""
        return (input_shape["target"][0], input_shape["history"][1])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "attention_dim": self.attention_dim}
