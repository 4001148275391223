"""Tensors whose parts depend on the user, or on an item."""

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


@dataclasses.dataclass(frozen=True, eq=False)
class Crossed:
    """Stands for what cross layers make of a tensor, `[N, n]`.

    Attributes:
        start: the tensor.
        layers: the cross layers, one after the other.
    """

    start: Sides
    layers: tuple[Any, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Beside:
    """Stands for crosses and tensors beside each other, `[N, n]`.

    Attributes:
        parts: one `Crossed`, and tensors `[N, m]`.
        layer: puts them together.
    """

    parts: tuple[Any, ...]
    layer: Any
