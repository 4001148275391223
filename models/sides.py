"""A tensor whose parts depend on the user, or on an item."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, eq=False)
class Sides:
    """Stands for `[N, n, ...]` while a ranking model is put together.

    Attributes:
        user: `[1, a, ...]`: slices along the second axis that are the same for all
            items.
        item: `[N, n - a, ...]`: the others.
        user_places: where the slices of `user` stand among the `n`.
        item_places: where those of `item` stand.
    """

    user: Any
    item: Any
    user_places: tuple[int, ...]
    item_places: tuple[int, ...]
