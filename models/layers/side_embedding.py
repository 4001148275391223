"""Embeddings of the user's inputs and of the items', apart."""

from collections.abc import Collection, Mapping
from typing import Any

import keras

from clickwright.models.layers.fused_embedding import FusedEmbedding


class SideEmbedding(keras.layers.Layer):
    """Looks the user's inputs up for one row, and the items' for all rows.

    Args:
        embedding: whose table, and whose inputs.
        items: names of those inputs that hold one row an item.

    Input shape:
        Dict of the inputs of `embedding`: `[N, ...]` of `items`, `[1, ...]` of others.

    Output shape:
        `[1, a, D]` of the fields `user_places`, and `[N, F - a, D]` of `item_places`.
    """

    def __init__(
        self, embedding: FusedEmbedding, items: Collection[str], **kwargs: Any
    ) -> None:
        super().__init__(dtype=embedding.dtype_policy, autocast=False, **kwargs)
        self.embedding = embedding
        self.items = embedding.with_encoded(items)
        names = [i.name for i in embedding.inputs]
        self.item_places = tuple(n for n, x in enumerate(names) if x in self.items)
        self.user_places = tuple(n for n, x in enumerate(names) if x not in self.items)

    def call(self, inputs: Mapping[str, Any]) -> list[Any]:
        """Looks both sides up."""
        return list(self.embedding.sides(inputs, self.items))

    def compute_output_shape(
        self, input_shape: Mapping[str, Any]
    ) -> list[tuple[int | None, ...]]:
        """The shapes of both sides."""
        width = self.embedding.width
        return [
            (1, len(self.user_places), width),
            (None, len(self.item_places), width),
        ]
