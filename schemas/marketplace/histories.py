"""What every user clicked lately."""

import copy
from typing import Self

import numpy as np

from clickwright.schemas.marketplace.truth import NO_ITEM
from clickwright.schemas.marketplace.world import Ints


class Histories:
    """The latest clicks of every user, oldest first, padded at the left.

    Args:
        users: number of users.
        length: clicks kept of each.
    """

    def __init__(self, users: int, length: int) -> None:
        self.items: Ints = np.full((users, length), NO_ITEM)
        self.times: Ints = np.zeros((users, length), dtype=np.int64)

    def copy(self) -> Self:
        """Returns what is known now, for another course of things."""
        return copy.deepcopy(self)

    def append(self, users: Ints, items: Ints, times: Ints) -> None:
        """Adds clicks, `[clicks]` each, in the order in which they happened."""
        # Clicks of different users go in together: the first of each, the second, ...
        order = np.argsort(users, kind="stable")
        users, items, times = users[order], items[order], times[order]
        first = np.searchsorted(users, users)
        rank = np.arange(len(users)) - first
        for turn in range(rank.max(initial=-1) + 1):
            now = rank == turn
            for kept, new in ((self.items, items), (self.times, times)):
                rows = kept[users[now]]
                rows[:, :-1] = rows[:, 1:]
                rows[:, -1] = new[now]
                kept[users[now]] = rows
