"""A history and its target as one sequence of tokens with positions."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class BehaviourTokens(keras.layers.Layer):
    """`[s_l ; p_l]` of every event and, as the last token, `[t ; p]` of the target.

    Without `positions` in the input, `p` is a row of a trained table that starts as
    sinusoids: row 0 the target's, row `n` that of the `n`-th latest event, however
    much padding lies on either side. With them they are the events' positions, such
    as embeddings of their ages, and the target has a trained one, at first zeros.

    Args:
        position_width: values a position, `P`.

    Input shape:
        Dict of `target`, `[batch, d]`, `history`, `[batch, L, d]`, `mask`, `[batch,
        L]`, 1 at events and 0 at padding, and maybe `positions`, `[batch, L, P]`.

    Output shape:
        Dict of `tokens`, `[batch, L + 1, d + P]`, and `mask`, `[batch, L + 1]`.

    Raises:
        ValueError: `position_width` is not positive, or `positions` has another width.

    References:
        Chen et al., Behavior Sequence Transformer, DLP-KDD 2019, section 2.1. The
        order of the latest events as positions is FuxiCTR's, which counts from the
        oldest; counted from the latest, padding on the left changes nothing.
    """

    def __init__(self, position_width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if position_width < 1:
            raise ValueError(
                f"`position_width` must be at least 1. Received: {position_width}"
            )
        self.position_width = position_width

    def build(self, input_shape: Mapping[str, tuple[Any, ...]]) -> None:
        """Makes the positions, `[L + 1, P]`, or that of the target, `[1, P]`."""
        initializer: Any
        if "positions" in input_shape:
            width = input_shape["positions"][-1]
            if width != self.position_width:
                raise ValueError(
                    f"`positions` must be {self.position_width} wide. Received: {width}"
                )
            rows, initializer = 1, keras.initializers.Zeros()
        else:
            rows, initializer = input_shape["history"][1] + 1, _sinusoids
        self.positions = self.add_weight(
            name="positions",
            shape=(rows, self.position_width),
            initializer=initializer,
        )

    def call(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Appends the target, and the positions to all."""
        target = ops.expand_dims(inputs["target"], 1)  # [B, 1, d]
        mask = ops.cast(inputs["mask"], self.compute_dtype)
        mask = ops.concatenate([mask, ops.ones_like(mask[:, :1])], axis=1)
        items = ops.concatenate([inputs["history"], target], axis=1)
        table = ops.convert_to_tensor(self.positions)
        if "positions" in inputs:
            of_target = ops.zeros_like(target[..., :1]) + table  # [B, 1, P]
            positions = ops.concatenate([inputs["positions"], of_target], axis=1)
        else:
            real = ops.cast(mask, "int32")
            # Of the token itself and those behind it, less the target's.
            rank = ops.flip(ops.cumsum(ops.flip(real, axis=1), axis=1), axis=1) - 1
            positions = ops.take(table, rank, axis=0)  # [B, L + 1, P]
        tokens = ops.concatenate([items, positions], axis=-1)
        return {"tokens": tokens * ops.expand_dims(mask, -1), "mask": mask}

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[Any, ...]]
    ) -> dict[str, tuple[int | None, ...]]:
        """`[batch, L + 1, d + P]` and `[batch, L + 1]`."""
        batch, width = input_shape["target"]
        length = input_shape["history"][1] + 1
        return {
            "tokens": (batch, length, width + self.position_width),
            "mask": (batch, length),
        }

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "position_width": self.position_width}


def _sinusoids(shape: tuple[int, int], dtype: Any = None) -> Any:
    """Sines in the even columns and cosines in the odd ones, slower to the right."""
    rows, width = shape
    column = np.arange(width)
    angle = np.arange(rows)[:, None] / 10_000.0 ** (column // 2 * 2 / width)
    return ops.convert_to_tensor(
        np.where(column % 2 == 0, np.sin(angle), np.cos(angle)), dtype
    )
