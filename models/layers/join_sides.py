"""What depends on the user beside what depends on an item."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


class JoinSides(keras.layers.Layer):
    """Repeats the user's slices for every item, and puts all slices in their order.

    Args:
        user_places: where the user's slices come to stand, along the second axis.
        item_places: where the items' do.

    Input shape:
        `[1, a, ...]` and `[N, b, ...]`.

    Output shape:
        `[N, a + b, ...]`.
    """

    def __init__(
        self, user_places: Sequence[int], item_places: Sequence[int], **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        order = np.argsort([*user_places, *item_places])
        # Slices that are neighbours on their side move together.
        runs = np.split(order, np.flatnonzero(np.diff(order) != 1) + 1)
        users = len(user_places)
        self._cuts = [
            (side, int(part[0]) - side * users, int(part[-1]) + 1 - side * users)
            for run in runs
            for side, part in ((0, run[run < users]), (1, run[run >= users]))
            if len(part)
        ]

    def call(self, inputs: Sequence[Any]) -> Any:
        """Repeats and joins."""
        user, item = inputs
        user = ops.broadcast_to(user, (ops.shape(item)[0], *user.shape[1:]))
        sides = (user, item)
        return ops.concatenate(
            [sides[side][:, start:stop] for side, start, stop in self._cuts], axis=1
        )

    def compute_output_spec(self, inputs: Sequence[Any]) -> keras.KerasTensor:
        """The dtype of both."""
        user, item = inputs
        shape = self.compute_output_shape([user.shape, item.shape])
        return keras.KerasTensor(shape, item.dtype)

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[N, a + b, ...]`."""
        user, item = input_shape
        return (item[0], (user[1] or 0) + (item[1] or 0), *item[2:])
