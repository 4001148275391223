"""The items of a history that a search has found."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from clickwright.models.layers.gather_places import gather_places

_NEVER = -1e30


@keras.saving.register_keras_serializable(package="clickwright")
class TopItems(keras.layers.Layer):
    """The `top` items of a history with the highest scores, in no order.

    Without scores these are the latest ones. Where `mask` is 0 an item comes after all
    others, whatever its score, and stays masked if it is taken. Equal scores favour
    the older item. No gradient goes into the scores.

    Args:
        top: items taken, `k`, or all where there are fewer.

    Input shape:
        Dict of `history`, `[N or 1, L, d]`; `mask`, `[N or 1, L]`, 1 at items that may
        be taken; and, where a search has judged them, `scores`, `[N, L]`.

    Output shape:
        The items, `[N, min(k, L), d]`, and their mask, `[N, min(k, L)]`.

    Raises:
        ValueError: `top` is not positive.
    """

    mixes_batches: ClassVar[bool] = True

    def __init__(self, top: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if top < 1:
            raise ValueError(f"`top` must be positive. Received: {top}")
        self.top = top

    def call(self, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
        """Finds and gathers."""
        history, mask = inputs["history"], inputs["mask"]
        length = history.shape[1]
        scores = inputs.get("scores")
        if scores is None:
            scores = ops.arange(length, dtype="float32")
        ranked = ops.where(mask > 0, ops.cast(scores, "float32"), _NEVER)  # [N, L]
        _, places = ops.top_k(
            ops.stop_gradient(ranked), min(self.top, length), sorted=False
        )
        return gather_places(history, places), gather_places(mask, places)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
        """`[N, min(k, L), d]` and `[N, min(k, L)]`."""
        _, length, width = input_shape["history"]
        batch = input_shape.get("scores", input_shape["mask"])[0]
        kept = min(self.top, length or self.top)
        return (batch, kept, width), (batch, kept)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "top": self.top}
