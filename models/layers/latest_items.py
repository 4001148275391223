"""The end of a history."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.gather_places import gather_places


@keras.saving.register_keras_serializable(package="clickwright")
class LatestItems(keras.layers.Layer):
    """The last `length` items of a history, whichever side its padding is on.

    The window ends at the last real item, or lies at the front where the history is
    shorter; a history without items gives padding alone.

    Args:
        length: items kept, `n`; those of shorter histories are all kept.

    Input shape:
        Dict of `history`, `[batch, L, d]`, and `mask`, `[batch, L]`, 1 at real items.

    Output shape:
        The items, `[batch, min(n, L), d]`, and their mask, `[batch, min(n, L)]`.

    Raises:
        ValueError: `length` is not positive.
    """

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if length < 1:
            raise ValueError(f"`length` must be positive. Received: {length}")
        self.length = length

    def call(self, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
        """Cuts the window out."""
        history, mask = inputs["history"], inputs["mask"]
        length = history.shape[1]
        if length <= self.length:
            return history, mask
        ends = ops.arange(1, length + 1, dtype="int32")
        end = ops.max(ops.where(mask > 0, ends, 0), axis=1, keepdims=True)  # [B, 1]
        window = ops.arange(self.length, dtype="int32")
        places = ops.maximum(end - self.length, 0) + window  # [B, n]
        return gather_places(history, places), gather_places(mask, places)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
        """`[batch, min(n, L), d]` and `[batch, min(n, L)]`."""
        batch, length, width = input_shape["history"]
        kept = min(self.length, length or self.length)
        return (batch, kept, width), (batch, kept)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "length": self.length}
