"""Which items of a history share a value with the target."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class SameValue(keras.layers.Layer):
    """1 where a history's id is the target's, else 0: SIM's hard search.

    Id 0 is a missing value and equals nothing, and where the mask is 0 nothing counts.

    Input shape:
        Dict of integers `target`, `[N]`, and `history`, `[N or 1, L]`; and `mask`,
        `[N or 1, L]`.

    Output shape:
        `[N, L]`.
    """

    mixes_batches: ClassVar[bool] = True

    def call(self, inputs: Mapping[str, Any]) -> Any:
        """Compares."""
        target = ops.expand_dims(ops.cast(inputs["target"], "int32"), 1)  # [N, 1]
        history = ops.cast(inputs["history"], "int32")
        same = ops.logical_and(ops.equal(target, history), ops.not_equal(target, 0))
        same = ops.logical_and(same, inputs["mask"] > 0)
        return ops.cast(same, self.compute_dtype)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[N, L]`."""
        return (input_shape["target"][0], input_shape["history"][1])
