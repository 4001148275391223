"""Drawing negatives by how popular items are."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class NegativeSampler(keras.layers.Layer):
    """Draws items with a probability of `count^alpha`, in the graph.

    Until `count` has told how often items occur, all are alike. The padding row is
    never drawn.

    Args:
        items: rows of the item table, the padding row 0 included.
        alpha: 0 draws all items alike, 1 as often as they occur.

    Input shape:
        Ids, integers of any shape.

    Output shape:
        `log_counts`: float32, the shape of the ids.

    Raises:
        ValueError: there are no items, or `alpha` is not in `[0, 1]`.
    """

    def __init__(self, items: int, alpha: float, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if items < 2:
            raise ValueError(f"`items` must be 2 or more. Received: {items}")
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"`alpha` must be in [0, 1]. Received: {alpha}")
        self.items = items
        self.alpha = alpha

    def build(self, input_shape: Any = None) -> None:
        """Makes the running sums of the probabilities and the counts, `[items]`."""
        self.cumulative = self._table("cumulative")
        self.logarithms = self._table("log_counts")
        self.count(np.ones(self.items))

    def count(self, counts: Any) -> None:
        """Takes in how often each item occurs; those that never do are not drawn.

        Args:
            counts: `[items]`; that of row 0 counts for nothing.

        Raises:
            ValueError: the shape is another, a count is negative, or all are 0.
        """
        counts = np.array(counts, np.float64)
        if counts.shape != (self.items,):
            raise ValueError(
                f"`counts` must be of shape {(self.items,)}. Received: {counts.shape}"
            )
        counts[0] = 0.0
        if (counts < 0).any() or not counts.any():
            raise ValueError(
                "`counts` must not be negative, and not all 0. Received: "
                f"{counts.min()} to {counts.max()}"
            )
        weights = np.where(counts > 0, np.maximum(counts, 1e-30) ** self.alpha, 0.0)
        sums = np.cumsum(weights)
        self.cumulative.assign((sums / sums[-1]).astype(np.float32))
        self.logarithms.assign(np.log(np.maximum(counts, 1.0)).astype(np.float32))

    def draw(self, count: int, seed: keras.random.SeedGenerator) -> Any:
        """`count` items, drawn independently, int32 `[count]`."""
        points = keras.random.uniform((count,), seed=seed)
        found = ops.searchsorted(self.cumulative, points, side="right")
        return ops.clip(ops.cast(found, "int32"), 1, self.items - 1)

    def log_counts(self, ids: Any) -> Any:
        """The logarithm of how often items occur; 0 of those that never do."""
        return ops.take(self.logarithms, ids, axis=0)

    def call(self, inputs: Any) -> Any:
        """What `log_counts` gives."""
        return self.log_counts(inputs)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """That of the ids."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "items": self.items, "alpha": self.alpha}

    def _table(self, name: str) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=(self.items,),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
        )
