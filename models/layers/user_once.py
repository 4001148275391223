"""A dense layer that multiplies the user's part once."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.mlp import MLP


class UserOnce(keras.layers.Layer):
    """A dense layer, or a tower that begins with one, of a user and many items.

    `W x + b` of a row is `W_u u + (W_i i + b)`, of which the first part is the same
    for all items.

    Args:
        layer: the layer or tower; it keeps its weights.
        user_places: which inputs of it depend on the user alone.
        item_places: which ones depend on an item.

    Input shape:
        `[1, a]` and `[N, b]`.

    Output shape:
        `[N, h]`, what `layer` gives.

    Raises:
        ValueError: the tower has no layers.
    """

    def __init__(
        self,
        layer: keras.layers.Dense | MLP,
        user_places: Sequence[int],
        item_places: Sequence[int],
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=layer.dtype_policy, **kwargs)
        self.layer = layer
        if isinstance(layer, MLP) and not layer.steps:
            raise ValueError("`layer` must have layers. Received: an empty tower.")
        self.first = layer.steps[0] if isinstance(layer, MLP) else layer
        self.user_places = tuple(user_places)
        self.item_places = tuple(item_places)

    def call(self, inputs: Sequence[Any]) -> Any:
        """Multiplies each side, adds, and goes on as the layer does."""
        x = self.product(inputs)
        if self.first.use_bias:
            x += ops.cast(self.first.bias, self.compute_dtype)
        x = self.first.activation(x)
        return self.layer.after_first(x) if isinstance(self.layer, MLP) else x

    def product(self, inputs: Sequence[Any]) -> Any:
        """What the first kernel makes of both sides, `[N, h]`."""
        user, item = inputs
        kernel = ops.cast(self.first.kernel, self.compute_dtype)
        x = ops.matmul(item, ops.take(kernel, self.item_places, axis=0))
        return x + ops.matmul(user, ops.take(kernel, self.user_places, axis=0))

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """That of the layer."""
        user, item = input_shape
        whole = (item[0], (user[1] or 0) + (item[1] or 0))
        shape: tuple[int | None, ...] = self.layer.compute_output_shape(whole)
        return shape
